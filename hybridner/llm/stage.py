"""The LLM stage as the pipeline sees it: candidates in, fused candidates with provenance out, now or in the background."""

from __future__ import annotations

import concurrent.futures
import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from anyio import to_thread

from hybridner.ensemble import Candidate, find_doubtful
from hybridner.errors import LlmError
from hybridner.llm.cache import AnswerCache
from hybridner.llm.confusion import ConfusionMatrix
from hybridner.llm.extraction import SentenceFinder
from hybridner.llm.fusion import FUSIONS, FusionResult, resolve_again
from hybridner.llm.label_calls import Outcomes, ask_labels
from hybridner.llm.member import JoinedCandidate, MemberReliability, join_member
from hybridner.llm.member_calls import find_pieces, inside, outcomes_of
from hybridner.llm.piece_calls import estimate_extraction, plan_pieces, read_pieces
from hybridner.llm.plan import KnownAnswers, Piece, Plan
from hybridner.llm.prices import BudgetTracker, Price, Usage
from hybridner.llm.provenance import Outcome, VerifiedCandidate, raise_for, trace
from hybridner.llm.routing import ExampleFinder, plan_calls, route_doubtful
from hybridner.llm.session import LlmSession
from hybridner.llm.settings import LlmSettings
from hybridner.llm.verifier import FailureKind, Verifier
from hybridner.spans import LabelSet

_Rows = Sequence[Sequence[Candidate]]
_Doubts = Sequence[Sequence[bool]]


class LlmStage(LlmSession):
    """Routes, asks, reads, fuses. One object serves many batches; `close` it, or use it in a `with` block.

    With ``settings.stage`` "verify" the LLM is asked for the label of doubtful spans; as a "member" it reads whole sentences, and
    its votes join the ballot; with "both" it does the one and then, where doubt is left, the other.

    Args:
        verifier: who is asked, see `as_verifier`.
        labels: the K entity types.
        settings: how.
        cache: answers kept on disk, or None.
        prices: the price table, by default the package's own; `verifier.model` is looked up in it.
        sentences: finds labelled sentences to show before a text that is read as a whole, or None.

    Raises:
        LlmError: settings that do not go together, or a template that cannot be read.

    Examples:
        >>> verifier = as_verifier({"model": "deepseek-flash", "base_url": "http://127.0.0.1:8901/v1"})
        >>> candidates = [prediction.candidates for prediction in model.predict([text])]
        >>> with LlmStage(verifier, labels, LlmSettings(threshold=0.0, kinds=("entity",))) as stage:
        ...     stage.plan([text], candidates).usage.calls      # and `stage.run([text], candidates)` asks
        1
    """

    def __init__(
        self,
        verifier: Verifier,
        labels: LabelSet,
        settings: LlmSettings | None = None,
        *,
        cache: AnswerCache | None = None,
        prices: Mapping[str, Price] | None = None,
        sentences: SentenceFinder | None = None,
    ) -> None:
        super().__init__(verifier, labels, settings, cache, prices)
        self._sentences = sentences
        names, accuracy = labels.with_outside, self.settings.accuracy
        self._matrix = self.settings.confusion or ConfusionMatrix.from_accuracy(accuracy, names)
        self._reliability = self.settings.member or MemberReliability.from_accuracy(accuracy, names)
        if (self._matrix.labels, self._reliability.matrix.labels) != (names, names):
            raise LlmError("the confusion matrix was fitted for other labels than these, or in another order")

    def with_settings(self, **changes: Any) -> LlmStage:
        """This stage under other settings for some texts, with the same budget, connections and counts.

        Args:
            **changes: of the fields threshold, decoding and time_limit.
        """
        twin = copy.copy(self)
        twin.settings = self.settings.model_copy(update=changes)
        return twin

    def plan(self, texts: Sequence[str], candidates: _Rows, examples: ExampleFinder | None = None) -> Plan:
        """What `submit` would ask now, with calls, tokens and price; no request is sent and no budget used (a dry run)."""
        # Neither the budget nor an adaptive threshold moves.
        threshold = copy.deepcopy(self.settings.threshold)
        doubtful = [find_doubtful(row, threshold, self.settings.kinds) for row in candidates]
        budget = self._budget.copy()
        pieces = self._plan_pieces(texts, candidates, budget)
        labels = self._plan_labels(texts, candidates, doubtful, examples, budget)
        asks = any(not call.cached for call in labels.calls)
        probe = getattr(self.verifier, "probe_usage", Usage()) if asks else Usage()
        return replace(labels, pieces=pieces.pieces, pieces_over_budget=pieces.pieces_over_budget, probe=probe)

    def submit(
        self, texts: Sequence[str], candidates: _Rows, examples: ExampleFinder | None = None
    ) -> concurrent.futures.Future[list[list[VerifiedCandidate]]]:
        """Start verifying a batch in the background.

        Planning and the search for examples happen here, in the caller's thread; the calls, reading and fusion in another. Only
        with "both" the spans still in doubt are planned when the LLM has voted.

        Args:
            texts: the B texts.
            candidates: of each text, as `decide` returns them, with offsets into it.
            examples: finds labelled examples for a routed candidate, or None.

        Returns:
            a future of the candidates of each text, in the same order; it only fails with ``on_llm_error="raise"``.
        """
        doubtful = [find_doubtful(row, self.settings.threshold, self.settings.kinds) for row in candidates]
        pieces = self._plan_pieces(texts, candidates, self._budget)
        labels = None
        if self.settings.stage == "verify":
            labels = self._plan_labels(texts, candidates, doubtful, examples, self._budget)
        self._count(texts, candidates, pieces)
        return self._loop.start(self._run, texts, candidates, doubtful, pieces, labels, examples)

    def run(
        self, texts: Sequence[str], candidates: _Rows, examples: ExampleFinder | None = None
    ) -> list[list[VerifiedCandidate]]:
        """As `submit`, and wait for the result."""
        return self.submit(texts, candidates, examples).result()

    def _plan_pieces(self, texts: Sequence[str], candidates: _Rows, budget: BudgetTracker) -> Plan:
        if len(texts) != len(candidates):
            raise LlmError(f"{len(texts)} texts but candidates of {len(candidates)}")
        if self.settings.stage == "verify":
            return Plan((), (), self.price)
        wanted = find_pieces(
            texts,
            candidates,
            self._reliability,
            self.settings.min_gain,
            min_chars=self.settings.min_context_chars,
            max_chars=self.settings.max_context_chars,
        )
        calls, over = plan_pieces(
            wanted,
            texts,
            lambda piece: sum(candidate.is_entity for candidate in inside(candidates[piece.text], piece)),
            prompter=self.prompter,
            known=KnownAnswers(self.verifier, self._dispatcher.keeps),
            budget=budget,
            calls_per_text=self.settings.budget.calls_per_text,
            examples=self._sentences,
        )
        return Plan((), (), self.price, tuple(calls), tuple(over))

    def _plan_labels(
        self,
        texts: Sequence[str],
        candidates: _Rows,
        doubtful: _Doubts,
        examples: ExampleFinder | None,
        budget: BudgetTracker,
    ) -> Plan:
        if self.settings.stage == "member":
            return Plan((), (), self.price)
        return plan_calls(
            texts,
            candidates,
            route_doubtful(candidates, doubtful, self.settings.kinds, self._matrix if self.settings.routing == "value" else None),
            prompters=self.prompters,
            known=KnownAnswers(self.verifier, self._dispatcher.keeps),
            budget_tracker=budget,
            price=self.price,
            # An LLM that does not keep the form of such answers is asked about one span at a time from then on.
            spans_per_call=self.settings.spans_per_call if self._stats.keeps_form else 1,
            calls_per_text=self.settings.budget.calls_per_text,
            examples=examples,
        )

    def _count(self, texts: Sequence[str], candidates: _Rows, pieces: Plan) -> None:
        self._stats.add(
            texts=len(texts),
            entities=sum(candidate.is_entity for row in candidates for candidate in row),
            pieces_routed=len(pieces.pieces),
        )
        for text, row in zip(texts, candidates, strict=True):
            entities = sum(candidate.is_entity for candidate in row)
            self._stats.add_baseline(estimate_extraction(self.prompter.build_extraction(text), entities))

    def _count_routed(self, pieces: Plan, labels: Plan) -> None:
        routed = [item for call in labels.calls if not call.vote for item in call.routed]
        self._stats.add(
            texts_routed=len({item.text for item in routed} | {call.piece.text for call in pieces.pieces}),
            entities_routed=sum(item.kind == "entity" for item in routed),
            spans_routed=len(routed),
        )
        self._stats.add_saved(labels.saved)

    async def _run(
        self,
        texts: Sequence[str],
        candidates: _Rows,
        doubtful: _Doubts,
        pieces: Plan,
        labels: Plan | None,
        examples: ExampleFinder | None,
    ) -> list[list[VerifiedCandidate]]:
        limit, started = self.settings.time_limit, time.monotonic()
        readings = await read_pieces(pieces.pieces, texts, self._runner, self._reader, limit)
        read = {**outcomes_of(readings), **{piece: Outcome.over_budget() for piece in pieces.pieces_over_budget}}
        joined = await to_thread.run_sync(self._join, candidates, read)
        if labels is None:
            labels = await to_thread.run_sync(self._plan_again, texts, joined, examples)
        self._count_routed(pieces, labels)
        left = limit - (time.monotonic() - started) if limit is not None and pieces.pieces else limit
        outcomes = await ask_labels(labels, self._runner, self.prompter, self._reader, left)
        if self.settings.on_llm_error == "raise":
            raise_for([*read.values(), *outcomes.values()])
        # Not in the event loop: other batches are waiting for their answers there.
        return await to_thread.run_sync(self._fuse, candidates, doubtful, joined, read, outcomes)

    def _join(self, candidates: _Rows, read: Mapping[Piece, Outcome]) -> list[list[JoinedCandidate]]:
        """The LLM's votes in the ballot of each text."""
        answered: dict[int, list[tuple[Piece, Outcome]]] = {}
        for piece, outcome in read.items():
            if outcome.status in ("asked", "cached"):
                answered.setdefault(piece.text, []).append((piece, outcome))
        rows = []
        for number, row in enumerate(candidates):
            mine = answered.get(number, ())
            found = [span for _, outcome in mine for span in outcome.found]
            # Silence counts as evidence against an entity: not that of an answer that broke off.
            whole = [(piece.start, piece.end) for piece, outcome in mine if outcome.cut is None]
            places = whole + [(span.start, span.end) for _, outcome in mine if outcome.cut for span in outcome.found]
            rows.append(join_member(row, found, places, self._reliability, self.settings.decoding))
        return rows

    def _plan_again(
        self, texts: Sequence[str], joined: Sequence[Sequence[JoinedCandidate]], examples: ExampleFinder | None
    ) -> Plan:
        """The spans that the LLM's votes have left in doubt; the threshold has moved past this batch already."""
        rows = [[item.candidate for item in row] for row in joined]
        threshold = copy.deepcopy(self.settings.threshold)
        doubtful = [[threshold.exceeded(candidate.label, candidate.uncertainty) for candidate in row] for row in rows]
        return self._plan_labels(texts, rows, doubtful, examples, self._budget)

    def _fuse(
        self,
        candidates: _Rows,
        doubtful: _Doubts,
        joined: Sequence[Sequence[JoinedCandidate]],
        read: Mapping[Piece, Outcome],
        outcomes: Outcomes,
    ) -> list[list[VerifiedCandidate]]:
        """Fuse the answers about each text and choose its entities again."""
        names = self.labels.with_outside
        position = {name: index for index, name in enumerate(names)}
        fuse = FUSIONS[self.settings.fusion]
        results = []
        for number, (row, doubts, items) in enumerate(zip(candidates, doubtful, joined, strict=True)):
            doubt = {(candidate.start, candidate.end): is_doubtful for candidate, is_doubtful in zip(row, doubts, strict=True)}
            mine = {index: outcome for index in range(len(items)) if (outcome := outcomes.get((number, index))) is not None}
            before = [item.candidate for item in items]
            fused: dict[int, FusionResult] = {
                index: fuse(
                    before[index].distribution,
                    position[before[index].label],
                    position[outcome.label],
                    self._matrix,
                    outcome.confidence,
                )
                for index, outcome in mine.items()
                if outcome.label is not None
            }
            final = resolve_again(before, fused, names, self.settings.decoding)
            pieces = [(piece, outcome) for piece, outcome in read.items() if piece.text == number]
            results.append(
                [
                    trace(
                        item.original,
                        new,
                        doubt.get((new.start, new.end), False),
                        _member_outcome(item, pieces),
                        mine.get(index),
                        self.settings.fusion,
                    )
                    for index, (item, new) in enumerate(zip(items, final, strict=True))
                ]
            )
        return results


def _member_outcome(item: JoinedCandidate, pieces: Sequence[tuple[Piece, Outcome]]) -> Outcome | None:
    """What the LLM as a member made of a candidate: the outcome of the piece it lies in, with its own label."""
    start, end = item.candidate.start, item.candidate.end
    for piece, outcome in pieces:
        if piece.start <= start and end <= piece.end:
            if outcome.cut is not None and item.said is None:
                return replace(outcome, status="unparsed", found=(), error=outcome.cut, failure=FailureKind.UNREADABLE)
            return replace(outcome, label=item.said, found=())
    return None
