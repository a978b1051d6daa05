"""An LLM behind a service: it is asked about the texts of one request while the members read those of others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from hybridner.ensemble import Threshold
from hybridner.hybrid import TextPrediction
from hybridner.hybrid.verification import Verification
from hybridner.llm import LlmReport, VerifiedCandidate

_Rows = list[list[VerifiedCandidate]]

#: The share of the time that is left to a request in which the LLM must have answered; then the local entities are given out.
_SHARE = 0.9


class RequestVerifier:
    """Has an LLM asked about the predictions of requests. All methods belong to one event loop; none of them holds it up.

    Args:
        verification: of the model that is served; stays open for its owner.
        max_waiting: most texts that may wait for the LLM; it is not asked about further ones.
    """

    def __init__(self, verification: Verification, max_waiting: int) -> None:
        self._verification, self._max_waiting = verification, max_waiting
        self.llm, self.settings = verification.llm, verification.settings
        self.waiting = self.skipped = 0
        # One thread: what is planned for one request counts in the budget before the next one is planned.
        self._planner = ThreadPoolExecutor(1, thread_name_prefix="hybridner-llm-plan")

    async def verify(
        self, predictions: Sequence[TextPrediction], threshold: Threshold, decoding: str, seconds: float
    ) -> _Rows | None:
        """The candidates of each text after the LLM, or None where too many texts wait for it already.

        An LLM that is too slow for the request, or fails, leaves the local candidates; their provenance says so.

        Args:
            predictions: of the texts of one request.
            threshold, decoding: of the request.
            seconds: that are left to the request.

        Raises:
            LlmError: a question failed, with ``on_llm_error="raise"`` only.
        """
        if self.waiting + len(predictions) > self._max_waiting:
            self.skipped += len(predictions)
            return None
        self.waiting += len(predictions)
        deadline = time.monotonic() + seconds * _SHARE
        asking = asyncio.ensure_future(self._ask(predictions, threshold, decoding, deadline))
        # A client that goes does not take back what is being paid for: the answers go into the cache, and nobody reads an error.
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(asking)

    def report(self) -> LlmReport:
        """Calls, tokens and cost since the service began."""
        return self._verification.report()

    def close(self) -> None:
        """Plan nothing more."""
        self._planner.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, predictions: Sequence[TextPrediction], threshold: Threshold, decoding: str, deadline: float) -> _Rows:
        def start() -> Future[_Rows]:
            left = round(max(0.0, deadline - time.monotonic()), 2)
            limit = left if self.settings.time_limit is None else min(left, self.settings.time_limit)
            return self._verification.submit(predictions, threshold=threshold, decoding=decoding, time_limit=limit)

        try:
            asked = await asyncio.get_running_loop().run_in_executor(self._planner, start)
            return await asyncio.wrap_future(asked)
        finally:
            self.waiting -= len(predictions)
