"""The spans editor in headless Chromium, by real events of mouse, keys and fingers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hybridner.display import editor_assets, label_styles
from tests.support.browser import Page, needs_browser
from tests.support.contrast import contrast

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_browser

#: An emoji counts as one character here, and as two in JavaScript.
TEXT = "🛰2023年，俄罗斯在叙利亚部署了克拉苏哈干扰机，北京大学的王明在场。"
TYPES = ("国家", "地点", "装备", "人物")


def span(word: str, label: str | None, level: str = "sure", text: str = TEXT) -> dict[str, Any]:
    start = text.index(word)
    return {"start": start, "end": start + len(word), "label": label, "level": level}


FOUND = [span("俄罗斯", "国家"), span("叙利亚", "国家", "check"), span("北京大学", "地点", "check"), span("王明", None, "check")]


#: Ink and ground of each mark, as #rrggbb.
COLORS = """
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const hex = (color) => {
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  return '#' + parts.map((part) => part.toString(16).padStart(2, '0')).join('');
};
return [...document.querySelectorAll('.se-text mark')].map(getComputedStyle).map((s) => [hex(s.color), hex(s.backgroundColor)]);
"""


class Editor(Page):
    """The editor on a page of its own."""

    def load(self, text: str = TEXT, found: list[dict[str, Any]] = FOUND, touched: tuple[dict[str, Any], ...] = ()) -> None:
        styles = label_styles(TYPES)
        types = [{"name": name, "title": name, "style": styles[name]} for name in TYPES]
        self.run("window.editor.load(arguments[0])", {"text": text, "found": found, "touched": list(touched), "types": types})

    @property
    def touched(self) -> list[tuple[Any, ...]]:
        """(word, label, review, what it was) of all that was judged, in text order."""
        script = (
            "return editor.touched.map(e => [e.start, editor.slice(e.start, e.end), e.label, e.review,"
            "  e.was ? [editor.slice(e.was.start, e.was.end), e.was.label] : null]).sort((a, b) => a[0] - b[0])"
        )
        return [(word, label, review, was and tuple(was)) for _, word, label, review, was in self.run(script)]

    @property
    def marks(self) -> list[str]:
        return self.texts(".se-text mark:not(.se-none)")

    def focus(self) -> None:
        self.run("document.querySelector('.se-text').focus({focusVisible: false})")

    def select_text(self, word: str) -> None:
        """With the mouse, from left to right."""
        at = TEXT.index(word)
        left, _, top = self.character(".se-text", at)
        _, right, bottom = self.character(".se-text", at + len(word) - 1)
        self.drag((left + 1, top), ((left + right) / 2, (top + bottom) / 2), (right - 1, bottom))

    def click_mark(self, word: str) -> None:
        left, right, middle = self.character(".se-text", TEXT.index(word))
        self.drag(((left + right) / 2, middle))

    def drag_edge(self, edge: str, at: int) -> None:
        """Of the selected mark, to the left edge of a character."""
        self.mouse("mousePressed", *self.middle(f".se-edge[data-edge={edge}]"))
        left, _, middle = self.character(".se-text", at)
        for x in (left + 8, left + 1):
            self.mouse("mouseMoved", x, middle)
        self.mouse("mouseReleased", left + 1, middle)

    def choose(self, label: str) -> None:
        self.drag(self.middle(f".se-menu [data-label='{label}']"))


@pytest.fixture(scope="module")
def page_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> str:
    script, style = editor_assets()
    path: Path = tmp_path_factory.mktemp("editor") / "editor.html"
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{style}</style>'
        f'<div id="host" style="margin:20px"></div><button id="after">x</button><script>{script}</script>'
        "<script>window.changes = 0; window.editor = new SpansEditor(document.getElementById('host'),"
        " {onChange: () => { window.changes += 1; }});</script>",
        encoding="utf-8",
    )
    return path.as_uri()


@pytest.fixture
def editor(browser: Chrome, page_of_its_own: str) -> Iterator[Editor]:
    browser.get(page_of_its_own)
    page = Editor(browser)
    page.complaints()
    page.load()
    yield page
    assert page.text(".se-text") in ("", TEXT), "the text stands there once, whatever happens"
    assert page.complaints() == []


def test_what_was_found_is_marked_and_nothing_counts_as_accepted(editor: Editor) -> None:
    assert editor.marks == ["俄罗斯", "叙利亚", "北京大学"]
    assert editor.texts("mark.se-none") == ["王明"]
    assert editor.texts("mark.se-check") == ["叙利亚", "北京大学", "王明"]
    assert editor.touched == []


def test_selecting_characters_adds_an_entity(editor: Editor) -> None:
    editor.select_text("克拉苏哈干扰机")
    assert editor.is_shown(".se-menu")
    editor.choose("装备")
    assert editor.touched == [("克拉苏哈干扰机", "装备", "added", None)]
    assert not editor.is_shown(".se-menu")


def test_a_click_retypes_and_deletes(editor: Editor) -> None:
    editor.click_mark("叙利亚")
    editor.choose("地点")
    editor.click_mark("俄罗斯")
    editor.drag(editor.middle(".se-menu .se-remove"))
    assert editor.touched == [("俄罗斯", "国家", "deleted", None), ("叙利亚", "地点", "corrected", ("叙利亚", "国家"))]
    assert editor.marks == ["叙利亚", "北京大学"]
    editor.click_mark("叙利亚")
    editor.choose("国家")
    assert ("叙利亚", "国家", "accepted", None) in editor.touched, "back to what the model had found"


def test_edges_are_dragged_by_the_mouse(editor: Editor) -> None:
    editor.click_mark("北京大学")
    editor.drag_edge("end", TEXT.index("大学"))
    assert editor.touched == [("北京", "地点", "corrected", ("北京大学", "地点"))]
    editor.drag_edge("end", TEXT.index("王明"))
    assert editor.touched == [("北京大学的", "地点", "corrected", ("北京大学", "地点"))]
    editor.drag_edge("start", TEXT.index("，北京") + 3)
    assert editor.touched == [("大学的", "地点", "corrected", ("北京大学", "地点"))]


def test_nested_entities_are_added_inside_and_around(editor: Editor) -> None:
    editor.select_text("北京")
    editor.choose("地点")
    assert editor.run("return document.querySelectorAll('mark mark').length") == 1
    editor.select_text("叙利亚部署")
    editor.choose("装备")
    assert editor.marks == ["俄罗斯", "叙利亚部署", "叙利亚", "北京大学", "北京"]
    assert [entry[2] for entry in editor.touched] == ["added", "added"]


def test_what_a_new_entity_crosses_gives_way_to_it(editor: Editor) -> None:
    editor.select_text("利亚部署")
    editor.choose("装备")
    assert editor.touched == [("叙利亚", "国家", "deleted", None), ("利亚部署", "装备", "added", None)]
    assert "叙利亚" not in editor.marks


def test_the_keyboard_does_it_all(editor: Editor) -> None:
    from selenium.webdriver import Keys

    editor.focus()
    editor.press("n")
    assert editor.texts(".se-selected") == ["叙利亚"]
    editor.press("2")
    editor.press(Keys.ARROW_RIGHT)
    editor.press(Keys.SHIFT, Keys.ARROW_LEFT)
    assert editor.touched == [("在叙利亚部", "地点", "corrected", ("叙利亚", "国家"))]
    editor.press(Keys.TAB)
    assert editor.texts(".se-selected") == ["北京大学"]
    editor.press(Keys.ENTER)
    assert editor.texts(".se-selected") == ["王明"], "accepting goes on to the next doubtful span"
    editor.press("4")
    assert editor.touched[1:] == [("北京大学", "地点", "accepted", None), ("王明", "人物", "added", None)]
    editor.press(Keys.ARROW_UP)
    editor.press(Keys.DELETE)
    assert ("北京大学", "地点", "deleted", None) in editor.touched
    editor.press(Keys.ESCAPE)
    editor.press("a")
    editor.press(Keys.ARROW_RIGHT)
    editor.press("1")
    assert ("的王", "国家", "added", None) in editor.touched
    editor.press(Keys.ESCAPE)
    editor.press(Keys.TAB)
    assert editor.run("return document.activeElement.id") == "after", "the keyboard is not trapped"


def test_the_menu_can_be_walked_through(editor: Editor) -> None:
    from selenium.webdriver import Keys

    editor.focus()
    for key in ("n", "m", Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER):
        editor.press(key)
    assert editor.touched == [("叙利亚", "地点", "corrected", ("叙利亚", "国家"))]
    assert editor.run("return document.activeElement.className") == "se-text"
    for key in ("m", Keys.ESCAPE):
        editor.press(key)
    assert not editor.is_shown(".se-menu")


def test_undo_takes_back_one_step_at_a_time_and_redo_repeats_it(editor: Editor) -> None:
    from selenium.webdriver import Keys

    editor.click_mark("叙利亚")
    editor.choose("地点")
    editor.select_text("克拉苏哈")
    editor.choose("装备")
    for expected in (["corrected"], []):
        editor.press(Keys.CONTROL, "z")
        assert [entry[2] for entry in editor.touched] == expected
    for expected in (["corrected"], ["corrected", "added"]):
        editor.press(Keys.CONTROL, "y")
        assert [entry[2] for entry in editor.touched] == expected
    assert editor.run("return changes") == 6


def test_judgments_survive_other_findings(editor: Editor) -> None:
    editor.click_mark("叙利亚")
    editor.choose("地点")
    editor.click_mark("俄罗斯")
    editor.press("\ue017")
    before = editor.touched
    editor.run("editor.refresh(arguments[0])", [span("俄罗斯", "装备"), span("叙利亚部署", "装备"), span("利亚部", "人物")])
    assert editor.touched == before
    assert editor.marks == ["叙利亚部署", "叙利亚"], "what was judged stays, and hides what it contradicts"


def test_a_span_that_is_none_is_dismissed_or_added(editor: Editor) -> None:
    editor.click_mark("王明")
    assert not editor.is_shown(".se-menu .se-remove")
    editor.drag(editor.middle(".se-menu .se-accept"))
    assert editor.touched == [("王明", None, "dismissed", None)]
    assert editor.texts("mark.se-none") == []


def test_a_finger_adds_and_moves(editor: Editor) -> None:
    editor.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        left, right, middle = editor.character(".se-text", TEXT.index("部署"))
        editor.touch(((left + right) / 2, middle))
        editor.wait(lambda: editor.texts(".se-pending") == ["部署"])
        end = editor.middle(".se-edge[data-edge=end]")
        _, right, middle = editor.character(".se-text", TEXT.index("了克"))
        editor.touch(end, ((end[0] + right) / 2, middle), (right - 1, middle))
        editor.wait(lambda: editor.texts(".se-pending") == ["部署了"] and editor.is_shown(".se-menu"))
        editor.touch(editor.middle(".se-menu [data-label='装备']"))
        editor.wait(lambda: editor.touched == [("部署了", "装备", "added", None)])
        left, right, middle = editor.character(".se-text", TEXT.index("俄罗斯"))
        editor.touch(((left + right) / 2, middle))
        editor.wait(lambda: editor.is_shown(".se-menu .se-remove"))
    finally:
        editor.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_a_copied_mark_is_its_word(editor: Editor) -> None:
    editor.click_mark("叙利亚")
    copied = editor.run(
        "const data = new DataTransfer(); document.querySelector('.se-text').dispatchEvent(new ClipboardEvent('copy',"
        " {clipboardData: data, bubbles: true, cancelable: true})); return data.getData('text/plain')"
    )
    assert copied == "叙利亚"


def test_whatever_is_done_marks_nest_and_undo_restores(editor: Editor) -> None:
    """A thousand steps of a fixed random walk over the state's own functions."""
    problems = editor.run(
        """
        const { visibleMarks, withChange, without, crosses, keyOf } = SpansState;
        let seed = 7;
        const random = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n; };
        const span = () => { const start = random(18); return { start, end: start + 1 + random(5) }; };
        const places = [[0, 3], [0, 2], [4, 8], [9, 12], [13, 15]];
        const found = places.map(([start, end], i) => ({ start, end, label: i % 2 ? 'A' : 'B' }));
        found.push({ start: 16, end: 18, label: null });
        let touched = [];
        const problems = [];
        for (let step = 0; step < 1000; step += 1) {
          const marks = visibleMarks(found, touched);
          const mark = marks[random(marks.length)];
          const kind = random(5);
          const before = JSON.stringify(touched);
          let after = touched;
          if (kind === 0 || !mark) after = withChange(found, touched, { ...span(), label: 'C', isNew: true }, {});
          else if (kind === 1) after = without(touched, mark);
          else if (kind === 2) after = withChange(found, touched, mark, { label: 'D' });
          else if (kind === 3) after = withChange(found, touched, { ...mark, label: mark.label ?? 'E' }, span());
          else if (mark.label !== null) after = withChange(found, touched, mark, {});
          if (JSON.stringify(touched) !== before) problems.push(`step ${step} changed its input`);
          touched = step % 40 === 39 ? [] : after;
          const shown = visibleMarks(found, touched);
          if (shown.some(a => shown.some(b => crosses(a, b)))) problems.push(`step ${step}: marks cross`);
          if (new Set(shown.map(keyOf)).size !== shown.length) problems.push(`step ${step}: twice at one place`);
          if (new Set(touched.map(keyOf)).size !== touched.length) problems.push(`step ${step}: judged twice`);
          for (const entry of touched) {
            if ((entry.review === 'corrected') !== Boolean(entry.was)) problems.push(`step ${step}: ${JSON.stringify(entry)}`);
          }
        }
        return problems.slice(0, 5);
        """
    )
    assert problems == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_color_can_be_read(editor: Editor, theme: str) -> None:
    labels = [f"类{number}" for number in range(13)]
    text = "".join(labels)
    found = [
        {"start": text.index(label), "end": text.index(label) + 2, "label": label, "level": "check"} for label in labels[:10]
    ]
    styles = label_styles(labels)
    editor.run("document.documentElement.classList.toggle('dark', arguments[0])", theme == "dark")
    types = [{"name": name, "title": name, "style": style} for name, style in styles.items()]
    editor.run("editor.load(arguments[0])", {"text": text, "found": found, "types": types})
    colors = editor.run(COLORS)
    editor.load(TEXT)
    assert len(colors) == 10
    assert len({ground for _, ground in colors}) == 10
    assert min(contrast(ink, ground) for ink, ground in colors) >= 4.5
