"""`pipeline("hybrid-ner", labels=...)`: no model and no labelled data, only definitions and an LLM."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from hybridner.bundled import BUNDLED_FOLDER
from hybridner.data import read_records
from hybridner.data.labels import as_label_set
from hybridner.errors import InputError, ModelError
from hybridner.hybrid import ExampleIndex
from hybridner.hybrid.entity_dicts import EntityList, extracted_entity
from hybridner.llm import (
    AnswerCache,
    Extraction,
    Extractor,
    LlmSettings,
    SentenceExamples,
    SentenceFinder,
    as_verifier,
)
from hybridner.pipeline.hybrid_ner import HybridNerPipeline
from hybridner.spans import RESOLVERS

#: Texts whose answers are waited for together.
_READ_AHEAD = 64
_PER_CALL = ("llm", "llm_settings", "llm_cache", "llm_examples")


@dataclass
class ExtractionCounts:
    """What was amiss in the answers of a call.

    Attributes:
        altered: entities whose words were found only without regard to spaces, width and marks around them.
        unfound: entities whose words are not in the text: they are left out.
        unreadable: lines that are no "category: entity".
        truncated: answers cut at the token limit.
        unanswered: texts without an answer, or without a whole one.
    """

    altered: int = 0
    unfound: int = 0
    unreadable: int = 0
    truncated: int = 0
    unanswered: int = 0

    def add(self, found: Extraction) -> None:
        self.altered += found.altered
        self.unfound += len(found.unfound)
        self.unreadable += found.unreadable
        self.truncated += found.truncated
        self.unanswered += found.error is not None


class DefinitionsPipeline(HybridNerPipeline):
    """Finds entities of labels that are only defined, by asking an LLM about each text. `HybridNerPipeline` makes it where it is
    given `labels`.

    Entities are dicts with the keys of `HybridNerPipeline`, with exact offsets: words that the LLM did not copy from the text are
    left out and counted. Their score is the LLM's stated accuracy (``llm_settings={"accuracy": ...}``), as there is no other. The
    list of a text that the LLM did not answer about, or not in whole, says why in its attribute `error`; of an answer that was
    cut at the token limit it holds what was read before the cut, with `needs_review`.

    All parameters but `labels` can be given here, or per call to override them.

    Args:
        labels: names; or mappings of name, title and description; the name of a known data set; or a YAML file of a label set.
        llm, llm_settings, llm_cache: as in `HybridNerPipeline`; of the settings template, guidelines, budget, time limit,
            accuracy, decoding and on_llm_error count.
        llm_examples: labelled sentences to show the most similar ones of: records, a labelled file, or what `hybridner examples`
            made.
        dry_run: give back a `hybridner.llm.Plan` of calls, tokens and price, and ask nobody.

    Attributes:
        llm_report: cost and latency of the last call.
        counts: what was amiss in the answers of the last call, see `ExtractionCounts`.

    Raises:
        ModelError: a model beside the labels, no LLM, or a parameter that does not exist.
        DataError: labels that cannot be read.
        LlmError: settings of the LLM that cannot work; an LLM that fails only with ``on_llm_error="raise"``.

    Examples:
        >>> from transformers import pipeline
        >>> llm = {"model": "deepseek-flash", "base_url": "http://127.0.0.1:8901/v1"}
        >>> ner = pipeline("hybrid-ner", labels=["武器", "国家"], llm=llm)
        >>> ner("俄罗斯部署了克拉苏哈-4S干扰机。", dry_run=True).usage.calls    # without `dry_run` the LLM is asked
        1
    """

    def __init__(self, model: Any = None, *, labels: Any, task: str = "hybrid-ner", **options: Any) -> None:
        # `transformers.pipeline` loads its default model where none is named.
        if model is not None and getattr(model, "name_or_path", "") != str(BUNDLED_FOLDER):
            raise ModelError("give either a model or labels: with labels an LLM finds the entities, and no model is used")
        self.task = task
        self.labels = as_label_set(labels)
        self.counts = ExtractionCounts()
        # What transformers adds about a model.
        self.settings = {name: value for name, value in options.items() if name not in ("device", "dtype", "batch_size")}
        self._options = self._checked(self.settings)

    def __call__(self, inputs: Any, *args: Any, dry_run: bool = False, **options: Any) -> Any:
        if isinstance(inputs, (bytes, bytearray, Mapping)) or not isinstance(inputs, Iterable):
            raise InputError(f"expected a string, a list of strings or a generator, not {type(inputs).__name__}")
        texts = [inputs] if isinstance(inputs, str) else inputs
        given = {**self._options, **self._checked(options)}
        if "llm" not in given:
            raise ModelError("labels alone find nothing: say with `llm` who is to be asked")
        if dry_run:
            with ExitStack() as opened:
                return self._open(given, opened).plan([self._text(item, number) for number, item in enumerate(texts)])
        stream = self._stream(texts, given)
        if isinstance(inputs, str):
            return next(iter(list(stream)))
        return list(stream) if isinstance(inputs, Sequence) else stream

    def _stream(self, texts: Iterable[Any], options: dict[str, Any]) -> Iterator[EntityList]:
        self.counts = ExtractionCounts()
        with ExitStack() as opened:
            extractor = self._open(options, opened)
            items = enumerate(texts)
            while chunk := [self._text(item, number) for number, item in islice(items, _READ_AHEAD)]:
                found = extractor.run(chunk)
                self.llm_report = extractor.report()
                for text, extraction in zip(chunk, found, strict=True):
                    self.counts.add(extraction)
                    yield _entities(text, extraction, extractor.settings, extractor.verifier.model)
                problems = Counter(extraction.error for extraction in found if extraction.error)
                for problem, count in problems.items():
                    warnings.warn(f"{count} texts were not answered in whole: {problem}", stacklevel=2)

    def _open(self, options: Mapping[str, Any], opened: ExitStack) -> Extractor:
        cache = options.get("llm_cache")
        if isinstance(cache, (str, PathLike)):
            cache = AnswerCache(os.fspath(cache))
            opened.callback(cache.close)
        extractor = Extractor(
            as_verifier(options["llm"]),
            self.labels,
            LlmSettings(**options.get("llm_settings") or {}),
            cache=cache,
            examples=options.get("llm_examples"),
        )
        opened.callback(extractor.close)
        return extractor

    def _text(self, item: Any, number: int) -> str:
        return str(self.preprocess(item, position=number)["text"])

    @staticmethod
    def _checked(options: dict[str, Any]) -> dict[str, Any]:
        for name in options:
            if name not in _PER_CALL:
                raise ModelError(
                    f"unknown parameter {name!r}; with labels and no model there are {', '.join(_PER_CALL)}, dry_run"
                )
        given = {name: value for name, value in options.items() if value is not None}
        if "llm_examples" in given:
            given["llm_examples"] = find_sentences(given["llm_examples"])
        return given


def find_sentences(source: Any) -> SentenceFinder:
    """Finds examples in labelled records, in a labelled file, or in an index of examples."""
    if isinstance(source, ExampleIndex):
        return SentenceExamples(source.sentences)
    if isinstance(source, (str, PathLike)):
        path = Path(source)
        return SentenceExamples(ExampleIndex.load(path).sentences if ExampleIndex.stored_in(path) else read_records(path))
    return SentenceExamples(source)


def _entities(text: str, found: Extraction, settings: LlmSettings, model: str) -> EntityList:
    chosen = RESOLVERS[settings.decoding]([(span.start, span.end) for span in found.spans], [1.0] * len(found.spans))
    spans = [found.spans[number] for number in sorted(chosen)]
    entities = (extracted_entity(text, span, settings.accuracy, model, found.truncated) for span in spans)
    return EntityList(entities, error=found.error)
