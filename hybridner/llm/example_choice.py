"""Which labelled spans and sentences the LLM is shown: near, of more than one kind, and not too many characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain, zip_longest

import numpy as np

from hybridner.llm.prompts import Example
from hybridner.llm.similarity import CharacterVectors, Floats, text_features
from hybridner.spans import Record

#: Characters on either side by which two examples are the same one.
_SAME_AROUND = 2
#: Of so many examples one may have the same words under the same label.
_SHARE = 3
#: How much a sentence that is like those chosen before loses.
_DIVERSITY = 0.5
#: Sentences of more characters are no examples: each costs its length with every question.
_LONGEST = 160


def mix(*orders: Iterable[int]) -> list[int]:
    """One order out of several, taking from each in turn, each number once."""
    turns = chain.from_iterable(zip_longest(*orders))
    return list(dict.fromkeys(number for number in turns if number is not None))


def choose_examples(examples: Sequence[Example], order: Iterable[int], k: int, text: str) -> list[Example]:
    """At most k examples in an order of likeness, the most similar one last, so that it stands next to the question.

    Left out are repetitions, and all from sentences that the text in question contains: the answer itself might be among them.
    The same words come only so often under the same label, so that where annotators label them differently more than one of
    their labels is shown, in equal numbers.

    Args:
        examples: to choose from.
        order: numbers of them, the most similar first.
        k: how many.
        text: the text in question.
    """
    chosen: list[Example] = []
    seen: set[tuple[str, str]] = set()
    alike: Counter[tuple[str, str]] = Counter()
    most = max(1, k // _SHARE)
    for number in order:
        if len(chosen) == k:
            break
        example = examples[number]
        around = example.text[max(0, example.start - _SAME_AROUND) : example.end + _SAME_AROUND]
        kind = (example.words, example.label)
        if example.text in text or (around, example.label) in seen or alike[kind] == most:
            continue
        seen.add((around, example.label))
        alike[kind] += 1
        chosen.append(example)
    return chosen[::-1]


class SentenceExamples:
    """Whole labelled sentences to be shown before an extraction: near to the text in question and unlike each other.

    Args:
        records: labelled texts; long ones are left out.
        k: how many are shown.

    Examples:
        >>> choose = SentenceExamples(records, k=4)
        >>> len(choose("北约在叙利亚部署了雷达。"))
        4
    """

    def __init__(self, records: Iterable[Record], k: int = 4) -> None:
        unique = {record.text: record for record in records if 1 < len(record.text) <= _LONGEST}
        self.records = tuple(unique.values())
        self.k = k

    def __call__(self, text: str) -> list[Record]:
        """The k sentences for a text, the most similar one last."""
        if not self.records:
            return []
        near = self._vectors.similarities(text_features(text))
        allowed = np.array([record.text not in text and text not in record.text for record in self.records])
        return [self.records[number] for number in self._diverse(near, allowed)][::-1]

    def _diverse(self, near: Floats, allowed: np.ndarray) -> list[int]:
        """Maximal marginal relevance (Carbonell and Goldstein, 1998)."""
        closest = np.zeros(len(near))
        chosen: list[int] = []
        allowed = allowed.copy()
        while len(chosen) < self.k and allowed.any():
            best = int(np.where(allowed, near - _DIVERSITY * closest, -np.inf).argmax())
            chosen.append(best)
            allowed[best] = False
            closest = np.maximum(closest, self._vectors.similarities_to(best))
        return chosen

    @cached_property
    def _vectors(self) -> CharacterVectors:
        return CharacterVectors([text_features(record.text) for record in self.records])
