"""Only labels of the closed list come out of an answer, and each of them in all the ways LLMs write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.llm import AnswerReader
from hybridner.llm.extraction import read_extraction
from hybridner.spans import Label, LabelSet

LABELS = LabelSet((Label("LOC", "地名"), Label("Offensive Systems", "进攻系统"), Label("book", "书名"), Label("3C产品")))
READER = AnswerReader(LABELS, "Non-Entity")


#: The same label as models, servers and templates wrap it; {} stands for the label.
WRAPPED = [
    "{}<|im_end|>",
    "{}</s>",
    "{}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nbook",
    "{}<｜end▁of▁sentence｜>",
    "<|im_start|>assistant\n{}<|im_end|>",
    "<start_of_turn>model\n{}<end_of_turn>",
    "<thought>Perhaps a book.</thought>{}",
    "<seed:think>book? book!</seed:think>\n{}",
    "◁think▷book◁/think▷{}",
    "[THINK]book[/THINK]{}",
    "<|begin_of_thought|>book<|end_of_thought|><|begin_of_solution|>{}<|end_of_solution|>",
    "<think>a <think> b </think> book </think> {}",
    "<|channel|>analysis<|message|>Is it a book?<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
    "analysisIt may be a book.assistantfinal{}",
    '{{"label": "{}", "confidence": 0.93, "reason": "no book"}}',
    "{{'label': '{}', 'score': 1}}",
    '{{"span": "book", "result": {{"category": "{}"}}}}',
    'Here it is:\n```json\n{{"entity": "北京", "类别": "{}"}}\n```',
    '[{{"label": "{}"}}]',
    "\\boxed{{{}}}",
    "So it is no book.\n\\[\\boxed{{\\text{{{}}}}}\\]",
    "<answer>{}</answer>",
    "It is no book. <answer> {} </answer> Really.",
    "<answer>{}",
    "{}（一个城市）",
    "{} (a city)",
    "{}\n\n**Explanation**: it is a city.",
    "{}\n解释：这是一座城市的名字。",
    "Answer: {} (a city)",
]


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize(
    ("spelling", "label"), [("LOC", "LOC"), ("地名", "LOC"), ("进攻系统", "Offensive Systems"), ("進攻系統", "Offensive Systems")]
)
def test_what_models_put_around_it(wrapped: str, spelling: str, label: str) -> None:
    assert READER.read_label(wrapped.format(spelling)) == label


@pytest.mark.parametrize(
    "content",
    [
        "{a}\n{b}",
        "{a} ({b})",
        "{a} (not {b})",
        "{a}\n\nIt could also be {b}.",
        "\\boxed{{{a}}} or \\boxed{{{b}}}",
        "<answer>{a}</answer><answer>{b}</answer>",
        "<answer>{a}</answer> \\boxed{{{b}}}",
        '{{"label": "{a}", "category": "{b}"}}',
        '{{"label": ["{a}", "{b}"]}}',
        '["{a}", "{b}"]',
        "{a}<|sep|>{b}",
        "<answer>{a} or {b}</answer>",
        "\\boxed{{{a}, {b}}}",
        "<|channel|>final<|message|>{a}\n{b}<|return|>",
    ],
)
@given(st.permutations(["LOC", "書名", "3C产品", "Offensive Systems"]), st.sampled_from(["{}", " {} ", "**{}**"]))
def test_never_one_of_two(content: str, names: list[str], around: str) -> None:
    assert READER.read_label(around.format(content.format(a=names[0], b=names[1]))) is None


@pytest.mark.parametrize(
    "content",
    [
        '{"label": null}',
        '{"label": 3, "x": "LOC"}',
        "{}",
        '{"x": null}',
        "\\boxed{",
        "<|channel|>analysis<|message|>LOC",
        "<|im_end|>",
        "◁think▷LOC",
        "<answer></answer>",
        "(LOC",
        "LOC) x",
    ],
)
def test_half_an_answer_is_none(content: str) -> None:
    assert READER.read_label(content) in (None, "LOC" if content == "(LOC" else None)


_PIECES = [
    "<think>",
    "</think>",
    "◁think▷",
    "\\boxed{",
    "{",
    "}",
    "[",
    "(",
    "1",
    " ",
    "\n",
    ";",
    ":",
    "<answer>",
    "the ",
    "```",
    "<|channel|>",
    "LOC",
]


@pytest.mark.parametrize("piece", _PIECES)
def test_a_million_characters_are_read_in_one_pass(piece: str) -> None:
    # With a cost that grows with the square of the length this would take hours.
    content = "1" + piece * (1_000_000 // len(piece))
    for text in (content, content[::-1], content + "LOC"):
        assert READER.read_label(text) in (*LABELS.with_outside, None)
        assert len(READER.read_labels(text, 2)) == 2
        read_extraction("北京" * 50, text, READER)


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
    assert READER.read_labels('{"1": "LOC", "2": "書名"}', 2) == ("LOC", "book")
    assert READER.read_labels('{"1": "LOC", "2": null}', 2) == ("LOC", None)
    assert READER.read_labels('1: {"label": "LOC"}\n2: {"label": "book"}<|im_end|>', 2) == ("LOC", "book")


def test_numbers_out_of_range_and_contradictions_are_ignored() -> None:
    assert READER.read_labels("0: LOC\n1: LOC\n1: book\n2: book\n7: LOC", 2) == (None, "book")
    assert READER.read_labels("LOC\nbook", 2) == (None, None)
    assert READER.read_labels("1: 3C产品\n2: LOC", 2) == ("3C产品", "LOC")
