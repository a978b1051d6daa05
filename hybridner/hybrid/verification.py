"""Predictions on their way through the LLM stage: one batch is asked about while the next is read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import Any, Protocol

from hybridner.ensemble import Candidate, Threshold
from hybridner.errors import ModelError
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.hybrid.modeling_composite import CompositeModel, TextPrediction
from hybridner.llm import (
    AnswerCache,
    ConfusionMatrix,
    ExampleFinder,
    LlmReport,
    LlmSettings,
    LlmStage,
    Plan,
    SentenceExamples,
    VerifiedCandidate,
    as_verifier,
)
from hybridner.spans import Record

Batch = Sequence[TextPrediction]
#: Settings by which the user says how reliable the LLM is; then nothing that was fitted is used.
STATED = frozenset({"accuracy", "confusion", "member"})


class ExampleSource(Protocol):
    """Where examples for the prompts come from; see `ExampleIndex`."""

    def finder(self, model: Any, texts: Sequence[str], candidates: Sequence[Sequence[Candidate]], k: int) -> ExampleFinder:
        """What finds k examples for a candidate of these texts."""

    @property
    def sentences(self) -> Sequence[Record]:
        """Whole labelled sentences, shown before a text that is read as a whole."""


@dataclass(frozen=True)
class LlmOptions:
    """Who is asked, and how; see `HybridNerPipeline` for each."""

    llm: Any
    llm_settings: Mapping[str, Any] | None = None
    llm_cache: Any = None
    llm_examples: ExampleSource | None = None


class Verification:
    """One LLM stage for the predictions of one composite. Open it with `open_verification`."""

    def __init__(self, model: CompositeModel, stage: LlmStage, examples: ExampleSource | None) -> None:
        self._model, self._stage, self._examples = model, stage, examples

    def plan(self, predictions: Batch) -> Plan:
        """Calls, tokens and price of verifying these; no request is sent."""
        texts, candidates = _columns(predictions)
        return self._stage.plan(texts, candidates, self._finder(texts, candidates))

    def submit(self, predictions: Batch, **changes: Any) -> Future[list[list[VerifiedCandidate]]]:
        """Start verifying a batch in the background.

        Args:
            predictions: the batch.
            **changes: settings for this batch alone, see `LlmStage.with_settings`.

        Returns:
            a future of the candidates of each text; see `LlmStage.submit`.
        """
        texts, candidates = _columns(predictions)
        stage = self._stage.with_settings(**changes) if changes else self._stage
        return stage.submit(texts, candidates, self._finder(texts, candidates))

    def stream(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[list[VerifiedCandidate]]]]:
        """Each batch with its verified candidates, in order; while an LLM answers, the next batch is taken from `batches`."""
        waiting: tuple[Batch, Future[list[list[VerifiedCandidate]]]] | None = None
        for batch in batches:
            future = self.submit(batch)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = (batch, future)
        if waiting is not None:
            yield waiting[0], waiting[1].result()

    @property
    def llm(self) -> str:
        """The name of the model that is asked."""
        return self._stage.verifier.model

    @property
    def settings(self) -> LlmSettings:
        """How it is asked."""
        return self._stage.settings

    def report(self) -> LlmReport:
        """Cost and latency so far."""
        return self._stage.report()

    def _finder(self, texts: Sequence[str], candidates: Sequence[Sequence[Candidate]]) -> ExampleFinder | None:
        if self._examples is None:
            return None
        return self._examples.finder(self._model, texts, candidates, self._stage.settings.examples_per_span)


def _columns(batch: Batch) -> tuple[list[str], list[Sequence[Candidate]]]:
    return [prediction.text for prediction in batch], [prediction.candidates for prediction in batch]


@contextmanager
def open_verification(
    model: CompositeModel, options: LlmOptions, threshold: Threshold | None = None, decoding: str | None = None
) -> Iterator[Verification]:
    """The LLM stage of a composite; what was opened for it is closed with it.

    Args:
        model: the composite whose predictions are verified.
        options: who is asked, and how.
        threshold, decoding: in place of the model's own.

    Raises:
        ModelError: a field of `llm_settings` that does not exist.
        LlmError: settings that cannot work.
    """
    config: HybridNerConfig = model.config
    with ExitStack() as opened:
        verifier = as_verifier(options.llm)
        settings = LlmSettings(
            threshold=config.review_threshold if threshold is None else threshold,
            decoding=decoding or config.decoding,
            **_with_known_answers(_checked(options.llm_settings or {}), config, verifier.model),
        )
        cache = options.llm_cache
        if isinstance(cache, (str, PathLike)):
            cache = AnswerCache(os.fspath(cache))
            opened.callback(cache.close)
        examples = options.llm_examples
        finder = None if examples is None else SentenceExamples(examples.sentences, settings.examples_per_span)
        stage = LlmStage(verifier, config.labels, settings, cache=cache, sentences=finder)
        opened.callback(stage.close)
        _warn_if_fitted_otherwise(config, stage, examples is not None, options.llm_settings or {})
        yield Verification(model, stage, examples)


def how_asked(stage: LlmStage, has_examples: bool) -> dict[str, Any]:
    """What an LLM's reliability depends on beside the LLM: what it is shown with every question."""
    return {"prompt": stage.prompter.fingerprint, "examples": has_examples}


def _warn_if_fitted_otherwise(config: HybridNerConfig, stage: LlmStage, has_examples: bool, given: Mapping[str, Any]) -> None:
    name = stage.verifier.model
    fitted = (config.llm_reliability or {}).get(name, {}).get("asked")
    if fitted is not None and not STATED & given.keys() and fitted != how_asked(stage, has_examples):
        warnings.warn(
            f"how far {name!r} is to be trusted was learned with another template, other guidelines, or with examples where "
            "there are none now or the other way round; learn it anew: hybridner calibrate --llm",
            UserWarning,
            stacklevel=2,
        )


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    unknown = settings.keys() - (LlmSettings.model_fields.keys() - {"threshold", "decoding"})
    if unknown:
        raise ModelError(
            f"llm_settings has no field {min(unknown)!r} (threshold and decoding are parameters of the pipeline itself)"
        )
    return dict(settings)


def _with_known_answers(settings: dict[str, Any], config: HybridNerConfig, llm: str) -> dict[str, Any]:
    """With what is known about the LLM's reliability, where the user says nothing: what was fitted; about label choice else the
    confusion matrix of the answers that people judged."""
    if STATED & settings.keys():
        return settings
    fitted = (config.llm_reliability or {}).get(llm, {})
    known: dict[str, Any] = {name: value for name, value in fitted.items() if name != "asked"}
    if "confusion" not in known and (judged := (config.llm_answers or {}).get(llm)):
        pairs = ((true, answer) for true, answer, count in judged for _ in range(count))
        known["confusion"] = ConfusionMatrix.fit(pairs, config.labels.with_outside)
    return {**settings, **known}
