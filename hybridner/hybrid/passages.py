"""Long texts decoded passage by passage, with the result of decoding them whole.

Passages are the rows of a batch, so that a long text costs what as many short ones do, and of an endless text only a part is
held at a time. Each sees some characters beyond what it owns. A text may be parted at a place where nothing on one side has a say
about the other: there every CRF has forgotten what lay before (see `LinearChainCrf.forgets`), and no candidate reaches over it.
Passages between which there is no such place are decoded as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from hybridner.hybrid.reading import concatenated
from hybridner.models.decoders import Decoder
from hybridner.text import cut_windows

#: Most characters that a passage owns.
PASSAGE = 256
#: Characters on each side of a border in which what lies beyond must be forgotten.
_GUARD = 32


@dataclass(frozen=True, eq=False)
class Stretch:
    """A part of a text whose logits are held.

    Attributes:
        number: of the text.
        text: the whole of it.
        begin: its first character whose logits are held.
        own: its first character that has not been decoded; between the two lies a guard, where there is something before.
        logits: for each member [characters, D]; and what else there is of each character.
    """

    number: int
    text: str
    begin: int
    own: int
    logits: list[Tensor]

    @property
    def end(self) -> int:
        """One after the last character held."""
        return self.begin + len(self.logits[0])

    @property
    def is_last(self) -> bool:
        """Whether nothing of the text follows."""
        return self.end == len(self.text)

    def continued(self, logits: list[Tensor]) -> Stretch:
        """With the logits of the characters that follow."""
        return Stretch(self.number, self.text, self.begin, self.own, concatenated([self.logits, logits]))

    def rest(self, own: int, guard: int) -> Stretch:
        """What is still to be decoded from the character `own` on."""
        begin = max(self.begin, own - guard)
        kept = [part[begin - self.begin :].clone() for part in self.logits]
        return Stretch(self.number, self.text, begin, own, kept)


@dataclass(frozen=True)
class Passage:
    """A row of a batch: characters [begin, end) of a text are seen, of which [own, stop) are decoded here."""

    stretch: Stretch
    begin: int
    own: int
    stop: int
    end: int

    @property
    def logits(self) -> list[Tensor]:
        """For each member [end - begin, D]."""
        held = slice(self.begin - self.stretch.begin, self.end - self.stretch.begin)
        return [part[held] for part in self.stretch.logits]


def guard_of(decoders: Sequence[Decoder]) -> int:
    """Characters on each side of a border that have to be seen: as many as a span that is scored by its own."""
    return max(_GUARD, *(decoder.reach for decoder in decoders))


def borders_of(stretch: Stretch, decoders: Sequence[Decoder]) -> list[int]:
    """Where the passages of a stretch begin and end as far as the CRFs are concerned: `own` first, and where the text ends, its
    end. Between the last border and the end of a stretch that is not the text's last one lies what is to be held on to."""
    guard = guard_of(decoders)
    size = max(PASSAGE, 4 * guard)
    cuts = [stretch.own + window.own_end for window in cut_windows(stretch.text[stretch.own : stretch.end], size, 0)]
    inner = [cut for cut in cuts[:-1] if cut - guard >= stretch.begin and cut + 1 + guard <= stretch.end]
    places = torch.tensor(inner, dtype=torch.long) - stretch.begin
    around = torch.arange(guard)
    parted = torch.ones(len(inner), dtype=torch.bool)
    if inner:
        for decoder, logits in zip(decoders, stretch.logits, strict=False):
            # The character after the border too: whether an entity goes on there must be certain.
            for first in (places - guard, places + 1):
                parted &= decoder.forgets(logits[(first[:, None] + around).to(logits.device)]).cpu()
    kept = [cut for cut, free in zip(inner, parted.tolist(), strict=True) if free]
    return [stretch.own, *kept, *([stretch.end] if stretch.is_last else [])]


def passages_between(stretch: Stretch, borders: Sequence[int], guard: int) -> Iterator[Passage]:
    """The passages between borders that follow each other."""
    for own, stop in pairwise(borders):
        yield Passage(stretch, max(stretch.begin, own - guard), own, stop, min(stretch.end, stop + 1 + guard))
