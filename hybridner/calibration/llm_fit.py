"""Asking an LLM about labelled sentences, to learn how far to trust it; what is learned goes into the composite."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hybridner.calibration.llm_member import fit_member
from hybridner.ensemble import Candidate, Predictions, decide_predictions
from hybridner.errors import DataError
from hybridner.hybrid import CompositeModel, ExampleIndex
from hybridner.hybrid.verification import STATED, how_asked
from hybridner.llm import (
    AnswerCache,
    ConfusionMatrix,
    ExampleFinder,
    LlmSettings,
    LlmStage,
    MemberReliability,
    Plan,
    SentenceExamples,
    VerifiedCandidate,
    Verifier,
    collect_answer_pairs,
)
from hybridner.spans import NON_ENTITY, Span

_SEED = 42
_NOTHING_ASKED = "none of these sentences has a doubtful span; ask about more sentences, or lower the threshold"


class LlmCalibration:
    """The questions that fit an LLM's reliability, in the way of `settings.stage`.

    Args:
        model: the composite that the LLM stands behind; `fit` changes its configuration.
        predictions: out of fold, or of sentences no member was trained on.
        verifier: the LLM.
        settings: fields of `LlmSettings`.
        sentences: how many to ask about, drawn at random (always the same); some fifty will do.
        cache: answers kept on disk, so that nothing is asked twice.
        examples: file of `hybridner examples`, or an `ExampleIndex`: what each question shows; never its own sentence.

    Candidates, threshold and decoding are those of the model when `plan` or `fit` is called. There is no time limit for all
    questions together, unless `settings` give one.

    Raises:
        DataError: no sentence to ask about.
        LlmError: settings that cannot work.

    Examples:
        >>> from hybridner.hybrid import predict_records
        >>> from hybridner.llm import as_verifier
        >>> labelled = [Record(f"{text}{number}", (Span(0, 3, "Adversary States"),)) for number in range(8)]
        >>> verifier = as_verifier({"model": "deepseek-flash", "base_url": "http://127.0.0.1:8901/v1"})
        >>> calibration = LlmCalibration(model, predict_records(model, labelled), verifier, {"stage": "member"}, sentences=5)
        >>> calibration.plan().usage.calls
        5
    """

    def __init__(
        self,
        model: CompositeModel,
        predictions: Predictions,
        verifier: Verifier,
        settings: Mapping[str, Any],
        sentences: int = 50,
        cache: AnswerCache | None = None,
        examples: str | Path | ExampleIndex | None = None,
    ) -> None:
        if sentences < 1 or not len(predictions):
            raise DataError(f"no sentence to ask the LLM about: {sentences} of {len(predictions)} are wanted")
        self.model, self._verifier, self._cache = model, verifier, cache
        self._examples = None if examples is None else ExampleIndex.of(examples, model)
        order = random.Random(_SEED).sample(range(len(predictions)), min(sentences, len(predictions)))
        self._records = predictions.select_records(sorted(order))
        self._given = settings
        self._stage(self._settings, cache).close()

    def plan(self) -> Plan:
        """What would be asked, with calls, tokens and price; no request is sent."""
        with self._stage(self._settings, self._cache) as stage:
            return stage.plan(self._texts, self._candidates, self._finder(self._settings))

    def fit(self) -> dict[str, Any]:
        """Ask, fit, and put what was fitted into the composite's configuration under the LLM's name.

        Returns:
            how many sentences and spans were answered, and how often the LLM was right about them.

        Raises:
            DataError: the LLM gave no answer at all.
        """
        known, name = self.model.config.llm_reliability or {}, self._verifier.model
        asked = self._how_asked()
        # What was fitted for another stage stays, where the LLM was shown the same.
        before = known.get(name, {})
        fitted: dict[str, Any] = {**(before if before.get("asked") == asked else {}), "asked": asked}
        report: dict[str, Any] = {"model": name, "sentences": len(self._texts)}
        settings = self._settings
        with self._kept_answers() as cache:
            if settings.stage != "verify":
                member, report["member"] = self._fit_member(self._ask(_for_stage(settings, "member"), cache))
                fitted["member"] = member.to_dict()
                settings = LlmSettings(**{**_fields(settings), "member": member})
            if settings.stage != "member":
                rows = self._ask(settings, cache)
                matrix, report["verify"] = self._fit_matrix(rows, settings.fusion)
                # Where the LLM's votes left no span in doubt there is nothing to learn, and the stated accuracy stands.
                if report["verify"]["spans"]:
                    fitted["confusion"] = matrix.to_dict()
        self.model.config.llm_reliability = {**known, name: fitted}
        return report

    def _how_asked(self) -> dict[str, Any]:
        with self._stage(self._settings, None) as stage:
            return how_asked(stage, self._examples is not None)

    @contextmanager
    def _kept_answers(self) -> Iterator[AnswerCache]:
        """A cache in any case: the second step asks the first one's questions again."""
        if self._cache is not None:
            yield self._cache
            return
        with TemporaryDirectory() as folder, closing(AnswerCache(Path(folder) / "answers.sqlite")) as cache:
            yield cache

    @property
    def stated(self) -> list[str]:
        """Of the settings, those that go before what is fitted wherever they are given."""
        return sorted(STATED & self._given.keys())

    @property
    def _settings(self) -> LlmSettings:
        config = self.model.config
        shared = {"threshold": config.review_threshold, "decoding": config.decoding, "time_limit": None, **self._given}
        # Of every sentence, whatever it promises: what the LLM leaves out counts as well.
        return LlmSettings(**{**shared, "min_gain": 0.0})

    @cached_property
    def _candidates(self) -> list[list[Candidate]]:
        return decide_predictions(self._records, self.model.decision_settings)

    @property
    def _texts(self) -> list[str]:
        return [record.text for record in self._records.records]

    @property
    def _gold(self) -> list[tuple[Span, ...]]:
        return [record.entities for record in self._records.records]

    def _stage(self, settings: LlmSettings, cache: AnswerCache | None) -> LlmStage:
        shown = None if self._examples is None else SentenceExamples(self._examples.sentences, settings.examples_per_span)
        return LlmStage(self._verifier, self.model.config.labels, settings, cache=cache, sentences=shown)

    def _finder(self, settings: LlmSettings) -> ExampleFinder | None:
        if self._examples is None:
            return None
        return self._examples.finder(self.model, self._texts, self._candidates, settings.examples_per_span)

    def _ask(self, settings: LlmSettings, cache: AnswerCache) -> list[list[VerifiedCandidate]]:
        with self._stage(settings, cache) as stage:
            rows = stage.run(self._texts, self._candidates, self._finder(settings))
        if not any(item.provenance.llm_label is not None for row in rows for item in row):
            reasons = dict.fromkeys(item.provenance.llm_error for row in rows for item in row if item.provenance.llm_error)
            raise DataError(f"the LLM gave no answer to fit its reliability on: {'; '.join(reasons) or _NOTHING_ASKED}")
        return rows

    def _fit_member(self, rows: Sequence[Sequence[VerifiedCandidate]]) -> tuple[MemberReliability, dict[str, Any]]:
        candidates: list[list[Candidate]] = []
        found: list[list[Span]] = []
        gold: list[Sequence[Span]] = []
        characters = 0
        for text, before, row, truth in zip(self._texts, self._candidates, rows, self._gold, strict=True):
            said = {(i.candidate.start, i.candidate.end): i.provenance.member_label for i in row}
            answered = [c for c in before if said[c.start, c.end] is not None]
            spans = [Span(*place, label) for place, label in said.items() if label not in (None, NON_ENTITY)]
            if not answered and not spans:
                continue
            candidates.append(answered)
            found.append(spans)
            gold.append(truth)
            characters += len(text)
        right = sum(len(set(mine) & set(truth)) for mine, truth in zip(found, gold, strict=True))
        report = {"sentences": len(found), "found": sum(map(len, found)), "right": right, "gold": sum(map(len, gold))}
        return fit_member(candidates, found, gold, characters, self.model.config.labels.with_outside), report

    def _fit_matrix(self, rows: Sequence[Sequence[VerifiedCandidate]], fusion: str) -> tuple[ConfusionMatrix, dict[str, Any]]:
        asked = [[item for item in row if item.provenance.fusion == fusion] for row in rows]
        pairs = collect_answer_pairs(asked, self._gold)
        report = {"spans": len(pairs), "right": sum(true == answer for true, answer in pairs)}
        return ConfusionMatrix.fit(pairs, self.model.config.labels.with_outside), report


def _for_stage(settings: LlmSettings, stage: str) -> LlmSettings:
    return LlmSettings(**{**_fields(settings), "stage": stage})


def _fields(settings: LlmSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in LlmSettings.model_fields}
