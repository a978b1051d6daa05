from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from hybridner.errors import DataError
from hybridner.spans import Span, checked_record
from hybridner.spans.tags import parse_tag, spans_to_tags, tag_names, tags_to_spans

LABELS = ("A", "B")


@st.composite
def flat_spans(draw: st.DrawFn) -> tuple[int, list[Span]]:
    length = draw(st.integers(1, 30))
    borders = sorted(draw(st.sets(st.integers(0, length), max_size=12)))
    pairs = list(zip(borders[::2], borders[1::2], strict=False))
    return length, [Span(start, end, draw(st.sampled_from(LABELS))) for start, end in pairs]


@given(flat_spans())
def test_flat_spans_survive_the_way_through_tags(example: tuple[int, list[Span]]) -> None:
    length, spans = example
    assert tags_to_spans(spans_to_tags(spans, length, LABELS), LABELS) == sorted(spans)


@given(flat_spans())
def test_tags_mean_what_they_mean_elsewhere(example: tuple[int, list[Span]]) -> None:
    length, spans = example
    names = tag_names(LABELS)
    tags = [names[tag] for tag in spans_to_tags(spans, length, LABELS)]
    assert [(label, start, end + 1) for label, start, end in get_entities(tags)] == [(s.label, s.start, s.end) for s in spans]


def test_of_overlapping_spans_the_longer_stays() -> None:
    spans = [Span(0, 2, "A"), Span(1, 5, "B"), Span(4, 6, "A")]
    assert tags_to_spans(spans_to_tags(spans, 6, LABELS), LABELS) == [Span(1, 5, "B")]


def test_an_inside_that_continues_nothing_is_outside() -> None:
    names = tag_names(LABELS)
    tags = [names.index(name) for name in ("I-A", "B-A", "I-B", "I-A", "O", "B-B", "I-B")]
    assert tags_to_spans(tags, LABELS) == [Span(1, 2, "A"), Span(5, 7, "B")]


@pytest.mark.parametrize("tag", ["B", "B-", "X-PER", "-PER", ""])
def test_a_tag_nobody_knows_is_said_with_its_place(tag: str) -> None:
    with pytest.raises(DataError, match="line 3: unknown tag"):
        parse_tag(tag, "train.txt, line 3")


@pytest.mark.parametrize(
    ("span", "problem"),
    [
        ((0, 0, "A"), "does not fit"),
        ((2, 1, "A"), "does not fit"),
        ((-1, 2, "A"), "does not fit"),
        ((0, 6, "A"), "5 characters"),
        ((0.0, 2, "A"), "whole numbers"),
        ((True, 2, "A"), "whole numbers"),
        ((0, 2, ""), "label"),
    ],
)
def test_bad_spans_are_refused_with_their_place(span: tuple[int, int, str], problem: str) -> None:
    with pytest.raises(DataError, match=f"data.jsonl, record 7, entity 1.*{problem}"):
        checked_record("五个字的句", [(0, 1, "A"), span], where="data.jsonl, record 7")
