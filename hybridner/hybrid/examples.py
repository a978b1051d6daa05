"""Labelled spans of the training data that are most like a candidate: examples for the LLM's prompt.

Alike is what SpanNER finds alike, by the cosine of span vectors s = [h_b ; h_e ; ℓ(e - b + 1)] (equation 3), and what has like
characters in and around it; examples are taken from both orders in turn.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hybridner.data import read_records
from hybridner.data.formats.columns import is_parquet
from hybridner.ensemble import Candidate, Predictions, decide_predictions, find_doubtful
from hybridner.errors import DataError, ModelError
from hybridner.files import atomic_write
from hybridner.hybrid.modeling_composite import CompositeModel
from hybridner.hybrid.modeling_hybrid import HybridNerModel
from hybridner.hybrid.reading import text_logits
from hybridner.llm import Example, ExampleFinder
from hybridner.llm.example_choice import choose_examples, mix
from hybridner.llm.similarity import CharacterVectors, span_features
from hybridner.models import SpannerHead
from hybridner.models.encoders import character_mask, encode_characters
from hybridner.spans import NON_ENTITY, Record, Span

Vectors = NDArray[np.float32]

#: Texts whose states are held at once while an index is built.
_READ_AHEAD = 512
#: The cosine that the vectors of one span in the index and in the model must reach; half precision costs far less.
_SAME_MODEL = 0.99


@dataclass(frozen=True, eq=False)
class ExampleIndex:
    """Labelled spans with their span vectors.

    Attributes:
        examples: S spans in their sentences, those that are no entities with the label "O".
        vectors: [S, 2d + d'] of unit length, rounded to half precision, in which they are stored.

    Examples:
        >>> index = ExampleIndex.build(model, [Record("北约部署了雷达。", (Span(0, 2, "Adversary States"),))])
        >>> index.vectors.shape
        (1, 544)
        >>> index.save("examples.parquet")
        >>> ExampleIndex.load("examples.parquet").examples[0]
        Example(text='北约部署了雷达。', start=0, end=2, label='Adversary States')
    """

    examples: tuple[Example, ...]
    vectors: Vectors

    @classmethod
    def build(
        cls, model: HybridNerModel, source: str | Path | Predictions | Iterable[Record], *, batch_size: int = 32
    ) -> ExampleIndex:
        """Index the gold entities of labelled records, and spans that are hard there with their true labels.

        Hard are, where out-of-fold predictions are given, the doubtful candidates: they show where annotators draw the line. Of
        other records it is what SpanNER nearly takes for an entity and is none.

        Args:
            model: a composite with a SpanNER.
            source: out-of-fold predictions, or labelled records, best those that the members were trained on; or a file of
                either.
            batch_size: windows per forward pass.

        Raises:
            ModelError: the composite has no SpanNER.
            DataError: the file cannot be read, or there is not one span; or predictions over other labels than the model's.
        """
        if isinstance(source, (str, Path)):
            predicted = is_parquet(Path(source)) and Predictions.stored_in(source)
            return cls.build(model, Predictions.load(source) if predicted else read_records(source), batch_size=batch_size)
        spanner = _spanner(model)
        known = list(source.records if isinstance(source, Predictions) else source)
        hard = _hard_spans(model, source) if isinstance(source, Predictions) else None
        examples: dict[Example, None] = {}
        parts: list[Vectors] = []
        for offset in range(0, len(known), _READ_AHEAD):
            some = known[offset : offset + _READ_AHEAD]
            found = span_states(model, [record.text for record in some], batch_size)
            for number, (record, states) in enumerate(zip(some, found, strict=True), offset):
                gold = {(span.start, span.end) for span in record.entities}
                new = [Example(record.text, *span) for span in record.entities]
                spans = _near_misses(model, spanner, states) if hard is None else hard[number]
                new += [Example(record.text, *span, NON_ENTITY) for span in spans if span not in gold]
                new = [example for example in dict.fromkeys(new) if example not in examples]
                examples.update(dict.fromkeys(new))
                parts.append(_vectors(spanner, states, [(example.start, example.end) for example in new]))
        if not examples:
            raise DataError("there is no labelled span to make an example of")
        return cls(tuple(examples), np.concatenate(parts))

    @classmethod
    def of(cls, source: object, model: CompositeModel) -> ExampleIndex:
        """An index, or one from its file, that is sure to belong to the model; of an exported model only the labels can tell.

        Raises:
            DataError: see `load`.
            ModelError: see `check`; or `source` is neither.
        """
        if isinstance(source, (str, PathLike)):
            source = cls.load(source)
        if not isinstance(source, ExampleIndex):
            raise ModelError(
                f"llm_examples must be a file made by `hybridner examples` or an ExampleIndex, not {type(source).__name__}"
            )
        if isinstance(model, HybridNerModel):
            source.check(model)
        source.check_labels(model)
        return source

    def nearest(self, vector: Vectors | None, text: str, start: int, end: int, k: int) -> list[Example]:
        """The k examples for a span, by vectors and by characters in turn; see `choose_examples`.

        Args:
            vector: [2d + d'] of unit length; None for characters alone.
            text, start, end: the span in question.
            k: how many.
        """
        orders = [] if vector is None else [self.vectors @ vector]
        orders.append(self._characters.similarities(span_features(text, start, end)))
        nearest = (np.argsort(-order, kind="stable").tolist() for order in orders)
        return choose_examples(self.examples, mix(*nearest), k, text)

    @cached_property
    def sentences(self) -> tuple[Record, ...]:
        """The sentences of the examples with all their entities, for `hybridner.llm.SentenceExamples`."""
        found: dict[str, set[Span]] = {}
        for example in self.examples:
            spans = found.setdefault(example.text, set())
            if example.label != NON_ENTITY:
                spans.add(Span(example.start, example.end, example.label))
        return tuple(Record(text, tuple(sorted(spans))) for text, spans in found.items())

    @cached_property
    def _characters(self) -> CharacterVectors:
        return CharacterVectors([span_features(example.text, example.start, example.end) for example in self.examples])

    def finder(
        self, model: CompositeModel, texts: Sequence[str], candidates: Sequence[Sequence[Candidate]], k: int
    ) -> ExampleFinder:
        """A `hybridner.llm.ExampleFinder` for a batch; SpanNER reads a text again when the first of its spans is asked about.

        A model that was exported gives no span vectors, so that examples for it are found by characters alone.
        """
        if not isinstance(model, HybridNerModel):
            return lambda number, candidate: self.nearest(None, texts[number], candidate.start, candidate.end, k)
        spanner = _spanner(model)
        known: dict[int, Tensor] = {}

        def find(number: int, candidate: Candidate) -> list[Example]:
            if number not in known:
                (known[number],) = span_states(model, [texts[number]], 1)
            # Also of a span that no member proposed: an LLM may have.
            (vector,) = _vectors(spanner, known[number], [(candidate.start, candidate.end)])
            return self.nearest(vector, texts[number], candidate.start, candidate.end, k)

        return find

    def check(self, model: HybridNerModel) -> None:
        """Make sure that the index belongs to the model: its SpanNER must find the first span where the index has it.

        Raises:
            ModelError: no SpanNER, or another one than that of the index.
        """
        spanner, example = _spanner(model), self.examples[0]
        (states,) = span_states(model, [example.text], 1)
        (vector,) = _vectors(spanner, states, [(example.start, example.end)])
        if len(vector) != self.vectors.shape[1] or vector @ self.vectors[0] < _SAME_MODEL:
            raise ModelError("these examples were indexed with another SpanNER; index them again: hybridner examples MODEL DATA")

    def check_labels(self, model: CompositeModel) -> None:
        """Make sure that the model knows the labels of the examples.

        Raises:
            ModelError: it does not.
        """
        strange = {example.label for example in self.examples} - set(model.config.labels.with_outside)
        if strange:
            raise ModelError(f"these examples have the label {min(strange)!r}, which the model does not know")

    def save(self, path: str | Path) -> None:
        """Write a Parquet file, one row an example; it appears under its name only when it is whole."""
        path = Path(path)
        half = pa.array(self.vectors.astype(np.float16).reshape(-1), pa.float16())
        table = pa.table(
            {
                **{name: [getattr(example, name) for example in self.examples] for name in ("text", "start", "end", "label")},
                "vector": pa.FixedSizeListArray.from_arrays(half, self.vectors.shape[1]),
            },
            schema=pa.schema([*_COLUMNS, pa.field("vector", pa.list_(pa.float16(), self.vectors.shape[1]))]),
        )
        with atomic_write(path) as unfinished:
            pq.write_table(table, unfinished)

    @staticmethod
    def stored_in(path: Path) -> bool:
        """Whether a file holds an index, and not records."""
        return is_parquet(path) and "vector" in pq.read_schema(path).names

    @classmethod
    def load(cls, path: str | PathLike[str]) -> ExampleIndex:
        """Read what `save` wrote.

        Raises:
            DataError: the file is missing, no Parquet, or holds no examples.
        """
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"cannot be read as Parquet: {error}", str(path)) from error
        names = [column.name for column in _COLUMNS]
        if table.column_names != [*names, "vector"] or not table.num_rows:
            raise DataError("this Parquet file holds no examples; `hybridner examples` makes one", str(path))
        rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
        vectors = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return cls(tuple(Example(*row) for row in rows), vectors.astype(np.float32).reshape(table.num_rows, -1))


_COLUMNS = (
    pa.field("text", pa.string()),
    pa.field("start", pa.int32()),
    pa.field("end", pa.int32()),
    pa.field("label", pa.string()),
)


class _StateReader:
    """Reads texts as the engine does, but up to SpanNER's h in place of its logits."""

    def __init__(self, model: HybridNerModel) -> None:
        self._model, self._head = model, _spanner(model)
        entry = next(entry for entry in model.config.members if model.members[entry["name"]] is self._head)
        self._encoder, self._layer = entry["encoder"], model.config.encoders[entry["encoder"]]["vocabulary"]
        self.vocabularies, self.max_characters = model.vocabularies, model.max_characters

    def character_logits(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        ids, mask = input_ids[:, self._layer].to(self._model.device), attention_mask.to(self._model.device)
        hidden = encode_characters(self._model.encoders[self._encoder], ids, mask)
        return (self._head.states(hidden, character_mask(mask)),)


@torch.inference_mode()
def span_states(model: HybridNerModel, texts: Sequence[str], batch_size: int) -> list[Tensor]:
    """SpanNER's h of every character of each text, [len(text), d], on the CPU."""
    empty = torch.empty(0, _spanner(model).config.rnn_hidden_size)
    return [
        parts[0].cpu() if parts else empty
        for parts in text_logits(_StateReader(model), [model.normalize(text) for text in texts], batch_size)
    ]


def _spanner(model: HybridNerModel) -> SpannerHead:
    if model.spanner is None:
        raise ModelError("examples are found by SpanNER's span vectors, and this composite has no SpanNER")
    return model.spanner


def _hard_spans(model: HybridNerModel, predictions: Predictions) -> list[list[tuple[int, int]]]:
    """The spans of each record that would be routed to an LLM: doubtful candidates, as the model decides and doubts."""
    if predictions.labels != model.config.labels.with_outside:
        raise DataError(f"these predictions are over {list(predictions.labels)}, and the model knows other labels")
    threshold = copy.deepcopy(model.config.review_threshold)
    rows = decide_predictions(predictions, model.decision_settings)
    return [
        [(c.start, c.end) for c, doubtful in zip(row, find_doubtful(row, threshold), strict=True) if doubtful and c.kind]
        for row in rows
    ]


@torch.inference_mode()
def _near_misses(model: HybridNerModel, head: SpannerHead, states: Tensor) -> list[tuple[int, int]]:
    """SpanNER's own proposals and near misses in a text with these states, as in `collect_votes`."""
    if not len(states):
        return []
    logits = head.boundary(states.to(model.device, model.dtype))[None]
    everywhere = torch.ones(1, len(states), dtype=torch.bool, device=model.device)
    spans, _ = head.decoder.likely_spans(logits, everywhere, model.config.near_miss**model.config.temperature)
    return [(start, end) for start, end in spans[:, 1:3].tolist()]


@torch.inference_mode()
def _vectors(spanner: SpannerHead, states: Tensor, spans: Sequence[tuple[int, int]]) -> Vectors:
    """[C, 2d + d'] span vectors of unit length in the values of half precision."""
    rows = torch.tensor([(0, *span) for span in spans], dtype=torch.long).reshape(-1, 3)
    whole = functional.normalize(spanner.span_vectors(states[None], rows), dim=-1)
    return np.asarray(whole.half().float().numpy())
