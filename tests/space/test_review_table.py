"""From a visitor's table to feedback that `hybridner learn` reads."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hybridner.data.feedback import Review, ReviewedEntity, read_feedback, write_feedback
from hybridner.llm import Provenance, VerifiedCandidate
from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.errors import VisitorError
from hybridner.space.label_display import LabelDisplay
from hybridner.space.review_table import review_from_rows, review_rows, translate_rows
from hybridner.space.texts import LANGUAGES, page_texts
from hybridner.spans import Label, LabelSet, Span
from tests.llm.scripted_server import candidate

LABELS = LabelSet((Label("LOC", "地点"), Label("PER", "人物"), Label("ORG", "机构")))
TEXT = "王明和王明的弟弟在北京大学"


def analyzed() -> AnalyzedText:
    """Two entities, and a candidate that is none."""
    return AnalyzedText.from_candidates(TEXT, [candidate(3, 5, "PER"), candidate(9, 11, "LOC"), candidate(5, 7, "O")], "flat")


def rows(language: str = "zh") -> list[list[Any]]:
    return review_rows(analyzed(), LabelDisplay(LABELS, page_texts(language)).name)


def reviewed(changed: list[list[Any]], complete: bool = False) -> Review:
    return review_from_rows(analyzed(), changed, LABELS, complete=complete)


def test_the_table_as_it_was_made_accepts_everything() -> None:
    assert rows() == [[1, "王明", "人物", True], [2, "北京", "地点", True]]
    assert rows("en") == [[1, "王明", "PER", True], [2, "北京", "LOC", True]]
    accepted = (ReviewedEntity(Span(3, 5, "PER"), "accepted"), ReviewedEntity(Span(9, 11, "LOC"), "accepted"))
    for language in LANGUAGES:
        assert reviewed(rows(language)) == Review(TEXT, accepted)


def test_corrections_deletions_and_additions(tmp_path: Path) -> None:
    person, place = rows()
    review = reviewed(
        [[*person[:3], False], [place[0], "北京大学", "机构", True], ["", "王明", "PER", True], [None, "", "", True]], True
    )
    assert review.entities == (
        ReviewedEntity(Span(3, 5, "PER"), "deleted"),
        ReviewedEntity(Span(9, 13, "ORG"), "corrected", Span(9, 11, "LOC")),
        ReviewedEntity(Span(0, 2, "PER"), "added"),  # where it is not in the table already
    )
    write_feedback([review], tmp_path / "feedback.jsonl")
    assert read_feedback(tmp_path / "feedback.jsonl", LABELS) == [review]
    assert review.complete


def test_another_language_renames_types_and_nothing_else() -> None:
    changed = [[1, "王明", "机构", False], [None, "弟弟", "亲属", True], [None, "", None, True]]
    english = translate_rows(changed, LABELS, LabelDisplay(LABELS, page_texts("en")).name)
    assert english == [[1, "王明", "ORG", False], *changed[1:]]
    assert translate_rows(english, LABELS, LabelDisplay(LABELS, page_texts("zh")).name) == changed


def test_rows_that_are_gone_were_not_reviewed_and_cells_may_be_text() -> None:
    assert reviewed([["2", " 北京 ", "LOC", "true"]]).entities == (ReviewedEntity(Span(9, 11, "LOC"), "accepted"),)
    assert reviewed([]).entities == ()


def test_what_the_llm_said_goes_along() -> None:
    local = candidate(9, 11, "LOC")
    asked = AnalyzedText(
        TEXT, (local,), (VerifiedCandidate(local, Provenance("LOC", 0.6, "asked", "local", "ORG")),), "flat", True
    )
    (entity,) = review_from_rows(asked, [[1, "北京", "LOC", True]], LABELS, complete=False).entities
    assert entity == ReviewedEntity(Span(9, 11, "LOC"), "accepted", None, "ORG")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([1, "张三", "PER", True], "review_word"),
        ([1, "", "PER", True], "review_word"),
        ([None, "弟弟", "亲属", True], "review_type"),
        ([2, "王明", "PER", True], "review_twice"),
    ],
)
def test_what_cannot_be_is_said_in_both_languages(row: list[Any], why: str) -> None:
    with pytest.raises(VisitorError) as raised:
        reviewed([rows()[0], row])
    assert raised.value.key == why
    for language in LANGUAGES:
        assert page_texts(language)(f"problems.{why}", **raised.value.values)


@pytest.mark.parametrize(
    "row", [[], [1], [None, None, None, None, None], ["x", "", 5, {}], [float("inf"), "", None, None], [[], [], [], []]]
)
def test_rows_of_any_shape_are_read(row: list[Any]) -> None:
    given = [rows()[0], row]
    assert len(translate_rows(given, LABELS, LabelDisplay(LABELS, page_texts("en")).name)) == 2
    with suppress(VisitorError):
        assert reviewed(given).entities[0].review == "accepted"
