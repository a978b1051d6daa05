"""`pipeline("hybrid-ner")`: text in, entities out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import Pipeline

from hybridner.ensemble import COMBINERS, Candidate, entities
from hybridner.errors import InputError, ModelError
from hybridner.hybrid import HybridNerModel, HybridNerOutput, read_texts
from hybridner.hybrid.configuration_hybrid import check_choice, check_threshold
from hybridner.models import MemberModel
from hybridner.spans import RESOLVERS

#: Windows per forward pass unless the caller says otherwise.
_BATCH_SIZE = 16
#: Texts read ahead, in batches, so that windows of similar length can share a batch.
_READ_AHEAD = 16


class HybridNerPipeline(Pipeline):
    """Named entity recognition with a composite, or with a single member.

    ``pipe(text)`` gives a list of entities; a list of texts gives a list of such lists; a generator or a data set gives an
    iterator over them, read ahead a little so that texts of similar length share a batch, and in the order of the input. Texts
    of any length are read whole.

    Each entity is a dict:
        entity_group (str): its type.
        word (str), start (int), end (int): ``text[start:end] == word``; characters of the text as given, end exclusive.
        score (float): P(type | span), the members' probabilities averaged.
        uncertainty (float): u = 1 - max P(y | span) of SpanNER (equation 9).
        source (str): who decided, "local" for the ensemble.
        votes (dict): the type each member gave this span, "O" for none.
        needs_review (bool): whether u is above the threshold and nobody else has looked at it.

    Args (here, or per call to override them):
        batch_size: windows per forward pass (16).
        threshold: τ, a number from 0 to 1; by default the model's own.
        decoding: "flat" (no overlap) or "nested" (no crossing); by default the model's own.
        strategy: a key of `hybridner.ensemble.COMBINERS`; by default the model's own.

    Raises:
        InputError: a single input that is not a string. Inside a list, data set or generator such an item gives an empty
            result and a warning, so that the rest of the batch comes through.
        ModelError: a parameter has a value it cannot have.
    """

    # The model brings its own vocabularies.
    _load_tokenizer: Any = False
    _load_feature_extractor: Any = False
    _load_image_processor: Any = False
    _load_processor: Any = False

    model: HybridNerModel

    def __init__(self, model: HybridNerModel | MemberModel, **kwargs: Any) -> None:
        if isinstance(model, MemberModel):
            device = model.device
            model = HybridNerModel.assemble({model.config.model_type: model})
            nn.Module.to(model, device)
        if not isinstance(model, HybridNerModel):
            raise ModelError(f"the hybrid-ner pipeline needs a composite or one of its members, not a {type(model).__name__}")
        super().__init__(model=model.eval(), **kwargs)

    def get_inference_context(self) -> Any:
        return torch.inference_mode

    def _sanitize_parameters(
        self, threshold: float | None = None, decoding: str | None = None, strategy: str | None = None, **unknown: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if unknown:
            raise ModelError(
                f"unknown parameter {next(iter(unknown))!r}; the pipeline takes batch_size, threshold, decoding and strategy"
            )
        reading: dict[str, Any] = {}
        output: dict[str, Any] = {}
        if strategy is not None:
            check_choice("strategy", strategy, COMBINERS)
            reading["strategy"] = strategy
        if decoding is not None:
            check_choice("decoding", decoding, RESOLVERS)
            reading["decoding"] = decoding
        if threshold is not None:
            check_threshold(threshold)
            output["threshold"] = threshold
        return {}, reading, output

    def __call__(self, inputs: Any, *, batch_size: int | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        _, reading, output = self._sanitize_parameters(**kwargs)
        reading = {**self._forward_params, **reading}
        output = {**self._postprocess_params, **output}
        size = batch_size if batch_size is not None else (self._batch_size or _BATCH_SIZE)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ModelError(f"batch_size must be a whole number of at least 1, not {size!r}")
        if isinstance(inputs, str):
            return next(self._stream([inputs], size, reading, output))
        if isinstance(inputs, (bytes, bytearray, dict)) or not isinstance(inputs, (Iterable, Dataset)):
            raise InputError(
                f"expected a string, a list of strings, a data set or a generator, not {type(inputs).__name__}"
                + ("; decode it first: text.decode('utf-8')" if isinstance(inputs, (bytes, bytearray)) else "")
            )
        stream = self._stream(inputs, size, reading, output)
        return list(stream) if isinstance(inputs, Sequence) and not isinstance(inputs, Dataset) else stream

    def _stream(
        self, inputs: Any, batch_size: int, reading: dict[str, Any], output: dict[str, Any]
    ) -> Iterator[list[dict[str, Any]]]:
        items = iter(inputs) if isinstance(inputs, Iterable) else (inputs[i] for i in range(len(inputs)))
        position = 0
        while chunk := list(islice(items, batch_size * _READ_AHEAD)):
            texts = [self.preprocess(item, position + offset) for offset, item in enumerate(chunk)]
            position += len(chunk)
            candidates = read_texts(self.model, texts, batch_size=batch_size, forward=self.forward, **reading)
            for text, found in zip(texts, candidates, strict=True):
                yield self.postprocess((text, found), **output)

    def preprocess(self, input_: Any, position: int = 0) -> str:  # type: ignore[override]
        """The text itself, or an empty one with a warning for what is no text."""
        if isinstance(input_, str):
            return input_
        warnings.warn(f"item {position} is {type(input_).__name__}, not a string; its result is empty", UserWarning, stacklevel=2)
        return ""

    def _forward(self, input_tensors: dict[str, Tensor]) -> HybridNerOutput:  # type: ignore[override]
        return self.model(**input_tensors)

    def postprocess(  # type: ignore[override]
        self, model_outputs: tuple[str, Sequence[Candidate]], threshold: float | None = None
    ) -> list[dict[str, Any]]:
        """Entities of one text as dicts."""
        text, candidates = model_outputs
        limit = self.model.config.threshold if threshold is None else threshold
        return [
            {
                "entity_group": entity.label,
                "word": text[entity.start : entity.end],
                "start": entity.start,
                "end": entity.end,
                "score": entity.score,
                "uncertainty": entity.uncertainty,
                "source": "local",
                "votes": entity.votes,
                "needs_review": entity.uncertainty > limit,
            }
            for entity in entities(candidates)
        ]
