"""The pure-LLM baseline: offsets recovered from what the LLM copied, and its boundary errors counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.llm import AnswerCache, AnswerReader, ExtractionErrors, Extractor, Prompter, PromptTemplate, count_errors, extract
from hybridner.llm.extraction import read_extraction
from hybridner.llm.prices import estimate_tokens
from hybridner.spans import Label, LabelSet, Span
from tests.llm.scripted_server import HANG, Reply, ScriptedServer, chat, problem, verifier

LABELS = LabelSet((Label("LOC", "地名"), Label("PER", "人名")))
READER = AnswerReader(LABELS)
TEXT = "张三在北京，李四也在北京。ＧＰＳ 导航"


@pytest.mark.parametrize(
    ("content", "spans"),
    [
        ("PER: 张三\nLOC: 北京", [(0, 2, "PER"), (3, 5, "LOC")]),
        ("- 人名：张三\n2. 地名：北京\n3. 地名：北京", [(0, 2, "PER"), (3, 5, "LOC"), (10, 12, "LOC")]),
        ("PER: 张三; 地名：北京；LOC: 北京；", [(0, 2, "PER"), (3, 5, "LOC"), (10, 12, "LOC")]),
        ("<think>PER: 李四</think>PER: 张三", [(0, 2, "PER")]),
        ("Non-Entity", []),
        ("非实体。", []),
        ("", []),
    ],
)
def test_spans_of_an_answer(content: str, spans: list[tuple[int, int, str]]) -> None:
    found = read_extraction(TEXT, content, READER)
    assert list(found.spans) == [Span(*span) for span in spans]
    assert (found.altered, found.unfound, found.unreadable) == (0, (), 0)


def test_what_was_not_copied_faithfully_is_found_or_counted() -> None:
    found = read_extraction(
        TEXT, "LOC: “北京，”\nLOC: gps导航\nPER: 王五\nLOC: 北京\nLOC: 北京\nLOC: 北京\nORG: 张三\nhello", READER
    )
    assert set(found.spans) == {Span(3, 5, "LOC"), Span(10, 12, "LOC"), Span(13, 19, "LOC")}
    assert found.altered == 2
    assert found.unfound == (("PER", "王五"), ("LOC", "北京"))
    assert found.unreadable == 2


def test_a_semicolon_may_be_part_of_an_entity() -> None:
    found = read_extraction("看《甲；乙》", "LOC: 甲；乙; PER: 看", READER)
    assert (found.spans, found.altered) == ((Span(0, 1, "PER"), Span(2, 5, "LOC")), 0)


def test_the_last_line_of_a_cut_answer_is_left_out() -> None:
    found = read_extraction(TEXT, "PER: 张三\nLOC: 北", READER, truncated=True)
    assert (found.spans, found.truncated) == ((Span(0, 2, "PER"),), True)


@given(st.text("张三北京 ：:\nPERLOCＧps“", max_size=40), st.text("张三北京 ＧＰs，", max_size=20))
def test_spans_always_lie_in_the_text(content: str, text: str) -> None:
    for span in read_extraction(text, content, READER).spans:
        assert 0 <= span.start < span.end <= len(text)
        assert span.label in LABELS.names


def test_errors_are_told_apart() -> None:
    gold = [Span(0, 4, "LOC"), Span(6, 8, "PER"), Span(10, 12, "LOC"), Span(20, 22, "LOC")]
    predicted = [
        Span(0, 4, "LOC"),  # correct
        Span(6, 8, "LOC"),  # type
        Span(10, 13, "LOC"),  # boundary
        Span(9, 11, "PER"),  # boundary and type
        Span(30, 31, "PER"),  # spurious
    ]
    assert count_errors([predicted, []], [gold, []]) == ExtractionErrors(1, 1, 1, 1, 1, missed=1)
    assert count_errors([gold], [gold]).to_dict() == ExtractionErrors(correct=4).to_dict()
    with pytest.raises(ValueError, match="zip"):
        count_errors([[]], [])


def test_over_http_with_the_same_cache_and_report(serve: Callable[[Any], ScriptedServer], tmp_path: Path) -> None:
    def script(body: dict[str, Any], _: int) -> Reply:
        asked = body["messages"][-1]["content"]
        return problem(400) if "坏" in asked else chat("LOC: 北京\nPER: 张三")

    server = serve(script)
    texts = ["张三在北京。", "坏的。", "张三不在。"]
    cache = AnswerCache(tmp_path / "c.sqlite")
    found, report = extract(texts, LABELS, verifier(server), cache=cache)
    assert found[0].spans == (Span(0, 2, "PER"), Span(3, 5, "LOC"))
    assert "HTTP 400" in str(found[1].error)
    assert found[2].unfound == (("LOC", "北京"),)
    assert (report.calls, report.failed, report.texts) == (2, 1, 3)
    assert "this run" in report.to_markdown()
    assert server.requests[0]["max_tokens"] == 128, "what a label may take is enough"
    again, report = extract(texts, LABELS, verifier(server), cache=AnswerCache(tmp_path / "c.sqlite", "replay"))
    assert (again[0], again[2], report.calls) == (found[0], found[2], 2)
    assert len(server.requests) == 3


def test_no_text_and_a_time_limit(serve: Callable[[Any], ScriptedServer]) -> None:
    server = serve(HANG)
    assert extract([], LABELS, verifier(server))[0] == []
    found, _ = extract(["北京"], LABELS, verifier(server), time_limit=0.3)
    assert "time limit of 0.3 s" in str(found[0].error)


def test_the_answer_may_be_as_long_as_the_text_asks_for(serve: Callable[[Any], ScriptedServer]) -> None:
    server = serve(chat("Non-Entity"))
    texts = ["张三在北京。" * times for times in (1, 20, 60)]
    with Extractor(verifier(server, concurrency=1), LABELS) as extractor:
        extractor.run(texts)
    limits = [request["max_tokens"] for request in server.requests]
    assert limits[0] == 128 < limits[1] < limits[2]
    # Every place of it an entity, and all of them listed.
    longest = Prompter(LABELS, PromptTemplate.load("en")).build_extraction(texts[2]).max_tokens
    listed = "\n".join(["LOC: 张三", "LOC: 北京"] * 60)
    assert longest is not None
    assert longest > estimate_tokens(listed)


def test_an_answer_that_was_cut_is_told_and_what_it_says_is_kept(serve: Callable[[Any], ScriptedServer]) -> None:
    server = serve(chat("PER: 张三\nLOC: 北", "length"))
    with Extractor(verifier(server), LABELS) as extractor:
        (found,) = extractor.run(["张三在北京。"])
    assert found.spans == (Span(0, 2, "PER"),)
    assert found.error == "the answer was cut at the token limit; the entities before the cut were read"
