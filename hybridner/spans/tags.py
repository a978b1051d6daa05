"""BIO tags as strings and as numbers, and their two-way translation to spans.

Tag numbers are fixed by the label's position k in the label set: O is 0, B-k is 1 + 2k and I-k is 2 + 2k.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hybridner.errors import DataError
from hybridner.spans.entity import Span

OUTSIDE = 0


def begin_tag(label: int) -> int:
    return 1 + 2 * label


def inside_tag(label: int) -> int:
    return 2 + 2 * label


def tag_names(labels: Sequence[str]) -> list[str]:
    """The name of each tag number.

    Args:
        labels: the K names.

    Examples:
        >>> tag_names(["PER", "LOC"])
        ['O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC']
    """
    return ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]


def spans_to_tags(spans: Iterable[Span], length: int, labels: Sequence[str]) -> list[int]:
    """Tag numbers of a text of `length` characters; of overlapping spans the longer one is kept (ties: the first).
    Tags are BIO (section 2.1.1): 0 is O, and label k from 0 has 2k + 1 for B and 2k + 2 for I.

    BIO cannot hold nested spans, so what is left out here is lost to a tagger.

    Args:
        spans: entities of a text.
        length: its characters.
        labels: the K names.

    Examples:
        >>> spans_to_tags([Span(0, 2, "LOC")], 4, ["PER", "LOC"])
        [3, 4, 0, 0]
    """
    number = {label: index for index, label in enumerate(labels)}
    tags = [OUTSIDE] * length
    for span in sorted(spans, key=lambda s: (s.start - s.end, s.start)):
        if any(tags[span.start : span.end]):
            continue
        label = number[span.label]
        tags[span.start : span.end] = [inside_tag(label)] * (span.end - span.start)
        tags[span.start] = begin_tag(label)
    return tags


def tags_to_spans(tags: Sequence[int], labels: Sequence[str]) -> list[Span]:
    """The entities of a legal BIO sequence (strict IOB2: an I that continues nothing is outside)."""
    return [Span(start, end, labels[label]) for start, end, label in numbered_spans(tags)]


def numbered_spans(tags: Sequence[int]) -> list[tuple[int, int, int]]:
    """As `tags_to_spans`, with the label's number (from 0) in place of its name."""
    spans: list[tuple[int, int, int]] = []
    start, label = -1, -1
    for position, tag in enumerate([*tags, OUTSIDE]):
        if start >= 0 and tag != inside_tag(label):
            spans.append((start, position, label))
            start = -1
        if tag % 2 == 1:
            start, label = position, tag // 2
    return spans


def parse_tag(tag: str, where: str = "") -> tuple[str, str]:
    """("B", "PER") from "B-PER"; ("O", "") from "O".

    Raises:
        DataError: the tag has no known prefix or no label.
    """
    if tag == "O":
        return "O", ""
    prefix, dash, label = tag.partition("-")
    if not dash or not label or prefix not in {"B", "I", "O", "E", "S", "M"}:
        raise DataError(f"unknown tag {tag!r}; expected O, or one of B- I- M- E- S- followed by a label", where)
    return prefix, label
