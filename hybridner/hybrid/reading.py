"""From texts to decided candidates: windows, forward passes, scores put together again, ballot, decision.

Scores per character are what windows give and what is strung together; tags, spans and votes are computed on whole texts only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hybridner.ensemble import ABSTAIN, Ballot, Candidate, Predictions, decide, joined
from hybridner.errors import DataError
from hybridner.hybrid.modeling_hybrid import HybridNerModel, HybridNerOutput
from hybridner.models import SpannerModel
from hybridner.models.modeling_spanner import resolved
from hybridner.spans import Record
from hybridner.text import CharacterVocabulary, Window, cut_windows

#: Characters seen beyond the border of a window, where the encoder's limit allows it.
_CONTEXT = 64
#: Most characters, padding included, whose candidates are worked out together.
_DECODING_CELLS = 8_192

Forward = Callable[[dict[str, Tensor]], HybridNerOutput]


@dataclass(frozen=True)
class WindowBatch:
    """Windows of similar length that go through the members together.

    Attributes:
        inputs: arguments of `HybridNerModel.forward`.
        windows: for each row, the number of its text and the window.
    """

    inputs: dict[str, Tensor]
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
        yield WindowBatch({"input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(mask)}, rows)


def score_texts(model: HybridNerModel, texts: Sequence[str], batch_size: int, forward: Forward) -> list[list[Tensor]]:
    """For each text and member, the scores of all its characters [len(text), D], on the CPU in single precision."""
    scores: list[list[Tensor]] = [[] for _ in texts]
    for batch in window_batches(texts, model.vocabularies, model.max_characters, batch_size):
        outputs = [part.float().cpu() for part in forward(batch.inputs).token_scores or ()]
        for row, (number, window) in enumerate(batch.windows):
            if not scores[number]:
                scores[number] = [part.new_empty(len(texts[number]), part.size(-1)) for part in outputs]
            owned = slice(window.own_start, window.own_end)
            seen = slice(window.own_start - window.start, window.own_end - window.start)
            for whole, part in zip(scores[number], outputs, strict=True):
                whole[owned] = part[row, seen]
    return scores


def read_ballots(
    model: HybridNerModel, texts: Sequence[str], *, batch_size: int, decoding: str, forward: Forward | None = None
) -> Iterator[tuple[list[int], Ballot]]:
    """Untempered ballots of groups of texts of similar length, each with the numbers of its texts; empty texts are in none.

    Args:
        model: the composite, in evaluation mode.
        texts: any strings.
        batch_size: windows per forward pass.
        decoding: how SpanNER chooses among its own spans.
        forward: how to run the model on a batch (the pipeline moves it to its device); by default, as it is, without gradients.
    """
    run = forward or torch.inference_mode()(lambda inputs: model(**inputs))
    scores = score_texts(model, texts, batch_size, run)
    for numbers in _decoding_batches([len(text) for text in texts]):
        mask = _mask([len(texts[number]) for number in numbers])
        padded = [
            torch.nn.utils.rnn.pad_sequence([scores[number][member] for number in numbers], batch_first=True)
            for member in range(len(model.members))
        ]
        yield numbers, cast_ballot(model, padded, mask, decoding)


def read_texts(
    model: HybridNerModel,
    texts: Sequence[str],
    *,
    batch_size: int,
    strategy: str | None = None,
    decoding: str | None = None,
    uncertainty: str | None = None,
    forward: Forward | None = None,
) -> list[list[Candidate]]:
    """The decided candidates of each text; an empty text has none.

    `strategy`, `decoding` and `uncertainty` stand in place of the model's own; the other arguments are those of `read_ballots`.
    """
    decoding = decoding or model.config.decoding
    results: list[list[Candidate]] = [[] for _ in texts]
    for numbers, ballot in read_ballots(model, texts, batch_size=batch_size, decoding=decoding, forward=forward):
        decided = decide_ballot(model, ballot, len(numbers), strategy=strategy, decoding=decoding, uncertainty=uncertainty)
        for number, candidates in zip(numbers, decided, strict=True):
            results[number] = candidates
    return results


def decide_ballot(
    model: HybridNerModel,
    ballot: Ballot,
    texts: int,
    *,
    strategy: str | None = None,
    decoding: str | None = None,
    uncertainty: str | None = None,
) -> list[list[Candidate]]:
    """What a composite makes of an untempered ballot over so many texts, its own or one of out-of-fold predictions.

    `strategy`, `decoding` and `uncertainty` stand in place of the model's own.
    """
    config = model.config
    return decide(
        ballot.tempered(config.temperature),
        texts,
        config.labels.with_outside,
        model.member_names,
        strategy=strategy or config.strategy,
        decoding=decoding or config.decoding,
        fitted=model.fitted,
        uncertainty=uncertainty or config.uncertainty,
    )


def predict(
    model: HybridNerModel, records: Sequence[Record], *, batch_size: int = 32, decoding: str | None = None
) -> Predictions:
    """What every member says about labelled records, in one object; see `Predictions`."""
    texts = [record.text for record in records]
    groups = list(read_ballots(model, texts, batch_size=batch_size, decoding=decoding or model.config.decoding))
    if not groups:
        raise DataError("there is no text to read")
    return Predictions(
        tuple(records),
        joined([ballot for _, ballot in groups], [numbers for numbers, _ in groups]),
        model.config.labels.with_outside,
        model.member_names,
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


def _mask(lengths: Sequence[int]) -> Tensor:
    return torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]


@torch.inference_mode()
def cast_ballot(model: HybridNerModel, scores: Sequence[Tensor], mask: Tensor, decoding: str) -> Ballot:
    """Proposals of all members, SpanNER's near misses, and everybody's opinion of each of these spans, untempered.

    Args:
        model: the composite.
        scores: per member [B, n, D].
        mask: [B, n] bool.
        decoding: how SpanNER chooses among its own spans.
    """
    config = model.config
    proposals = []
    near = np.empty((0, 3), dtype=np.int64)
    for member, part in zip(model.member_models, scores, strict=True):
        if isinstance(member, SpannerModel):
            # Dividing the scores by T is the same as raising the floor on P(label) / P(O) to the power of T. The floor is at most
            # 1, so what SpanNER itself calls an entity is among these.
            likely, odds = member.likely_spans(part, mask, config.near_miss**config.temperature)
            near = likely[:, :3].numpy()
            proposals.append(resolved(likely[odds > 0], odds[odds > 0], decoding).numpy())
        else:
            proposals.append(member.propose(part, mask).numpy())
    spans = np.unique(np.concatenate([near, *(proposed[:, :3] for proposed in proposals)]), axis=0)
    votes = np.zeros((len(proposals), len(spans)), dtype=np.int64)
    keys = _keys(spans, mask.size(1))
    for index, proposed in enumerate(proposals):
        votes[index, np.searchsorted(keys, _keys(proposed, mask.size(1)))] = proposed[:, 3]
    chosen = torch.from_numpy(spans)
    probabilities = []
    logits = np.zeros((len(spans), len(config.labels) + 1))
    scorer = None
    for index, (member, part) in enumerate(zip(model.member_models, scores, strict=True)):
        if isinstance(member, SpannerModel):
            raw, scored = member.span_scores(part, chosen)
            scorer, logits = index, raw.double().numpy()
            probabilities.append(raw.double().softmax(1).numpy())
            votes[index, ~scored.numpy()] = ABSTAIN
        else:
            probabilities.append(member.span_probabilities(part, mask, chosen).numpy())
    ballot = Ballot(spans, votes, logits, np.stack(probabilities), scorer)
    # Without a SpanNER the members' average stands in for its scores.
    return ballot if scorer is not None else replace(ballot, logits=np.log(np.clip(ballot.average, 1e-12, 1.0)))


def _keys(spans: np.ndarray, width: int) -> np.ndarray:
    """One sortable number per (row, start, end), in the same order as the rows of `spans` when these are sorted."""
    return np.asarray((spans[:, 0] * (width + 1) + spans[:, 1]) * (width + 1) + spans[:, 2])
