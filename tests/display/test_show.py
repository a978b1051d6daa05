"""`hybridner.show` and the marks that it draws."""

from __future__ import annotations

import copy
import json
import pickle
import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybridner
from hybridner.display import Mark, escape, label_styles, mark_text
from hybridner.display.brackets import bracket
from hybridner.errors import DataError
from hybridner.spans import Label, LabelSet, Record, Span
from hybridner.spans.resolve import best_nested

TEXT = "北京大学的王明在上海"
ENTITIES: list[dict[str, Any]] = [
    {"entity_group": "ORG", "word": "北京大学", "start": 0, "end": 4, "uncertainty": 0.1, "needs_review": False},
    {"entity_group": "LOC", "word": "北京", "start": 0, "end": 2, "uncertainty": 0.6, "needs_review": True},
    {"entity_group": "PER", "word": "王明", "start": 5, "end": 7, "uncertainty": 0.2, "needs_review": False},
]


class Reader(HTMLParser):
    """Reads the text back, with the characters under each mark; complains about tags that do not match."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.open: list[tuple[str, dict[str, str | None], int]] = []
        self.marks: list[tuple[int, int, str | None]] = []
        self.feed(re.sub("<style>.*?</style>", "", source, flags=re.DOTALL))
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append((tag, dict(attrs), len(self.text)))

    def handle_endtag(self, tag: str) -> None:
        opened, attributes, start = self.open.pop()
        assert opened == tag
        if tag == "mark":
            self.marks.append((start, len(self.text), attributes["data-tag"]))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_the_text_stands_there_once_and_every_mark_has_its_characters(data: st.DataObject) -> None:
    text = data.draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
    border = st.integers(0, len(text))
    span = st.tuples(border, border).map(sorted).filter(lambda pair: pair[0] < pair[1]).map(tuple)
    spans = sorted(data.draw(st.sets(span, max_size=8)))
    nested = [spans[i] for i in best_nested(spans, [1.0] * len(spans))]
    reader = Reader(mark_text(text, [Mark(*pair, "T") for pair in nested]))
    assert reader.text == text
    assert sorted((start, end) for start, end, _ in reader.marks) == sorted(nested)


def test_a_console_shows_the_text_with_its_entities_in_brackets() -> None:
    shown = hybridner.show(ENTITIES, TEXT)
    assert repr(shown) == "[[北京 LOC]大学 ORG]的[王明 PER]在上海"
    assert repr(hybridner.show([Record("<b>", (Span(0, 1, "A"), Span(1, 2, "B")))])) == "[< A][b B]>"
    titled = LabelSet((Label("ORG", "机构"), Label("LOC", "地点"), Label("PER", "人物")))
    assert repr(hybridner.show(ENTITIES, TEXT, labels=titled, editable=True)) == "[[北京 地点]大学 机构]的[王明 人物]在上海"


def test_what_a_console_shows_stays_short() -> None:
    many = [Record(f"{number}号北约", (Span(len(f"{number}号"), len(f"{number}号") + 2, "A"),)) for number in range(1000)]
    lines = repr(hybridner.show(many)).splitlines()
    assert lines[1] == "1号[北约 A]"
    assert lines[-1] == "… and 980 more texts"
    long = Record("北约。" * 4000, (Span(0, 2, "A"), Span(299, 301, "B"), Span(6000, 6002, "A")))
    assert repr(hybridner.show(long)) == "[北约 A]。" + "北约。" * 99 + "… (12,000 characters, 3 entities)"


def test_a_copy_shows_the_same() -> None:
    shown = hybridner.show(ENTITIES, TEXT)
    for copied in (copy.copy(shown), pickle.loads(pickle.dumps(shown))):
        assert (str(copied), repr(copied)) == (str(shown), repr(shown))


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_brackets_change_nothing_of_the_text(data: st.DataObject) -> None:
    text = data.draw(st.text("甲乙丙", min_size=1, max_size=12))
    border = st.integers(0, len(text))
    span = st.tuples(border, border, st.just("T")).filter(lambda span: span[0] < span[1])
    spans = data.draw(st.lists(span, max_size=6))
    shown = bracket(text, spans)
    assert shown.replace("[", "").replace(" T]", "") == text
    assert shown.count("[") == shown.count("]") == len(spans)


def test_what_looks_like_html_or_a_template_stays_text() -> None:
    text = "<img src=x onerror=alert(1)> ${alert(2)} {{alert(3)}} `x` \"'&amp;"
    source = mark_text(text, [Mark(0, 5, text, "--se-hue:#fff", text)])
    assert Reader(source).text == text
    assert Reader(source).marks == [(0, 5, text)]
    for sign in ("<img", "${", "{{", "`"):
        assert sign not in source
    assert escape('"') == "&quot;"


@pytest.mark.parametrize("spans", [[(0, 3), (2, 4)], [(0, 5)], [(2, 2)], [(-1, 2)]])
def test_crossing_and_impossible_marks_are_refused(spans: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=r"crosses|no span"):
        mark_text("四个字符", [Mark(*span, "T") for span in spans])


@pytest.mark.parametrize(
    "given",
    [
        pytest.param((ENTITIES, TEXT), id="entities and text"),
        pytest.param(({"text": TEXT, "entities": ENTITIES},), id="a line of predict --json"),
        pytest.param(([{"text": TEXT, "entities": ENTITIES}],), id="several texts"),
        pytest.param((Record(TEXT, tuple(Span(e["start"], e["end"], e["entity_group"]) for e in ENTITIES)),), id="a record"),
    ],
)
def test_entities_are_shown_in_their_text(given: tuple[Any, ...]) -> None:
    html = hybridner.show(*given)
    assert html._repr_html_() == html
    reader = Reader(html)
    assert reader.text == TEXT
    assert sorted(reader.marks) == [(0, 2, "LOC"), (0, 4, "ORG"), (5, 7, "PER")]


def test_without_the_text_the_words_are_shown_with_gaps() -> None:
    reader = Reader(hybridner.show(ENTITIES))
    assert reader.text == "北京大学…王明…"
    assert sorted(reader.marks) == [(0, 2, "LOC"), (0, 4, "ORG"), (5, 7, "PER")]


def test_titles_colors_and_doubt_come_from_labels_and_entities() -> None:
    labels = LabelSet((Label("LOC", "地点"), Label("ORG", "机构"), Label("PER", "人物")))
    html = hybridner.show(ENTITIES, TEXT, labels=labels)
    assert {tag for *_, tag in Reader(html).marks} == {"地点", "机构", "人物"}
    assert f'se-check se-short" style="{label_styles(labels.names)["LOC"]}' in html
    assert "u = 0.60" in html


def test_an_entity_that_crosses_another_is_shown_below() -> None:
    crossing = [{"label": "A", "start": 0, "end": 4}, {"label": "B", "start": 2, "end": 6}]
    html = hybridner.show(crossing, TEXT)
    assert Reader(html).text == TEXT + TEXT[2:6]
    assert html.count("<mark") == 2


def test_the_editor_is_given_what_was_found_and_no_text_ends_its_script() -> None:
    text = "</script><script>alert(1)</script>北京"
    html = hybridner.show([{"label": "LOC", "start": len(text) - 2, "end": len(text)}], text, editable=True)
    (source,) = re.findall(r'srcdoc="([^"]*)"', html)
    document = unescape(source)
    (given,) = re.findall(r'id="given">(.*?)</script>', document)
    assert json.loads(given)["text"] == text
    assert "alert(1)</script>北京" not in document


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (([{"label": "A", "start": 0, "end": 99}], TEXT), "no span of a text"),
        (([{"label": "A", "start": 0}], TEXT), "needs `start`"),
        (([{"label": "A", "start": 0, "end": 2}],), "call show"),
    ],
)
def test_impossible_entities_are_told(given: tuple[Any, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        hybridner.show(*given)


def test_one_text_is_edited_at_a_time() -> None:
    items = [{"text": TEXT, "entities": ENTITIES}] * 2
    with pytest.raises(DataError, match="one text"):
        hybridner.show(items, editable=True)


@pytest.mark.parametrize("count", [1, 13, 40])
def test_neighbors_have_different_colors(count: int) -> None:
    styles = list(label_styles([str(number) for number in range(count)]).values())
    assert all(first != second for first, second in pairwise(styles))
