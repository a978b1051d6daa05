"""What an LLM wrote about the entities of a whole text (the paper's section 3.4): offsets recovered, errors counted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from hybridner.llm.answer_text import plain_answer
from hybridner.llm.answers import AnswerReader
from hybridner.spans import NON_ENTITY, Record, Span

SentenceFinder = Callable[[str], Sequence[Record]]
"""Finds labelled sentences like a text, to be shown to the LLM before it."""

CUT = "the answer was cut at the token limit; the entities before the cut were read"
_LIST_MARK = re.compile(r"[-*•]|\d{1,3}[.)、]")
_AROUND = "“”\"'‘’「」『』《》`,，。.;；、!！?？ \t"


@dataclass(frozen=True, slots=True)
class Extraction:
    """What the LLM found in one text.

    Attributes:
        spans: entities with recovered offsets, sorted; flat or overlapping as the LLM gave them.
        altered: entities found only after quotes and punctuation around them, spaces or character width were ignored.
        unfound: (label, words) whose words are not in the text (any more): invented, rewritten or listed too often.
        unreadable: lines of the answer that are no "category: entity".
        truncated: whether the answer was cut at the token limit; its last line is left out then.
        error: why there is no answer, about the whole text or a part of it; a cut answer is one about a part.

    Examples:
        >>> Extraction((Span(0, 2, "State"),), unfound=(("Place", "莫斯科"),)).unfound
        (('Place', '莫斯科'),)
    """

    spans: tuple[Span, ...] = ()
    altered: int = 0
    unfound: tuple[tuple[str, str], ...] = ()
    unreadable: int = 0
    truncated: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ExtractionErrors:
    """How predicted entities differ from gold; each prediction is counted once, in the first kind that fits.

    Attributes:
        correct: same characters, same label.
        type: same characters, another label.
        boundary: overlaps a gold entity of the same label, but begins or ends elsewhere.
        boundary_and_type: overlaps gold entities of other labels only.
        spurious: overlaps none.
        missed: gold entities that no prediction overlaps.

    Examples:
        >>> count_errors([[Span(0, 3, "State")]], [[Span(0, 2, "State"), Span(6, 9, "System")]]).to_dict()
        {'correct': 0, 'type': 0, 'boundary': 1, 'boundary_and_type': 0, 'spurious': 0, 'missed': 1}
    """

    correct: int = 0
    type: int = 0
    boundary: int = 0
    boundary_and_type: int = 0
    spurious: int = 0
    missed: int = 0

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


def join_extractions(parts: Sequence[tuple[int, Extraction]]) -> Extraction:
    """What was found in a text from what was found in its pieces, each with the offset at which it begins."""
    spans = sorted(Span(start + s.start, start + s.end, s.label) for start, part in parts for s in part.spans)
    errors = dict.fromkeys(part.error for _, part in parts if part.error)
    return Extraction(
        tuple(spans),
        sum(part.altered for _, part in parts),
        tuple(pair for _, part in parts for pair in part.unfound),
        sum(part.unreadable for _, part in parts),
        any(part.truncated for _, part in parts),
        "; ".join(errors) or None,
    )


def read_extraction(text: str, content: str, reader: AnswerReader, *, truncated: bool = False) -> Extraction:
    """Recover spans from lines of "category: entity"; several in one line, divided by semicolons, count as several.

    The k-th line with the same words is their k-th occurrence in the text. Words that are not in the text as they stand are
    looked for once more without what surrounds them and without regard to spaces, case and width.
    """
    lines = [part for line in plain_answer(content).splitlines() for part in _entries(line, reader)]
    if truncated:
        lines = lines[:-1]
    error = CUT if truncated else None
    if len(lines) == 1 and reader.read_label(lines[0]) == NON_ENTITY:
        return Extraction(truncated=truncated, error=error)
    folded = _FoldedText.of(text)
    spans: set[Span] = set()
    used: dict[str, int] = {}
    unfound: list[tuple[str, str]] = []
    altered = unreadable = 0
    for line in lines:
        category, words = _split_entry(line)
        label = reader.read_label(category) if words else None
        if label is None or label == NON_ENTITY:
            unreadable += 1
            continue
        place, exact = _next_place(folded, words, used)
        if place is None:
            unfound.append((label, words))
            continue
        altered += not exact
        spans.add(Span(*place, label))
    return Extraction(tuple(sorted(spans)), altered, tuple(unfound), unreadable, truncated, error)


def _entries(line: str, reader: AnswerReader) -> list[str]:
    """A line, cut at the semicolons behind which a category and a colon follow: those within an entity stay."""
    entries: list[list[str]] = []
    for part in re.split("(?<=[;；])", line):
        category, words = _split_entry(part)
        if entries and not (words and reader.read_label(category)):
            entries[-1].append(part)
        else:
            entries.append([part])
    return [bare for entry in entries if (bare := "".join(entry).strip(" \t;；"))]


def _split_entry(line: str) -> tuple[str, str]:
    """Category and entity of a line: perhaps a list mark, the category, a colon, the entity."""
    line = line.strip()
    mark = _LIST_MARK.match(line)
    category, *words = re.split("[:：]", line[mark.end() if mark else 0 :], maxsplit=1)
    return category.strip(), words[0].strip() if words else ""


@dataclass(frozen=True)
class _FoldedText:
    """The text without spaces, in one case and width, and for each character left its offset in the original."""

    text: str
    folded: str
    offsets: list[int]

    @classmethod
    def of(cls, text: str) -> _FoldedText:
        folded, offsets = _fold(text)
        return cls(text, folded, offsets)


def _next_place(text: _FoldedText, words: str, used: dict[str, int]) -> tuple[tuple[int, int] | None, bool]:
    """The first occurrence after those already used for the same words, and whether it is an exact one."""
    start = text.text.find(words, used.get(words, 0))
    if start >= 0:
        used[words] = start + len(words)
        return (start, start + len(words)), True
    wanted = _fold(words.strip(_AROUND))[0]
    # The key cannot be words of the text: those were looked for above.
    key = f"\0{wanted}"
    start = text.folded.find(wanted, used.get(key, 0)) if wanted else -1
    if start < 0 or words in used:
        return None, False
    used[key] = start + len(wanted)
    return (text.offsets[start], text.offsets[start + len(wanted) - 1] + 1), False


def _fold(text: str) -> tuple[str, list[int]]:
    kept = [
        (folded, offset)
        for offset, character in enumerate(text)
        for folded in unicodedata.normalize("NFKC", character).casefold()
        if not folded.isspace()
    ]
    return "".join(folded for folded, _ in kept), [offset for _, offset in kept]


def count_errors(predicted: Iterable[Sequence[Span]], gold: Iterable[Sequence[Span]]) -> ExtractionErrors:
    """Compare the predictions of each text with its gold entities.

    Args:
        predicted: predicted spans of each text.
        gold: gold spans of each text.

    Raises:
        ValueError: not as many texts in one as in the other.

    Examples:
        >>> errors = count_errors([[Span(0, 3, "State"), Span(6, 9, "Place")]], [[Span(0, 3, "State"), Span(6, 9, "System")]])
        >>> errors.correct, errors.type
        (1, 1)
    """
    counts: dict[str, int] = dict.fromkeys(ExtractionErrors.__dataclass_fields__, 0)
    for ours, theirs in zip(predicted, gold, strict=True):
        for span in ours:
            counts[_kind_of_error(span, theirs)] += 1
        counts["missed"] += sum(not any(_overlap(span, other) for other in ours) for span in theirs)
    return ExtractionErrors(**counts)


def _kind_of_error(span: Span, gold: Sequence[Span]) -> str:
    if span in gold:
        return "correct"
    near = [other for other in gold if _overlap(span, other)]
    if any((other.start, other.end) == (span.start, span.end) for other in near):
        return "type"
    if any(other.label == span.label for other in near):
        return "boundary"
    return "boundary_and_type" if near else "spurious"


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end
