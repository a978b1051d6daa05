"""Marks in the text: nested and crossing spans, escaping, colors that can be read."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner.space.colors import label_colors
from hybridner.space.fragments import escape
from hybridner.space.marked_text import Hint, Mark, mark_text
from hybridner.spans.resolve import best_nested
from tests.support.contrast import contrast


class Reader(HTMLParser):
    """Reads the text back, with the characters under each mark and hint; complains about tags that do not match."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.open: list[tuple[str, dict[str, str | None], int]] = []
        self.marks: list[tuple[int, int, str | None]] = []
        self.hinted: set[int] = set()
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append((tag, dict(attrs), len(self.text)))

    def handle_endtag(self, tag: str) -> None:
        opened, attributes, start = self.open.pop()
        assert opened == tag
        if tag == "mark":
            self.marks.append((start, len(self.text), attributes["data-tag"]))
        else:
            self.hinted.update(range(start, len(self.text)))

    def handle_data(self, data: str) -> None:
        self.text += data


def mark(start: int, end: int, tag: str = "T") -> Mark:
    return Mark(start, end, tag, "--hl:#fff", "tip")


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_the_text_stands_there_once_and_every_mark_has_its_characters(data: st.DataObject) -> None:
    text = data.draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
    border = st.integers(0, len(text))
    span = st.tuples(border, border).map(sorted).filter(lambda pair: pair[0] < pair[1]).map(tuple)
    spans = sorted(data.draw(st.sets(span, max_size=8)))
    nested = [spans[i] for i in best_nested(spans, [1.0] * len(spans))]
    hints = data.draw(st.lists(span, max_size=4))

    reader = Reader(mark_text(text, [mark(*pair) for pair in nested], [Hint(*pair, "hint") for pair in hints]))

    assert reader.text == text
    assert sorted((start, end) for start, end, _ in reader.marks) == sorted(nested)
    assert reader.hinted == {at for start, end in hints for at in range(start, end)}


def test_nested_marks_lie_in_each_other() -> None:
    source = mark_text("北京大学", [mark(0, 2, "地点"), mark(0, 4, "机构")])
    assert source.index('data-tag="机构"') < source.index('data-tag="地点"')
    assert Reader(source).marks == [(0, 2, "地点"), (0, 4, "机构")]


def test_only_short_marks_are_kept_on_one_line() -> None:
    def short(text: str, *marks: Mark) -> list[bool]:
        return ["hn-short" in piece.split(">")[0] for piece in mark_text(text, marks).split("<mark")[1:]]

    text = "一二三四五六七八九十" * 2
    assert short(text, mark(0, 10, "类型"), mark(10, 20, "Global Navigation Satellite System")) == [True, False]
    assert short(text, mark(0, 20, "类型")) == [False]
    # The tags of those inside take room as well.
    assert short(text, mark(0, 4, "外"), mark(1, 2, "内")) == [False, True]


def test_what_looks_like_html_or_a_template_stays_text() -> None:
    text = "<img src=x onerror=alert(1)> ${alert(2)} {{alert(3)}} `x` \"'&amp;"
    source = mark_text(text, [Mark(0, 5, text, "--hl:#fff", text)])
    assert Reader(source).text == text
    assert Reader(source).marks == [(0, 5, text)]
    for sign in ("<img", "${", "{{", "`"):
        assert sign not in source
    assert escape('"') == "&quot;"


@pytest.mark.parametrize("marks", [[mark(0, 3), mark(2, 4)], [mark(0, 5)], [mark(2, 2)], [mark(-1, 2)]])
def test_crossing_and_impossible_marks_are_refused(marks: list[Mark]) -> None:
    with pytest.raises(ValueError, match=r"crosses|no span"):
        mark_text("四个字符", marks)


@pytest.mark.parametrize("count", [1, 13, 40])
def test_colors_differ_and_can_be_read_on_both_grounds(count: int) -> None:
    colors = label_colors([str(number) for number in range(count)])
    assert len({color.light for color in colors.values()}) == count
    style_sheet = resources.files("hybridner.space").joinpath("assets/page.css").read_text(encoding="utf-8")
    ink, ink_on_dark = re.findall(r"--hn-ink: (#\w+)", style_sheet)
    for color in colors.values():
        assert contrast(ink, color.light) >= 7
        assert contrast(ink_on_dark, color.dark) >= 4.5
        assert color.light in color.style
        assert color.dark in color.style


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
