"""How the page looks, in which language it speaks, and who can use it: phones, themes, keyboards, screen readers."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import needs_browser
from tests.support.contrast import contrast
from tests.support.patience import wait_until
from tests.support.visitor import MARKS, Visitor, queue_file

pytestmark = needs_browser
pytest.importorskip("gradio", reason="gradio is not installed")


def test_the_page_speaks_english_too(visitor: Visitor) -> None:
    visitor.analyze()
    visitor.speak("en", "Analyze")
    visitor.open_settings()
    visitor.wait_for_text("#preview", "candidate spans")
    visitor.wait_for_text("#result-here .hn-table", "Certainty")
    visitor.wait(lambda: "阈值" not in visitor.text("body"))
    visitor.wait(lambda: visitor.run("return document.documentElement.lang") == "en")


def test_it_fits_a_phone(visitor: Visitor) -> None:
    visitor.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    try:
        visitor.open()
        visitor.analyze()
        visitor.wait(lambda: visitor.run("return document.documentElement.scrollWidth") <= 360)
        visitor.wait(lambda: visitor.run(WIDE) == [])
        assert not visitor.is_shown("#result-here .hn-table thead")
    finally:
        visitor.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_can_be_read_in_both_themes(visitor: Visitor, theme: str) -> None:
    visitor.open(f"?__theme={theme}")
    visitor.analyze()
    visitor.slide(0.0)
    visitor.wait(lambda: visitor.all("#result-here .hn-level.hn-is-check"))
    for selector in (MARKS, "#result-here .hn-chip", "#result-here .hn-level.hn-is-check", "#result-here .hn-number"):
        # Colors of what has just come into a state change to it by and by.
        visitor.wait(lambda part=selector: all(contrast(ink, ground) >= 4.5 for ink, ground in visitor.run(COLORS, part)))
    page = hexadecimal(visitor.run("return getComputedStyle(document.querySelector('gradio-app')).backgroundColor"))
    assert (contrast(page, "#000000") < 3) == (theme == "dark")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_buttons_and_placeholders_can_be_read(visitor: Visitor, theme: str) -> None:
    visitor.open(f"?__theme={theme}")
    for colors in (
        "const style = getComputedStyle(document.querySelector('#analyze')); return [style.color, style.backgroundColor]",
        "const box = document.querySelector('#text textarea');"
        "return [getComputedStyle(box, '::placeholder').color, getComputedStyle(box).backgroundColor]",
    ):
        visitor.wait(lambda colors=colors: contrast(*map(hexadecimal, visitor.run(colors))) >= 4.5)


def test_an_impossible_threshold_is_told_and_leaves_what_is_shown(visitor: Visitor, entities: list[dict[str, Any]]) -> None:
    from selenium.webdriver import Keys

    visitor.analyze()
    visitor.open_settings()
    box = visitor.ready("#threshold input[type=number]")
    visitor.run("arguments[0].scrollIntoView({block: 'center'})", box)
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys("5")
    visitor.wait(lambda: "0 到 1 之间" in visitor.text("#preview"))
    assert len(visitor.all(MARKS)) == len(entities)
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys(Keys.DELETE, "0.3")
    visitor.wait(lambda: "τ = 0.30" in visitor.text("#preview"))


@pytest.mark.parametrize(("accepted", "word"), [("de-DE,de", "Analyze"), ("zh-TW,zh", "分析"), ("fr,en", "Analyze")])
def test_who_does_not_read_chinese_gets_english(visitor: Visitor, accepted: str, word: str) -> None:
    agent = visitor.run("return navigator.userAgent")
    visitor.browser.execute_cdp_cmd("Network.enable", {})
    visitor.browser.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": accepted})
    try:
        visitor.open()
        visitor.wait(lambda: visitor.text("#analyze").strip() == word)
        visitor.wait(lambda: visitor.run("return document.documentElement.lang") == ("zh" if word == "分析" else "en"))
    finally:
        visitor.browser.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": "zh-CN"})


def test_the_keyboard_goes_from_question_to_question_and_shows_where_it_is(visitor: Visitor) -> None:
    from selenium.webdriver import ActionChains, Keys

    def press(key: str) -> None:
        ActionChains(visitor.browser).send_keys(key).perform()

    def focused() -> list[str]:
        """Name and value of what has the focus."""
        return list(visitor.run("const e = document.activeElement; return [e.name, e.value]"))

    visitor.open_settings()
    # The page has been laid out once more, in the language of the browser.
    visitor.wait(lambda: visitor.run("return document.querySelector('#strategy input').name") == "strategy")
    visitor.run("document.querySelector('#strategy input:checked').focus()")
    press(Keys.ARROW_DOWN)
    moved = visitor.run("return document.querySelector('#strategy input:checked').value")
    assert focused() == ["strategy", moved]
    press(Keys.TAB)
    assert focused() == ["decoding", "flat"]
    for selector in ("#analyze", "#text textarea", "#strategy input:checked", "#language input:checked", ".hn-about summary"):
        visitor.run("document.querySelector(arguments[0]).focus({focusVisible: true})", selector)
        style, width = visitor.run(
            "const style = getComputedStyle(document.activeElement); return [style.outlineStyle, parseFloat(style.outlineWidth)]"
        )
        assert style == "solid", selector
        assert width >= 2, selector


def test_the_page_keeps_its_width(visitor: Visitor) -> None:
    def width() -> float:
        return float(visitor.run("return document.querySelector('.gradio-container').getBoundingClientRect().width"))

    before = width()
    # All of the window but for a scroll bar.
    assert before >= visitor.run("return window.innerWidth") - 20
    visitor.analyze()
    assert width() == before
    visitor.speak("en", "Analyze")
    assert width() == before


def test_what_gradio_says_is_in_the_language_of_the_page(visitor: Visitor) -> None:
    def said(words: str) -> str:
        visitor.run(
            "const part = document.createElement('div'); part.className = 'progress-text'; part.id = 'from-gradio';"
            "part.textContent = arguments[0]; document.querySelector('#from-gradio')?.remove(); document.body.append(part)",
            words,
        )
        return visitor.text("#from-gradio")

    for words, expected in (
        ("processing | 1.2s", "正在分析 | 1.2s"),
        ("queue: 2/3 | 0.1s", "排队：2/3 | 0.1s"),
        ("This application is currently busy. Please try again. ", "页面正忙"),
        ("Error", "没有成功"),
    ):
        said(words)
        visitor.wait(lambda expected=expected: expected in visitor.text("#from-gradio"))
    visitor.open_settings()
    labels = "return [...document.querySelectorAll('#threshold input')].map(e => e.getAttribute('aria-label') ?? '')"
    visitor.wait(lambda: not any(re.search("[A-Za-z]{3}", label) for label in visitor.run(labels)))


def test_a_file_of_another_kind_is_refused_in_the_language_of_the_page(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "texts.docx").write_text("北约", encoding="utf-8")
    visitor.analyze_file(tmp_path / "texts.docx")
    visitor.wait_for_text("#file-result", "需要 .txt、.json 或 .jsonl 文件")


@pytest.mark.skipif("AXE_CORE" not in os.environ, reason="AXE_CORE names no axe.min.js (npm install axe-core)")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_violation(visitor: Visitor, theme: str) -> None:
    visitor.open(f"?__theme={theme}")
    visitor.analyze()
    visitor.open_settings()
    for part in ("#llm > button", ".hn-about summary", ".hn-keys summary"):
        visitor.click(part)
    visitor.slide(0.0)
    visitor.wait(lambda: visitor.all(f"{MARKS}.se-check"))
    visitor.click_mark(0)
    axe_finds_nothing_serious(visitor)


@pytest.mark.skipif("AXE_CORE" not in os.environ, reason="AXE_CORE names no axe.min.js (npm install axe-core)")
def test_axe_finds_no_serious_violation_in_a_queue(visitor: Visitor, tmp_path: Path) -> None:
    visitor.load_queue(queue_file(tmp_path))
    axe_finds_nothing_serious(visitor)


def axe_finds_nothing_serious(visitor: Visitor) -> None:
    visitor.run(Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8"))
    # gradio fades what it is about to fill anew; only what is still wrong once the page stands still counts.
    wait_until(lambda: not serious_violations(visitor), lambda: str(serious_violations(visitor)))


def serious_violations(visitor: Visitor) -> list[tuple[str, list[Any]]]:
    found = visitor.browser.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(done)"
    )
    return [
        (violation["id"], [node["target"] for node in violation["nodes"]])
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


#: What reaches out of a phone's window.
WIDE = """
return [...document.querySelectorAll('#result-here *, #examples, #act')]
  .map((part) => [part.tagName, part.className, part.getBoundingClientRect().right, part.textContent])
  .filter(([, , right]) => right > 360);
"""

#: Ink and ground of each element, as #rrggbb; what has no ground of its own has that of an element around it.
COLORS = """
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const hex = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
  return alpha && '#' + [red, green, blue].map((part) => part.toString(16).padStart(2, '0')).join('');
};
const ground = (part) => hex(getComputedStyle(part).backgroundColor) || ground(part.parentElement);
return [...document.querySelectorAll(arguments[0])].map((part) => [hex(getComputedStyle(part).color), ground(part)]);
"""


def hexadecimal(color: str) -> str:
    """#rrggbb of a computed rgb(r, g, b)."""
    assert color.startswith("rgb(")
    return "#" + "".join(f"{int(part):02x}" for part in color[4:-1].split(","))
