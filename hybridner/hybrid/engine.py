"""From texts to decided candidates: windows, forward passes, logits put together again, ballot, decision.

Windows give logits of characters, and these are what is concatenated; tags, spans and votes are computed on whole texts only. All
of it runs on the model's device; a ballot is plain arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from hybridner.ensemble import (
    ABSTAIN,
    Ballot,
    Candidate,
    DecisionSettings,
    OodDetector,
    Predictions,
    SpanFamiliarity,
    decide,
    merge_ballots,
)
from hybridner.ensemble.ballot import Floats
from hybridner.errors import DataError, ModelError
from hybridner.gazetteer import add_votes
from hybridner.spans import Record
from hybridner.text import CharacterVocabulary, Window, cut_windows

if TYPE_CHECKING:
    from hybridner.hybrid.modeling_composite import CompositeModel

#: Characters seen beyond the border of a window, where the encoder's limit allows it.
_CONTEXT = 64
#: Most characters, padding included, whose candidates are worked out together.
_DECODING_CELLS = 8_192


@dataclass(frozen=True)
class DecisionOptions:
    """How a ballot is decided, in place of the model's own settings where not None.

    Attributes:
        strategy: a key of `hybridner.ensemble.COMBINERS`.
        decoding: "flat" (no overlap) or "nested" (no crossing).
        uncertainty: a key of `hybridner.ensemble.UNCERTAINTIES`.
    """

    strategy: str | None = None
    decoding: str | None = None
    uncertainty: str | None = None

    def applied_to(self, settings: DecisionSettings) -> DecisionSettings:
        """The settings with these in their place."""
        return replace(settings, **{name: value for name, value in vars(self).items() if value is not None})


@dataclass(frozen=True)
class WindowBatch:
    """Windows of similar length that go through the members together.

    Attributes:
        input_ids: [B, V, n + 2] int64, one layer for each of the V vocabularies.
        attention_mask: [B, n + 2] int64.
        windows: for each row, the number of its text and the window.
    """

    input_ids: Tensor
    attention_mask: Tensor
    windows: list[tuple[int, Window]]


def window_batches(
    texts: Sequence[str], vocabularies: Sequence[CharacterVocabulary], max_characters: int, batch_size: int
) -> Iterator[WindowBatch]:
    """Cut all texts into windows and batch these by length, longest first (so that memory runs out at once or never)."""
    context = min(_CONTEXT, max_characters // 4)
    windows = [(number, window) for number, text in enumerate(texts) for window in cut_windows(text, max_characters, context)]
    windows.sort(key=lambda item: item[1].start - item[1].end)
    ids = [[vocabulary.encode(text)[1:-1] for text in texts] for vocabulary in vocabularies]
    for offset in range(0, len(windows), batch_size):
        rows = windows[offset : offset + batch_size]
        width = rows[0][1].end - rows[0][1].start + 2
        input_ids = np.empty((len(rows), len(vocabularies), width), dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for row, (number, window) in enumerate(rows):
            mask[row, : window.end - window.start + 2] = 1
            for layer, vocabulary in enumerate(vocabularies):
                tokens = [vocabulary.cls, *ids[layer][number][window.start : window.end], vocabulary.sep]
                input_ids[row, layer, : len(tokens)] = tokens
                input_ids[row, layer, len(tokens) :] = vocabulary.pad
        yield WindowBatch(torch.from_numpy(input_ids), torch.from_numpy(mask), rows)


class CharacterReader(Protocol):
    """What gives numbers for each character of a batch of windows: a composite, or a part of one."""

    vocabularies: list[CharacterVocabulary]

    @property
    def max_characters(self) -> int: ...

    def character_logits(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]: ...


def text_logits(model: CharacterReader, texts: Sequence[str], batch_size: int) -> list[list[Tensor]]:
    """For each text and member the logits of all its characters, [len(text), D] in single precision; [] for an empty text.

    What else `character_logits` gives comes after them, in the same form.
    """
    pieces: list[list[tuple[int, list[Tensor]]]] = [[] for _ in texts]
    for batch in window_batches(texts, model.vocabularies, model.max_characters, batch_size):
        logits = [part.float() for part in model.character_logits(batch.input_ids, batch.attention_mask)]
        for part in logits:
            if not part.sum().isfinite():
                raise ModelError(
                    "the model's scores are no finite numbers: its weights are damaged, or too large for the precision that it "
                    "runs in; load it in float32, or fetch it again"
                )
        for row, (number, window) in enumerate(batch.windows):
            own = slice(window.own_start - window.start, window.own_end - window.start)
            pieces[number].append((window.own_start, [part[row, own] for part in logits]))
    return [_concatenated([parts for _, parts in sorted(found, key=lambda piece: piece[0])]) for found in pieces]


def _concatenated(windows: Sequence[list[Tensor]]) -> list[Tensor]:
    if len(windows) <= 1:
        return windows[0] if windows else []
    return [torch.cat(parts) for parts in zip(*windows, strict=True)]


class ReadGroup(NamedTuple):
    """Some of the texts, read.

    Attributes:
        numbers: of the texts among all.
        ballot: of their candidates, before the temperature.
        strangeness: that of each character of each text; None in a composite that does not know what it knows.
    """

    numbers: list[int]
    ballot: Ballot
    strangeness: list[Floats] | None


def predict_ballots(
    model: CompositeModel, texts: Sequence[str], *, batch_size: int, decoding: str, simplify: bool | None = None
) -> Iterator[ReadGroup]:
    """Ballots of groups of texts of similar length. Votes are in the order of `model.voter_names`.

    Args:
        model: the composite, in evaluation mode.
        texts: any strings; empty ones are in no group.
        batch_size: windows per forward pass.
        decoding: how SpanNER chooses among its own spans.
        simplify: whether traditional characters are read as simplified ones; by default as the model's configuration says.
    """
    read = [model.normalize(text, simplify) for text in texts]
    with torch.inference_mode():
        logits = text_logits(model, read, batch_size)
        for numbers in _decoding_batches([len(text) for text in texts]):
            lengths = torch.tensor([len(texts[number]) for number in numbers])
            padded = [
                torch.nn.utils.rnn.pad_sequence([logits[number][member] for number in numbers], batch_first=True)
                for member in range(len(model.member_names))
            ]
            mask = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]
            mask = mask.to(padded[0].device)
            strangeness = _strangeness(model, [logits[number] for number in numbers])
            if model.gazetteer is None:
                yield ReadGroup(numbers, collect_votes(model, padded, mask, decoding), strangeness)
                continue
            places, probs = model.gazetteer.judge([texts[number] for number in numbers])
            likely = places[probs[:, 1:].max(axis=1) >= model.config.near_miss * probs[:, 0]]
            ballot = add_votes(collect_votes(model, padded, mask, decoding, likely), places, probs)
            yield ReadGroup(numbers, ballot, strangeness)


def _strangeness(model: CompositeModel, parts: Sequence[Sequence[Tensor]]) -> list[Floats] | None:
    """What comes after the members' logits."""
    if model.config.ood is None:
        return None
    return [_to_numpy(part[-1])[:, 0].astype(np.float64) for part in parts]


def predict_candidates(
    model: CompositeModel,
    texts: Sequence[str],
    *,
    batch_size: int,
    options: DecisionOptions,
    simplify: bool | None = None,
) -> list[tuple[list[Candidate], float | None]]:
    """The decided candidates of each text, and its `ood_score` where the model knows what it knows; an empty text has neither."""
    settings = options.applied_to(model.decision_settings)
    labels = model.config.labels.with_outside
    detector = None if model.config.ood is None else OodDetector.from_dict(model.config.ood)
    results: list[tuple[list[Candidate], float | None]] = [([], None) for _ in texts]
    for group in predict_ballots(model, texts, batch_size=batch_size, decoding=settings.decoding, simplify=simplify):
        scores: Sequence[float | None] = [None] * len(group.numbers)
        familiarity = None
        if detector is not None and group.strangeness is not None:
            scores = detector.score_texts(np.array([values.mean() for values in group.strangeness])).tolist()
            familiarity = SpanFamiliarity.of(detector, group.ballot.spans, group.strangeness, model.config.ood_threshold)
        decided = decide(group.ballot, len(group.numbers), labels, model.voter_names, settings, familiarity)
        for number, candidates, score in zip(group.numbers, decided, scores, strict=True):
            results[number] = candidates, score
    return results


def predict_records(
    model: CompositeModel, records: Sequence[Record], *, batch_size: int = 32, decoding: str | None = None
) -> Predictions:
    """What every member says about labelled records, in one object; see `Predictions`.

    Raises:
        DataError: there is no character to read.
    """
    texts = [record.text for record in records]
    groups = list(predict_ballots(model, texts, batch_size=batch_size, decoding=decoding or model.config.decoding))
    if not groups:
        raise DataError("there is no text to read")
    return Predictions(
        tuple(records),
        merge_ballots([group.ballot for group in groups], [group.numbers for group in groups]),
        model.config.labels.with_outside,
        model.voter_names,
        np.full(len(records), -1, dtype=np.int64),
    )


def _decoding_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of non-empty texts in groups of similar length."""
    group: list[int] = []
    for number in sorted((n for n, length in enumerate(lengths) if length), key=lambda n: -lengths[n]):
        if group and lengths[group[0]] * (len(group) + 1) > _DECODING_CELLS:
            yield group
            group = []
        group.append(number)
    if group:
        yield group


def collect_votes(
    model: CompositeModel, logits: Sequence[Tensor], mask: Tensor, decoding: str, proposed: np.ndarray | None = None
) -> Ballot:
    """Proposals of all members, SpanNER's near misses, and everybody's opinion of each of these spans, before the temperature.

    Args:
        model: the composite.
        logits: per member [B, n, D].
        mask: [B, n] bool, on the same device.
        decoding: how SpanNER chooses among its own spans.
        proposed: [N, 3] row, start, end of further spans to look at.
    """
    config = model.config
    decoders = model.decoders
    # Dividing logits by T is the same as raising a floor on P(label) / P(O) to the power of T.
    floor = config.near_miss**config.temperature
    proposals = [decoder.propose(part, mask, decoding, floor) for decoder, part in zip(decoders, logits, strict=True)]
    entities = [_to_numpy(found.entities) for found in proposals]
    near_misses = [_to_numpy(found.near_misses) for found in proposals]
    near_misses += [] if proposed is None else [proposed]
    spans = np.unique(np.concatenate([*near_misses, *(found[:, :3] for found in entities)]), axis=0)
    keys = _keys(spans, mask.size(1))
    votes = np.zeros((len(decoders), len(spans)), dtype=np.int64)
    probs = np.empty((len(decoders), len(spans), len(config.labels) + 1))
    span_logits, scorer = None, None
    chosen = torch.from_numpy(spans).to(mask.device)
    for index, (decoder, part, found) in enumerate(zip(decoders, logits, entities, strict=True)):
        scores = decoder.score_spans(part, mask, chosen)
        probs[index] = _to_numpy(scores.probs)
        votes[index, np.searchsorted(keys, _keys(found, mask.size(1)))] = found[:, 3]
        votes[index, ~_to_numpy(scores.can_score)] = ABSTAIN
        if scores.logits is not None:
            span_logits, scorer = _to_numpy(scores.logits), index
    if span_logits is not None:
        return Ballot(spans, votes, span_logits, probs, scorer)
    # Without a SpanNER the members' average stands in for its scores.
    ballot = Ballot(spans, votes, np.zeros(probs.shape[1:]), probs, None)
    return replace(ballot, logits=np.log(np.clip(ballot.mean_probabilities, 1e-12, 1.0)))


def _to_numpy(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().numpy()


def _keys(spans: np.ndarray, width: int) -> np.ndarray:
    """One sortable number per (row, start, end), in the same order as the rows of `spans` when these are sorted."""
    return np.asarray((spans[:, 0] * (width + 1) + spans[:, 1]) * (width + 1) + spans[:, 2])
