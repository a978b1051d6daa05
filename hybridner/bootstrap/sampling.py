"""Which of the raw texts an LLM annotates: sentences of a sensible length, unlike each other."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from hybridner.adaptation.selection import doubtful_and_diverse
from hybridner.data.splitting import split_sentences
from hybridner.spans import Record

#: Shorter ones are headings and debris; longer ones are left out, as they would cost as much as several.
_SHORTEST, _LONGEST = 8, 200
#: So many times more than are wanted are compared with each other, drawn at random from a larger text.
_OFFERED = 10


def diverse_sentences(texts: Iterable[str], count: int, seed: int) -> list[str]:
    """At most `count` different sentences of the texts, each unlike those before it; the same for the same seed.

    Args:
        texts: lines or documents, of any length.
        count: how many.
        seed: of the draw from a text with far more sentences.
    """
    found = [sentence for text in texts for sentence in _sentences(text)]
    offered: Sequence[str] = list(dict.fromkeys(found))
    if len(offered) > _OFFERED * count:
        offered = random.Random(seed).sample(offered, _OFFERED * count)
    return [offered[number] for number in doubtful_and_diverse(offered, [1.0] * len(offered), count)]


def _sentences(text: str) -> list[str]:
    parts = (part.text.strip() for part in split_sentences(Record(text)))
    return [part for part in parts if _SHORTEST <= len(part) <= _LONGEST]
