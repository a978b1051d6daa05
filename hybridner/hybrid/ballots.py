"""From texts to ballots: logits of characters, passages, and what every member says about the candidates in them.

Windows give logits of characters, and these are what is concatenated; tags, spans and votes are those of whole texts, in however
many passages these are decoded. All of it runs on the model's device; a ballot is plain arrays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hybridner.ensemble import ABSTAIN, Ballot, merge_ballots
from hybridner.ensemble.ballot import Floats
from hybridner.gazetteer import add_votes
from hybridner.hybrid.passages import Passage, Stretch, borders_of, guard_of, passages_between
from hybridner.hybrid.reading import read_windows, windows_of
from hybridner.text import Window

if TYPE_CHECKING:
    from hybridner.hybrid.modeling_composite import CompositeModel

#: Most characters, padding included, whose candidates are worked out together.
_DECODING_CELLS = 8_192
#: Most characters whose logits are held at a time.
_HELD = 65_536


class ReadGroup(NamedTuple):
    """Some passages of texts, read.

    Attributes:
        numbers: of the text that each passage is from.
        ballot: of their candidates, before the temperature; spans are counted from the beginning of the text.
        strangeness: that of each character of the passage's whole text; None in a composite that does not know what it knows.
    """

    numbers: list[int]
    ballot: Ballot
    strangeness: list[Floats] | None


def predict_ballots(
    model: CompositeModel, texts: Sequence[str], *, batch_size: int, decoding: str, simplify: bool | None = None
) -> Iterator[ReadGroup]:
    """Ballots of passages of similar length. Votes are in the order of `model.voter_names`.

    A text of up to `PASSAGE` characters is one passage. A longer one may be several, in one group or in many, and no candidate
    reaches over their borders.

    Args:
        model: the composite, in evaluation mode.
        texts: any strings; empty ones are in no group.
        batch_size: windows per forward pass.
        decoding: how SpanNER chooses among its own spans.
        simplify: whether traditional characters are read as simplified ones; by default as the model's configuration says.
    """
    read = [model.normalize(text, simplify) for text in texts]
    with torch.inference_mode():
        for numbers in _by_length([len(text) for text in read], _HELD):
            terms = _Terms(model, texts, numbers)
            windows = [(number, window) for number in numbers for window in windows_of(read[number], model.max_characters)]
            held: dict[int, Stretch] = {}
            strangeness: dict[int, list[Floats]] = {}
            waiting: list[tuple[list[Passage], Ballot]] = []
            # There are several blocks only of a text that has a group to itself.
            for block in _blocks(windows):
                for number, logits in read_windows(model, read, block, batch_size).items():
                    before = held.get(number)
                    held[number] = Stretch(number, read[number], 0, 0, logits) if before is None else before.continued(logits)
                    if model.config.ood is not None:
                        # It comes after the members' logits.
                        strangeness.setdefault(number, []).append(_to_numpy(logits[-1])[:, 0].astype(np.float64))
                ballots, held = _decoded(model, held, decoding, terms)
                if model.config.ood is None:
                    yield from (ReadGroup([passage.stretch.number for passage in rows], ballot, None) for rows, ballot in ballots)
                else:
                    # How strange a text is as a whole is known when all of it has been read.
                    waiting += ballots
            yield from _whole_texts(waiting, {number: np.concatenate(parts) for number, parts in strangeness.items()})


def _whole_texts(parts: Sequence[tuple[list[Passage], Ballot]], strangeness: Mapping[int, Floats]) -> Iterator[ReadGroup]:
    """The ballots with all passages of a text put together."""
    counts = Counter(passage.stretch.number for rows, _ in parts for passage in rows)
    several: dict[int, list[Ballot]] = {}
    for rows, ballot in parts:
        numbers = [passage.stretch.number for passage in rows]
        for row, number in enumerate(numbers):
            if counts[number] > 1:
                several.setdefault(number, []).append(ballot.select_texts([row]))
        if whole := [row for row, number in enumerate(numbers) if counts[number] == 1]:
            of = [numbers[row] for row in whole]
            yield ReadGroup(of, ballot.select_texts(whole), [strangeness[number] for number in of])
    for number, ballots in several.items():
        yield ReadGroup([number], merge_ballots(ballots, [[0]] * len(ballots)), [strangeness[number]])


class _Terms:
    """Where the gazetteer's terms occur in some of the texts, if the model has one."""

    def __init__(self, model: CompositeModel, texts: Sequence[str], numbers: Sequence[int]) -> None:
        self.found: dict[int, tuple[NDArray[np.int64], Floats]] = {}
        self._near_miss = model.config.near_miss
        if model.gazetteer is None:
            return
        for number in numbers:
            places, probs = model.gazetteer.judge([texts[number]])
            self.found[number] = places[:, 1:], probs

    def of(self, rows: Sequence[Passage]) -> tuple[NDArray[np.int64], Floats]:
        """[S, 3] row, start, end of the terms that begin in what passages own, and P(label | what occurs there) [S, K + 1]."""
        places, probs = [], []
        for row, passage in enumerate(rows):
            spans, given = self.found[passage.stretch.number]
            own = slice(*np.searchsorted(spans[:, 0], (passage.own, passage.stop)))
            places.append(np.insert(spans[own], 0, row, axis=1))
            probs.append(given[own])
        return np.concatenate(places), np.concatenate(probs)

    def likely(self, places: NDArray[np.int64], probs: Floats) -> NDArray[np.int64]:
        """Those that are worth a look by the members."""
        return np.asarray(places[probs[:, 1:].max(axis=1) >= self._near_miss * probs[:, 0]])


def _blocks(windows: Sequence[tuple[int, Window]]) -> Iterator[list[tuple[int, Window]]]:
    """Runs of windows that own at most `_HELD` characters together."""
    block: list[tuple[int, Window]] = []
    characters = 0
    for number, window in windows:
        if block and characters + window.own_end - window.own_start > _HELD:
            yield block
            block, characters = [], 0
        block.append((number, window))
        characters += window.own_end - window.own_start
    yield block


def _decoded(
    model: CompositeModel, held: Mapping[int, Stretch], decoding: str, terms: _Terms
) -> tuple[list[tuple[list[Passage], Ballot]], dict[int, Stretch]]:
    """Ballots of all that can be decoded of stretches of texts, and what must wait for what follows it."""
    guard = guard_of(model.decoders)
    borders = {number: borders_of(stretch, model.decoders) for number, stretch in held.items()}
    done: list[tuple[list[Passage], Ballot]] = []
    waiting = [passage for number, found in borders.items() for passage in passages_between(held[number], found, guard)]
    while waiting:
        for numbers in _by_length([passage.end - passage.begin for passage in waiting], _DECODING_CELLS):
            rows = [waiting[number] for number in numbers]
            ballot, crossed = _ballot_of(model, rows, decoding, terms)
            for passage in crossed:
                borders[passage.stretch.number].remove(passage.stop)
            done.append((rows, ballot))
        wanted = [passage for number, found in borders.items() for passage in passages_between(held[number], found, guard)]
        done = [(rows, ballot) for rows, ballot in (_selected(*part, set(wanted)) for part in done) if rows]
        waiting = list(set(wanted).difference(*(rows for rows, _ in done)))
    rest = {number: stretch.rest(borders[number][-1], guard) for number, stretch in held.items() if not stretch.is_last}
    return done, rest


def _selected(rows: list[Passage], ballot: Ballot, wanted: set[Passage]) -> tuple[list[Passage], Ballot]:
    kept = [number for number, passage in enumerate(rows) if passage in wanted]
    return (rows, ballot) if len(kept) == len(rows) else ([rows[number] for number in kept], ballot.select_texts(kept))


def _ballot_of(model: CompositeModel, rows: Sequence[Passage], decoding: str, terms: _Terms) -> tuple[Ballot, list[Passage]]:
    """The ballot of passages, and those over whose end a candidate reaches."""
    lengths = torch.tensor([passage.end - passage.begin for passage in rows])
    padded = [
        torch.nn.utils.rnn.pad_sequence([passage.logits[member] for passage in rows], batch_first=True)
        for member in range(len(model.member_names))
    ]
    mask = (torch.arange(int(lengths.max()))[None, :] < lengths[:, None]).to(padded[0].device)
    begin, own, stop = (np.array([getattr(passage, name) for passage in rows]) for name in ("begin", "own", "stop"))
    inside = np.stack([own - begin, stop - begin], axis=1)
    places, probs = terms.of(rows) if terms.found else (None, None)
    proposed = None
    if places is not None and probs is not None:
        proposed = terms.likely(places, probs).copy()
        proposed[:, 1:] -= begin[proposed[:, :1]]
    ballot, crossed = collect_votes(model, padded, mask, decoding, inside, proposed)
    spans = ballot.spans.copy()
    spans[:, 1:] += begin[spans[:, :1]]
    ballot = replace(ballot, spans=spans)
    if places is not None and probs is not None:
        ballot = add_votes(ballot, places, probs)
    return ballot, [rows[row] for row in crossed]


def _by_length(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Numbers of non-empty texts in groups of similar length, of at most so many characters with padding; a longer one alone."""
    group: list[int] = []
    for number in sorted((n for n, length in enumerate(lengths) if length), key=lambda n: -lengths[n]):
        if group and lengths[group[0]] * (len(group) + 1) > most:
            yield group
            group = []
        group.append(number)
    if group:
        yield group


def collect_votes(
    model: CompositeModel,
    logits: Sequence[Tensor],
    mask: Tensor,
    decoding: str,
    own: NDArray[np.int64],
    proposed: NDArray[np.int64] | None = None,
) -> tuple[Ballot, list[int]]:
    """Proposals of all members, SpanNER's near misses, and everybody's opinion of each of these spans, before the temperature.

    Args:
        model: the composite.
        logits: per member [B, n, D].
        mask: [B, n] bool, on the same device.
        decoding: how SpanNER chooses among its own spans.
        proposed: [N, 3] row, start, end of further spans to look at.
        own: [B, 2] the characters [own, stop) of each row that count; those around them are only seen.

    Returns:
        the ballot of the spans inside of what counts; and the numbers of the rows in which a span reaches over `stop`.
    """
    config = model.config
    decoders = model.decoders
    # Dividing logits by T is the same as raising a floor on P(label) / P(O) to the power of T.
    floor = config.near_miss**config.temperature
    proposals = [decoder.propose(part, mask, decoding, floor) for decoder, part in zip(decoders, logits, strict=True)]
    seen = [_to_numpy(part) for found in proposals for part in (found.entities, found.near_misses)]
    seen += [] if proposed is None else [proposed]
    crossed = np.unique(np.concatenate([part[_reaches_over(part, own[:, 1]), 0] for part in seen])).tolist()
    inside = [part[(part[:, 1] >= own[part[:, 0], 0]) & (part[:, 2] <= own[part[:, 0], 1])] for part in seen]
    members = 2 * len(decoders)
    entities, near_misses = inside[0:members:2], [*inside[1:members:2], *inside[members:]]
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
        return Ballot(spans, votes, span_logits, probs, scorer), crossed
    # Without a SpanNER the members' average stands in for its scores.
    ballot = Ballot(spans, votes, np.zeros(probs.shape[1:]), probs, None)
    return replace(ballot, logits=np.log(np.clip(ballot.mean_probabilities, 1e-12, 1.0))), crossed


def _reaches_over(spans: NDArray[np.int64], border: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[S] whether a span begins before the border of its row and ends behind it."""
    there = border[spans[:, 0]]
    return np.asarray((spans[:, 1] < there) & (there < spans[:, 2]))


def _to_numpy(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().numpy()


def _keys(spans: np.ndarray, width: int) -> np.ndarray:
    """One sortable number per (row, start, end), in the same order as the rows of `spans` when these are sorted."""
    return np.asarray((spans[:, 0] * (width + 1) + spans[:, 1]) * (width + 1) + spans[:, 2])
