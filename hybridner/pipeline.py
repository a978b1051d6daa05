"""`pipeline("hybrid-ner")`: text in, entities out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, fields
from itertools import islice
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import AutoModel, Pipeline

from hybridner.ensemble import COMBINERS, Candidate, Threshold, as_threshold, find_doubtful, select_entities
from hybridner.errors import HybridNerError, InputError, ModelError
from hybridner.export import as_onnx
from hybridner.hybrid import ExampleIndex, HybridNerModel, HybridNerOutput, read_texts
from hybridner.hybrid.configuration_hybrid import check_choice
from hybridner.llm import (
    AnswerCache,
    ConfusionMatrix,
    ExampleFinder,
    LlmReport,
    LlmSettings,
    LlmStage,
    Plan,
    Verified,
    as_verifier,
)
from hybridner.models import MemberModel
from hybridner.spans import RESOLVERS

#: Windows per forward pass unless the caller says otherwise.
_BATCH_SIZE = 16
#: Texts read ahead, in batches, so that windows of similar length can share a batch.
_READ_AHEAD = 16

_READING = ("strategy", "decoding")
_LLM = ("llm", "llm_settings", "llm_cache", "llm_examples")

Entity = dict[str, Any]


class HybridNerPipeline(Pipeline):
    """Named entity recognition with a composite, or with a single member.

    ``pipe(text)`` gives a list of entities; a list of texts gives a list of such lists; a generator or a data set gives an
    iterator over them, read ahead a little so that texts of similar length share a batch, and in the order of the input. Texts
    of any length are read whole.

    Each entity is a dict:
        entity_group (str): its type.
        word (str), start (int), end (int): ``text[start:end] == word``; characters of the text as given, end exclusive.
        score (float): P(type | span), the members' probabilities averaged (with an LLM: after fusion).
        uncertainty (float): u = 1 - max P(y | span) of SpanNER (equation 9).
        source (str): who decided, "local" for the ensemble or "llm".
        votes (dict): the type each member gave this span, "O" for none.
        needs_review (bool): whether u is above the threshold and no LLM has given an answer.
        local_label, llm_label, llm_score, llm_status, llm_model, fusion, llm_error, llm_failure: only with an LLM; see
            `hybridner.llm.Provenance`.

    Args (here, or per call to override them):
        batch_size: windows per forward pass (16).
        threshold: τ, a number from 0 to 1 or any `hybridner.ensemble.Threshold`; by default the model's own. A
            `hybridner.AdaptiveThreshold` follows the texts and keeps the share of doubtful entities (with an LLM: of routed
            candidates) to a budget; it goes on where the last call left it.
        decoding: "flat" (no overlap) or "nested" (no crossing); by default the model's own.
        strategy: a key of `hybridner.ensemble.COMBINERS`; by default the model's own.
        llm: who is asked about the spans with u > τ: the name of a model at an OpenAI-compatible endpoint, a mapping of
            settings of `hybridner.llm.OpenAIVerifier`, or any verifier. The next texts are read while answers come in.
        llm_settings: a mapping of fields of `hybridner.llm.LlmSettings`, such as fusion, accuracy, template or budget. Without
            accuracy or confusion, what `hybridner learn` knows about this LLM is used.
        llm_cache: file in which answers are kept, or an `AnswerCache`.
        llm_examples: file that `hybridner examples` made of the training data, or an `ExampleIndex`: with each question the LLM
            is shown the labelled spans most like the one in doubt.
        backend: (here only) "onnx" runs the model on onnxruntime, on the CPU; what `hybridner export` wrote runs there without
            it. By default torch.
        dry_run: (per call) give back a `hybridner.llm.Plan` of calls, tokens and price, and ask nobody.

    Attributes:
        llm_report: cost and latency of the last call that used an LLM, else None.

    Raises:
        InputError: a single input that is not a string. Inside a list, data set or generator such an item gives an empty
            result and a warning, so that the rest of the batch comes through.
        ModelError: a parameter has a value it cannot have.
        LlmError: settings of the LLM that cannot work; an LLM that fails only with ``llm_settings={"on_llm_error": "raise"}``.
    """

    # The model brings its own vocabularies.
    _load_tokenizer: Any = False
    _load_feature_extractor: Any = False
    _load_image_processor: Any = False
    _load_processor: Any = False

    model: HybridNerModel
    llm_report: LlmReport | None = None

    def __init__(self, model: HybridNerModel | MemberModel, backend: str | None = None, **kwargs: Any) -> None:
        if backend is not None:
            check_choice("backend", backend, ("onnx",))
        if isinstance(model, _NotLoaded):
            raise model.error
        if isinstance(model, MemberModel):
            device = model.device
            model = HybridNerModel.assemble({model.config.model_type: model})
            nn.Module.to(model, device)
        if not isinstance(model, HybridNerModel):
            raise ModelError(
                f"the hybrid-ner pipeline needs a composite or one of its members, not a {type(model).__name__}; "
                "`hybridner train` makes them"
            )
        super().__init__(model=(as_onnx(model) if backend == "onnx" else model).eval(), **kwargs)

    def get_inference_context(self) -> Any:
        return torch.inference_mode

    def _sanitize_parameters(self, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        known = (*_READING, *_LLM, "threshold")
        for name in parameters:
            if name not in known:
                raise ModelError(f"unknown parameter {name!r}; the pipeline takes batch_size, dry_run, {', '.join(known)}")
        given = {name: value for name, value in parameters.items() if value is not None}
        if "strategy" in given:
            check_choice("strategy", given["strategy"], COMBINERS)
        if "decoding" in given:
            check_choice("decoding", given["decoding"], RESOLVERS)
        if "threshold" in given:
            given["threshold"] = as_threshold(given["threshold"])
        if "llm_examples" in given:
            given["llm_examples"] = ExampleIndex.of(given["llm_examples"], self.model)
        reading = {name: given[name] for name in _READING if name in given}
        output = {name: value for name, value in given.items() if name not in reading}
        return {}, reading, output

    def __call__(  # type: ignore[override]
        self, inputs: Any, *, batch_size: int | None = None, dry_run: bool = False, **kwargs: Any
    ) -> Any:
        _, reading, output = self._sanitize_parameters(**kwargs)
        reading = {**self._forward_params, **reading}
        output = {**self._postprocess_params, **output}
        size = batch_size if batch_size is not None else (self._batch_size or _BATCH_SIZE)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ModelError(f"batch_size must be a whole number of at least 1, not {size!r}")
        single = isinstance(inputs, str)
        texts = [inputs] if single else inputs
        if isinstance(inputs, (bytes, bytearray, dict)) or not isinstance(texts, (Iterable, Dataset)):
            raise InputError(
                f"expected a string, a list of strings, a data set or a generator, not {type(inputs).__name__}"
                + ("; decode it first: text.decode('utf-8')" if isinstance(inputs, (bytes, bytearray)) else "")
            )
        if dry_run:
            return self._plan(texts, size, reading, output)
        stream = self._stream(texts, size, reading, output)
        if single:
            (only,) = stream
            return only
        return list(stream) if isinstance(inputs, Sequence) and not isinstance(inputs, Dataset) else stream

    def _read(
        self, inputs: Any, batch_size: int, reading: Mapping[str, Any]
    ) -> Iterator[tuple[list[str], list[list[Candidate]]]]:
        """Texts and their candidates, some batches at a time."""
        items = iter(inputs) if isinstance(inputs, Iterable) else (inputs[i] for i in range(len(inputs)))
        position = 0
        while chunk := list(islice(items, batch_size * _READ_AHEAD)):
            texts = [self.preprocess(item, position + offset) for offset, item in enumerate(chunk)]
            position += len(chunk)
            yield texts, read_texts(self.model, texts, batch_size=batch_size, forward=self.forward, **reading)

    def _stream(
        self, inputs: Any, batch_size: int, reading: Mapping[str, Any], output: Mapping[str, Any]
    ) -> Iterator[list[Entity]]:
        threshold = output.get("threshold", self.model.config.review_threshold)
        chunks = self._read(inputs, batch_size, reading)
        if "llm" not in output:
            for texts, candidates in chunks:
                for text, found in zip(texts, candidates, strict=True):
                    yield self.postprocess((text, found), threshold=threshold)
            return
        with ExitStack() as open_things:
            stage = self._open_stage(reading, output, open_things)
            waiting: tuple[list[str], Future[list[list[Verified]]]] | None = None
            for texts, candidates in chunks:
                # These questions are under way while the last ones are handed out and the next texts are read.
                future = stage.submit(texts, candidates, self._examples(texts, candidates, stage, output))
                if waiting is not None:
                    yield from self._verified(*waiting, stage)
                waiting = (texts, future)
            if waiting is not None:
                yield from self._verified(*waiting, stage)

    def _verified(self, texts: Sequence[str], future: Future[list[list[Verified]]], stage: LlmStage) -> Iterator[list[Entity]]:
        results = future.result()
        self.llm_report = stage.report()
        for text, row in zip(texts, results, strict=True):
            yield [verified_entity(text, item, item.provenance.needs_review) for item in row if item.candidate.is_entity]

    def _plan(self, inputs: Any, batch_size: int, reading: Mapping[str, Any], output: Mapping[str, Any]) -> Plan:
        if "llm" not in output:
            raise ModelError("dry_run tells what an LLM would be asked; it needs `llm` as well")
        texts: list[str] = []
        candidates: list[list[Candidate]] = []
        for some_texts, some_candidates in self._read(inputs, batch_size, reading):
            texts += some_texts
            candidates += some_candidates
        with ExitStack() as open_things:
            stage = self._open_stage(reading, output, open_things)
            return stage.plan(texts, candidates, self._examples(texts, candidates, stage, output))

    def _open_stage(self, reading: Mapping[str, Any], output: Mapping[str, Any], open_things: ExitStack) -> LlmStage:
        """The LLM stage for one call; what was made here is closed with `open_things`."""
        config = self.model.config
        wanted = dict(output.get("llm_settings", {}))
        unknown = wanted.keys() - ({field.name for field in fields(LlmSettings)} - {"threshold", "decoding"})
        if unknown:
            raise ModelError(
                f"llm_settings has no field {sorted(unknown)[0]!r} (threshold and decoding are parameters of the pipeline itself)"
            )
        verifier = as_verifier(output["llm"])
        judged = (config.llm_answers or {}).get(verifier.model)
        if judged and not {"accuracy", "confusion"} & wanted.keys():
            pairs = ((true, answer) for true, answer, count in judged for _ in range(count))
            wanted["confusion"] = ConfusionMatrix.fit(pairs, config.labels.with_outside)
        settings = LlmSettings(
            threshold=output.get("threshold", config.review_threshold),
            decoding=reading.get("decoding", config.decoding),
            **wanted,
        )
        cache = output.get("llm_cache")
        if isinstance(cache, (str, PathLike)):
            cache = AnswerCache(cache)  # type: ignore[arg-type]
            open_things.callback(cache.close)
        stage = LlmStage(verifier, config.labels, settings, cache=cache)
        open_things.callback(stage.close)
        return stage

    def _examples(
        self, texts: Sequence[str], candidates: Sequence[Sequence[Candidate]], stage: LlmStage, output: Mapping[str, Any]
    ) -> ExampleFinder | None:
        index: ExampleIndex | None = output.get("llm_examples")
        return index.finder(self.model, texts, candidates, stage.settings.examples) if index else None

    def preprocess(self, input_: Any, position: int = 0) -> str:  # type: ignore[override]
        """The text itself, or an empty one with a warning for what is no text."""
        if isinstance(input_, str):
            return input_
        warnings.warn(f"item {position} is {type(input_).__name__}, not a string; its result is empty", UserWarning, stacklevel=2)
        return ""

    def _forward(self, input_tensors: dict[str, Tensor]) -> HybridNerOutput:  # type: ignore[override]
        return self.model(**input_tensors)

    def postprocess(  # type: ignore[override]
        self, model_outputs: tuple[str, Sequence[Candidate]], threshold: Threshold
    ) -> list[Entity]:
        """Entities of one text as dicts."""
        text, candidates = model_outputs
        found = select_entities(candidates)
        doubtful = find_doubtful(found, threshold)
        return [entity_dict(text, candidate, "local", doubts) for candidate, doubts in zip(found, doubtful, strict=True)]


class ModelForPipeline(AutoModel):
    """What `transformers.pipeline` loads a model with.

    It would turn an error of ours into one of its own with a whole traceback in its message; so the pipeline gets the error in
    place of the model, and raises it.
    """

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As `AutoModel.from_pretrained`, but where a HybridNerError is raised, something that holds it is given back."""
        try:
            return AutoModel.from_pretrained(*args, **kwargs)
        except HybridNerError as error:
            return _NotLoaded(error)


@dataclass(frozen=True)
class _NotLoaded:
    error: HybridNerError


def entity_dict(text: str, candidate: Candidate, source: str, needs_review: bool) -> Entity:
    """One entity as the pipeline gives it out; the keys are explained at `HybridNerPipeline`."""
    return {
        "entity_group": candidate.label,
        "word": text[candidate.start : candidate.end],
        "start": candidate.start,
        "end": candidate.end,
        "score": candidate.score,
        "uncertainty": candidate.uncertainty,
        "source": source,
        "votes": candidate.votes,
        "needs_review": needs_review,
    }


def verified_entity(text: str, item: Verified, needs_review: bool) -> Entity:
    """As `entity_dict`, with what the LLM had to do with it."""
    known = item.provenance
    return {
        **entity_dict(text, item.candidate, known.source, needs_review),
        "local_label": known.local_label,
        "llm_label": known.llm_label,
        "llm_score": known.llm_score,
        "llm_status": known.status,
        "llm_model": known.model,
        "fusion": known.fusion,
        "llm_error": known.llm_error,
        "llm_failure": known.failure and known.failure.value,
    }
