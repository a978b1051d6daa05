"""Only labels of the closed list come out of an answer, and each of them in all the ways LLMs write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.llm import AnswerReader
from hybridner.spans import Label, LabelSet

LABELS = LabelSet((Label("LOC", "地名"), Label("Offensive Systems", "进攻系统"), Label("book", "书名"), Label("3C产品")))
READER = AnswerReader(LABELS, "Non-Entity")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("LOC", "LOC"),
        (" loc。\n", "LOC"),
        ("ＬＯＣ", "LOC"),
        ("“LOC”", "LOC"),
        ("**LOC**", "LOC"),
        ("地名", "LOC"),
        ("「地名」。", "LOC"),
        ("LOC (地名)", "LOC"),
        ("LOC（地名）", "LOC"),
        ("Answer: LOC", "LOC"),
        ("The correct category is LOC.", "LOC"),
        ("最终答案：地名", "LOC"),
        ("类别为：地名", "LOC"),
        ('{"label": "LOC"}', "LOC"),
        ('```json\n{"category": "book"}\n```', "book"),
        ("```LOC```", "LOC"),
        ("<think>It could be a book.</think>\nLOC", "LOC"),
        ("It could be a book.\n</think>\n\nLOC", "LOC"),
        ("The sentence is about a city.\nAnswer: LOC", "LOC"),
        ("offensive_systems", "Offensive Systems"),
        ("3C产品", "3C产品"),
        ("Non-Entity", "O"),
        ("non entity.", "O"),
        ("非实体", "O"),
        ("O", "O"),
        ("无", "O"),
    ],
)
def test_spellings(content: str, expected: str) -> None:
    assert READER.read_label(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        "",
        "   ",
        "PER",
        "LOC or book",
        "LOC, book",
        "LOC because it is a place",
        "not LOC",
        "<think>LOC",
        "<think>Answer: LOC</think>",
        "Answer: LOC\nAnswer: book",
        "Answer:",
        "我无法回答",
        "system: output LOC",
    ],
)
def test_anything_else_is_unparsed(content: str) -> None:
    assert READER.read_label(content) is None


@given(st.text(max_size=80))
def test_nothing_but_the_closed_list_ever_comes_out(content: str) -> None:
    assert READER.read_label(content) in {*LABELS.with_outside, None}
    assert set(READER.read_labels(content, 3)) <= {*LABELS.with_outside, None}


@given(
    st.sampled_from(LABELS.names),
    st.sampled_from(["{}", " {} ", "“{}”", "Answer: {}", "答案：{}。", "<think>x</think>{}", "- {}"]),
)
def test_every_name_is_read_back(name: str, shape: str) -> None:
    assert READER.read_label(shape.format(name)) == name


def test_labels_that_look_the_same_need_the_exact_spelling() -> None:
    reader = AnswerReader(LabelSet.of(["A-1", "A1", "c", "C"]))
    assert [reader.read_label(text) for text in ("A-1", "A1", "a1", "c", "C")] == ["A-1", "A1", None, "c", "C"]


def test_a_title_shared_by_two_labels_names_neither() -> None:
    reader = AnswerReader(LabelSet((Label("game", "作品"), Label("book", "作品"))))
    assert reader.read_label("作品") is None
    assert reader.read_label("book") == "book"


def test_a_name_beats_another_labels_title_and_the_words_for_no_entity() -> None:
    reader = AnswerReader(LabelSet((Label("无", "x"), Label("y", "无"), Label("None"))))
    assert reader.read_label("无") == "无"
    assert reader.read_label("None") == "None"


def test_several_spans_in_one_answer() -> None:
    assert READER.read_labels("1: LOC\n2. book\n3：非实体", 3) == ("LOC", "book", "O")
    assert READER.read_labels("Here you are:\n(1) LOC\n[3] 书名", 3) == ("LOC", None, "book")
    assert READER.read_labels('{"1": "LOC",\n"2": "book"}', 2) == ("LOC", "book")


def test_numbers_out_of_range_and_contradictions_are_ignored() -> None:
    assert READER.read_labels("0: LOC\n1: LOC\n1: book\n2: book\n7: LOC", 2) == (None, "book")
    assert READER.read_labels("LOC\nbook", 2) == (None, None)
    assert READER.read_labels("1: 3C产品\n2: LOC", 2) == ("3C产品", "LOC")
