"""A model that reads the texts of many requests at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from hybridner.ensemble import as_threshold, available_strategies
from hybridner.errors import HybridNerError, InputError
from hybridner.gazetteer import Rules
from hybridner.hybrid import CompositeModel, TextPrediction
from hybridner.hybrid.entity_dicts import Entity, EntityList, is_given_out, local_entities, verified_entity
from hybridner.hybrid.verification import Verification
from hybridner.llm import VerifiedCandidate
from hybridner.pipeline.promise import level_for
from hybridner.serving.batching import Batcher
from hybridner.serving.limits import Limits
from hybridner.serving.metrics import Metrics
from hybridner.serving.requests import Parameters, PredictRequest
from hybridner.serving.verification import RequestVerifier
from hybridner.validation import did_you_mean
from hybridner.version import __version__

#: Read once before the first request, so that it does not wait for what is made at first use.
_WARM_UP = "2023年，俄罗斯在叙利亚部署了干扰机。"


class _Decision(NamedTuple):
    """What texts must have in common to be read together."""

    strategy: str | None
    decoding: str | None
    simplify: bool | None


class Service:
    """One model for all requests. Make it inside a running event loop.

    Args:
        model: the model, on its device.
        name: what it is called.
        limits: what a request may ask for.
        verification: of this model by an LLM, or None.
    """

    def __init__(self, model: CompositeModel, name: str, limits: Limits, verification: Verification | None = None) -> None:
        self.limits = limits
        self._model = model
        config = model.config
        self._own_threshold = config.review_threshold
        self._strategies = available_strategies(model.combiner_weights)
        self.about: dict[str, Any] = {
            "model": name,
            "version": __version__,
            "labels": [label.name for label in config.labels.labels],
            "members": list(model.member_names),
            "strategy": config.strategy,
            "strategies": list(self._strategies),
            "decoding": config.decoding,
            "threshold": self._own_threshold.to_dict(),
            "llm": None,
        }
        self.metrics = Metrics({"model": name, "version": __version__}, lambda: self._batcher.waiting)
        self._batcher: Batcher[_Decision, TextPrediction] = Batcher(
            self._read,
            max_batch=limits.batch,
            max_waiting=limits.waiting,
            workers=limits.workers,
            observe=self.metrics.count_batch,
        )
        self._verifier: RequestVerifier | None = None
        if verification is not None:
            self._verifier = verifier = RequestVerifier(verification, limits.waiting)
            self.about["llm"] = {"model": verifier.llm, "stage": verifier.settings.stage, "fusion": verifier.settings.fusion}
            self.metrics.watch_llm(verifier.report, lambda: verifier.waiting, lambda: verifier.skipped)

    @property
    def is_ready(self) -> bool:
        """Whether a further request would be taken."""
        return self.is_alive and self._batcher.waiting < self.limits.waiting

    @property
    def is_alive(self) -> bool:
        """Whether texts are read at all."""
        return self._batcher.is_alive

    @property
    def llm(self) -> str | None:
        """The name of the LLM that is asked about doubtful spans, where there is one."""
        return None if self._verifier is None else self._verifier.llm

    async def answer(self, request: PredictRequest, seconds: float) -> list[list[Entity]]:
        """The entities of each text of a request; see `HybridNerPipeline` for what an entity says.

        Raises:
            InputError: a strategy that this model was not fitted for, rules that cannot hold, a precision that cannot be
                promised, or an LLM that is not there.
            LlmError: the LLM failed, where the service is to fail with it.
            TooLargeError: more than a request may ask for.
            OverloadedError, TooSlowError: see `Batcher.submit`.
        """
        deadline = time.monotonic() + seconds
        texts, given = request.texts, request.parameters
        self.limits.check(texts)
        if given.strategy is not None and given.strategy not in self._strategies:
            raise InputError(
                f"parameters.strategy: this model has not been fitted for {given.strategy!r}"
                + did_you_mean(given.strategy, self._strategies)
            )
        if given.llm and self._verifier is None:
            raise InputError("parameters.llm: no LLM stands behind this service; `hybridner serve --llm` attaches one")
        decision = _Decision(given.strategy, given.decoding, given.simplify)
        rules, most = self._rules(given), self._most(given)
        predictions = await self._batcher.submit(texts, decision, seconds)
        decoding = given.decoding or self._model.config.decoding
        if rules is not None:
            predictions = await asyncio.to_thread(self._ruled, predictions, rules, decoding)
        threshold = self._own_threshold if given.threshold is None else as_threshold(given.threshold)
        verified = None
        if self._verifier is not None and given.llm is not False:
            verified = await self._verifier.verify(predictions, threshold, decoding, deadline - time.monotonic())
        rows: list[list[Entity]]
        if verified is None:
            rows = [local_entities(prediction, threshold, most) for prediction in predictions]
        else:
            rows = [_verified_entities(*pair, rules) for pair in zip(predictions, verified, strict=True)]
        self.metrics.count_texts(texts, rows)
        return rows

    def _rules(self, given: Parameters) -> Rules | None:
        try:
            return Rules.of(given.force, given.forbid, self._model.config.labels.names)
        except HybridNerError as error:
            raise InputError(f"parameters: {error}") from error

    def _most(self, given: Parameters) -> float | None:
        """The largest uncertainty of what is given out, where a precision is to be promised."""
        if given.min_precision is None:
            return None
        if self._verifier is not None and given.llm is not False:
            raise InputError('parameters.min_precision: promised of the members\' own entities only; ask with "llm": false')
        try:
            return level_for(self._model.config, given.min_precision, given.given)
        except HybridNerError as error:
            raise InputError(f"parameters.min_precision: {error}") from error

    def _ruled(self, predictions: Sequence[TextPrediction], rules: Rules, decoding: str) -> list[TextPrediction]:
        labels = self._model.config.labels.with_outside
        return [replace(one, candidates=tuple(rules.apply(one.text, one.candidates, labels, decoding))) for one in predictions]

    async def close(self) -> None:
        """End what works for this service."""
        await self._batcher.close()
        if self._verifier is not None:
            self._verifier.close()

    def _read(self, texts: Sequence[str], decision: _Decision) -> list[TextPrediction]:
        return self._model.predict(texts, batch_size=len(texts), **decision._asdict())


def _verified_entities(prediction: TextPrediction, row: Sequence[VerifiedCandidate], rules: Rules | None) -> EntityList:
    text = prediction.text
    given_out = (item for item in row if is_given_out(text, item.candidate, rules))
    return EntityList((verified_entity(text, item, item.provenance.needs_review) for item in given_out), prediction.ood_score)


def warm_up(model: CompositeModel) -> None:
    """Let a model read a text, so that whatever is wrong with it shows before a service opens."""
    model.predict([_WARM_UP])
