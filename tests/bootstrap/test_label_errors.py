"""Likely errors among labels, and silver labels of two prompts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.bootstrap.label_errors import JudgedLabels, LabelIssue, corrected, find_label_issues, mark_unsure, merge_unsure
from hybridner.bootstrap.silver import agreement, combine, read_silver, with_reviews, write_silver
from hybridner.ensemble import Ballot, Predictions
from hybridner.errors import DataError
from hybridner.spans import Record, Span, Unsure

LABELS = ("O", "A", "B")


def predictions(records: list[Record], candidates: list[tuple[int, int, int]], probs: list[list[float]]) -> Predictions:
    """One member's probabilities of the candidates (record, start, end)."""
    spans, p = np.array(candidates).reshape(-1, 3), np.array(probs).reshape(-1, len(LABELS))
    ballot = Ballot(spans, np.zeros((1, len(spans)), dtype=np.int64), np.log(p), p[None], 0)
    return Predictions(tuple(records), ballot, LABELS, ("spanner",), np.zeros(len(records), dtype=np.int64))


def test_a_flipped_label_a_missed_and_a_made_up_entity_are_found() -> None:
    """Of ten labels alike one is flipped, one entity missed and one made up; members know better."""
    records = [Record("甲乙丙丁", (Span(0, 2, "A"), Span(2, 4, "B"))) for _ in range(10)]
    candidates = [(n, *place) for n in range(10) for place in ((0, 2), (2, 4))]
    probs = [[0.1, 0.8, 0.1], [0.1, 0.1, 0.8]] * 10
    records[3] = Record("甲乙丙丁", (Span(0, 2, "B"), Span(2, 4, "B")))
    records[5] = Record("甲乙丙丁", (Span(0, 2, "A"),))
    records[7] = Record("甲乙丙丁", (Span(0, 2, "A"), Span(1, 3, "A"), Span(2, 4, "B")))
    candidates = sorted([*candidates, (7, 1, 3)])
    probs.insert(candidates.index((7, 1, 3)), [0.9, 0.05, 0.05])
    # Spans that nobody takes for entities, so that O has a threshold.
    candidates += [(9, 3, 4)]
    probs += [[0.7, 0.2, 0.1]]
    issues = find_label_issues(JudgedLabels.of(predictions(records, candidates, probs)))
    assert {(i.record, i.span, i.likely) for i in issues} == {
        (3, Span(0, 2, "B"), "A"),
        (5, Span(2, 4, "O"), "B"),
        (7, Span(1, 3, "A"), "O"),
    }
    assert [i.weight for i in issues] == sorted(i.weight for i in issues)
    assert all(i.weight < 0.5 for i in issues)
    better = corrected(records, issues)
    assert better[3].entities == better[5].entities == records[0].entities
    assert better[7].entities == records[0].entities
    assert better[0] == records[0]


def test_an_entity_that_no_member_took_into_account_is_as_good_as_none() -> None:
    records = [Record("甲乙", (Span(0, 2, "A"),))]
    judged = JudgedLabels.of(predictions(records, [(0, 0, 1)], [[0.8, 0.1, 0.1]]))
    assert judged.spans.tolist() == [[0, 0, 1], [0, 0, 2]]
    assert judged.given.tolist() == [0, 1]
    assert judged.given_probs[1] < 0.01
    assert judged.expected_errors(2).tolist() == pytest.approx([0.2 + 1 - judged.given_probs[1], 0.0])


def test_what_is_unsure_takes_in_the_entities_in_question() -> None:
    records = [Record("甲乙丙丁戊己", (Span(0, 3, "A"), Span(4, 6, "B")))]
    issues = [LabelIssue(0, Span(1, 4, "O"), "A", 0.2), LabelIssue(0, Span(0, 3, "A"), "O", 0.4)]
    assert mark_unsure(records, issues)[0].unsure == (Unsure(0, 4, 0.2),)
    assert mark_unsure(records, [])[0] == records[0]


regions = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6), st.sampled_from([0.0, 0.3, 0.7, 1.0])), max_size=8)


@given(regions)
def test_merged_regions_cover_the_same_and_never_overlap(drawn: list[tuple[int, int, float]]) -> None:
    doubts = [Unsure(start, start + length, weight) for start, length, weight in drawn]
    merged = merge_unsure(doubts)
    assert {i for d in merged for i in range(d.start, d.end)} == {i for d in doubts for i in range(d.start, d.end)}
    assert all(one.end <= two.start for one, two in pairwise(merged))
    for doubt in doubts:
        (home,) = [m for m in merged if m.start <= doubt.start and doubt.end <= m.end]
        assert home.weight <= doubt.weight


spans = st.lists(
    st.builds(lambda s, n, label: Span(s, min(s + n, 12), label), st.integers(0, 11), st.integers(1, 5), st.sampled_from("AB")),
    max_size=5,
)


@given(spans, spans)
def test_two_annotations_are_combined_without_overlap_and_differences_are_unsure(one: list[Span], two: list[Span]) -> None:
    record = combine("一二三四五六七八九十甲乙", one, two)
    assert all(a.end <= b.start for a, b in pairwise(record.entities))
    assert set(record.entities) <= {*one, *two}
    assert all(a.end <= b.start for a, b in pairwise(record.unsure))
    for span in record.entities:
        touched = [u for u in record.unsure if u.start < span.end and span.start < u.end]
        assert all(u.start <= span.start and span.end <= u.end for u in touched), "an entity is unsure as a whole or not at all"
        assert (span in one and span in two) or touched
    assert combine("一二三四五六七八九十甲乙", one, one).unsure == ()


def test_agreement_and_files(tmp_path: Path) -> None:
    first, second = [[Span(0, 2, "A")], [Span(0, 1, "B")]], [[Span(0, 2, "A")], [Span(0, 2, "B")]]
    found = agreement(first, second, unanswered=3)
    assert (found.sentences, found.unanswered, found.first, found.second, found.same) == (2, 3, 2, 2, 1)
    assert found.f1 == 0.5
    records = [combine(text, *pair) for text, *pair in zip(["甲乙丙", "丁戊己"], first, second, strict=True)]
    write_silver(records, tmp_path / "silver.jsonl")
    again = read_silver(tmp_path / "silver.jsonl")
    assert [(r.text, r.entities, r.unsure) for r in again] == [(r.text, r.entities, r.unsure) for r in records]
    assert records[1].unsure == (Unsure(0, 2, 0.5),)
    (tmp_path / "silver.jsonl").write_text('{"text": 1}', encoding="utf-8")
    with pytest.raises(DataError, match="delete it"):
        read_silver(tmp_path / "silver.jsonl")


def test_reviewed_sentences_stand_in_place_of_their_silver_ones() -> None:
    silver = [Record("甲乙", (Span(0, 1, "A"),), unsure=(Unsure(0, 1, 0.5),)), Record("丙丁")]
    gold = [Record("甲乙", (Span(0, 2, "B"),)), Record("戊己", (Span(0, 1, "A"),))]
    whole = with_reviews(silver, gold, 3)
    assert [r.text for r in whole].count("甲乙") == [r.text for r in whole].count("戊己") == 3
    assert [r.text for r in whole].count("丙丁") == 1
    assert all(r.entities == gold[0].entities and not r.unsure for r in whole if r.text == "甲乙")
