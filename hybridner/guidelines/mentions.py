"""Words that are entities somewhere and not marked elsewhere: repeated mentions, contexts without marks, words seldom marked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scipy.stats import binom

from hybridner.guidelines.affixes import fold
from hybridner.spans import Record

#: Shortest and longest words that are looked for: single characters stand everywhere.
_SHORTEST, _LONGEST = 2, 20
#: Characters before a mention that may tell why it is not marked.
_CUE = (2, 3, 4, 5)
#: Occurrences that make a habit, and the share marked below which it is one.
_FEWEST = 5
_SELDOM = 0.15
#: Marked occurrences that make a rule of marking, and the share.
_OFTEN, _MOSTLY = 10, 0.7
#: A cue must be less probable than this without a habit, and a longer one keep so much of a shorter one's occurrences.
_CHANCE = 1e-4
_NEARLY = 0.9


@dataclass(frozen=True, slots=True)
class Mention:
    """An occurrence of words that carry a label somewhere.

    Attributes:
        words: as they stand in the text.
        label: the label that they carry most often.
        before: the characters before it, digits folded.
        is_marked: whether it is an entity here.
        is_first: whether it is the first in its document.
    """

    words: str
    label: str
    before: str
    is_marked: bool
    is_first: bool


@dataclass(frozen=True, slots=True)
class Share:
    """How often something is marked.

    Attributes:
        words: what.
        label: which label it would have.
        marked, unmarked: occurrences.
    """

    words: str
    label: str
    marked: int
    unmarked: int


def find_mentions(records: Sequence[Record]) -> list[Mention]:
    """Every occurrence of words that are an entity somewhere, outside of other entities, in the order of the texts."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        for span in record.entities:
            words = record.text[span.start : span.end]
            if _SHORTEST <= len(words) <= _LONGEST:
                labels[words][span.label] += 1
    usual = {words: counts.most_common(1)[0][0] for words, counts in labels.items()}
    seen: set[tuple[str, str]] = set()
    found = []
    for number, record in enumerate(records):
        document = record.group or f"record {number}"
        for start, words, is_marked in _occurrences(record, usual):
            key = (document, words)
            before = fold(record.text[max(0, start - 2 * _CUE[-1]) : start])
            found.append(Mention(words, usual[words], before, is_marked, key not in seen))
            seen.add(key)
    return found


def _occurrences(record: Record, words: dict[str, str]) -> Iterator[tuple[int, str, bool]]:
    """Entities as they are, and between them the longest known words from left to right."""
    text, position = record.text, 0
    for span in sorted(record.entities):
        yield from _unmarked(text, position, span.start, words)
        found = text[span.start : span.end]
        if found in words:
            yield span.start, found, True
        position = max(position, span.end)
    yield from _unmarked(text, position, len(text), words)


def _unmarked(text: str, start: int, end: int, words: dict[str, str]) -> Iterator[tuple[int, str, bool]]:
    while start < end:
        sizes = range(min(_LONGEST, end - start), _SHORTEST - 1, -1)
        size = next((size for size in sizes if text[start : start + size] in words), None)
        if size is not None and not _inside_word(text, start, start + size):
            yield start, text[start : start + size], False
        start += size or 1


def _inside_word(text: str, start: int, end: int) -> bool:
    """Whether Latin letters or digits go on at a border: the words are then only a part of others."""

    def is_latin(character: str) -> bool:
        return character.isascii() and character.isalnum()

    return (start > 0 and is_latin(text[start - 1]) and is_latin(text[start])) or (
        end < len(text) and is_latin(text[end - 1]) and is_latin(text[end])
    )


def repeated(mentions: Sequence[Mention]) -> tuple[int, int]:
    """(marked, unmarked) of later mentions in a document whose first one is marked."""
    later = Counter(mention.is_marked for mention in mentions if not mention.is_first)
    return later[True], later[False]


def seldom_marked(mentions: Sequence[Mention]) -> list[Share]:
    """Words that are left unmarked far more often than not at their first mention, the commonest first."""
    marked, unmarked = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for mention in mentions:
        if mention.is_first:
            (marked if mention.is_marked else unmarked)[mention.words, mention.label] += 1
    shares = [Share(*key, marked[key], count) for key, count in unmarked.items()]
    return [share for share in sorted(shares, key=lambda s: (-s.unmarked, s.words)) if _is_seldom(share)]


def usually_marked(mentions: Sequence[Mention]) -> list[Share]:
    """Words, with numbers folded, that are marked nearly wherever they come first in a document, the commonest first."""
    marked, unmarked = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for mention in mentions:
        if mention.is_first:
            (marked if mention.is_marked else unmarked)[fold(mention.words), mention.label] += 1
    shares = [Share(*key, count, unmarked[key]) for key, count in marked.items() if count >= _OFTEN]
    return [s for s in sorted(shares, key=lambda s: (-s.marked, s.words)) if s.marked >= _MOSTLY * (s.marked + s.unmarked)]


def unmarked_cues(mentions: Sequence[Mention]) -> list[Share]:
    """Strings after which words that are entities elsewhere are not marked, the commonest first.

    Only those count that could hardly come about by chance, given how often such words are left unmarked anyway.
    """
    marked, unmarked = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    words: dict[tuple[str, str], set[str]] = defaultdict(set)
    first = [mention for mention in mentions if mention.is_first]
    base: dict[str, float] = {}
    for label in {mention.label for mention in first}:
        mine = [not mention.is_marked for mention in first if mention.label == label]
        base[label] = sum(mine) / len(mine)
    for mention in first:
        for size in _CUE:
            if len(mention.before) >= size:
                key = (mention.before[-size:], mention.label)
                (marked if mention.is_marked else unmarked)[key] += 1
                words[key].add(mention.words)
    shares = [
        Share(*key, marked[key], count)
        for key, count in unmarked.items()
        if len(words[key]) > 2 and _by_chance(count, count + marked[key], base[key[1]]) < _CHANCE
    ]
    return _most_telling([share for share in shares if _is_seldom(share)])


def _by_chance(unmarked: int, total: int, base: float) -> float:
    return float(binom.sf(unmarked - 1, total, base))


def _most_telling(shares: Sequence[Share]) -> list[Share]:
    """Of strings that end alike one each: the longest that still has nearly all the occurrences."""
    found: list[Share] = []
    for share in sorted(shares, key=lambda s: (-s.unmarked, len(s.words), s.words)):
        same = [n for n, other in enumerate(found) if share.label == other.label and share.words.endswith(other.words)]
        if not same:
            found.append(share)
        elif share.unmarked >= _NEARLY * found[same[0]].unmarked:
            found[same[0]] = share
    return found


def _is_seldom(share: Share) -> bool:
    total = share.marked + share.unmarked
    return total >= _FEWEST and share.marked <= _SELDOM * total
