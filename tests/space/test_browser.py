"""A click-through in headless Chromium: what a visitor does, and what the page shows, asks for and keeps."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.data.feedback import read_feedback
from hybridner.ensemble import available_strategies
from tests.llm.scripted_server import KEY, Reply, ScriptedServer, problem
from tests.support.contrast import contrast
from tests.support.reading import candidates_of
from tests.support.tiny import TEXT

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() or DRIVER is None, reason="needs /usr/bin/chromium and chromedriver (Debian: chromium chromium-driver)"
)
pytest.importorskip("selenium", reason="selenium is not installed")

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1200,1000"),
    "--accept-lang=zh-CN",
)


class Visitor:
    """A browser on the page, with the few things a visitor does."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self.url = url
        self._complaints: list[str] = []

    def open(self, query: str = "") -> None:
        self._complaints = self.complaints()
        # Requests that leaving a page cuts off are no errors of the next one.
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get(self.url + query)
        self.wait(lambda: self.all("#analyze") and self.all("#threshold input[type=range]"))
        # The page has asked the server which language it should speak.
        self.wait(lambda: self.run("return document.readyState") == "complete")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.all(selector)[0]

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def click(self, selector: str) -> None:
        self.run("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", self.one(selector))

    def type(self, selector: str, text: str) -> None:
        field = self.one(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", field)
        field.clear()
        field.send_keys(text)

    def slide(self, value: float) -> None:
        self.run(
            "const s = arguments[0]; s.value = arguments[1]; for (const kind of ['input', 'change', 'pointerup'])"
            "  s.dispatchEvent(new Event(kind, {bubbles: true}));",
            self.one("#threshold input[type=range]"),
            value,
        )

    def wait(self, condition: Callable[[], Any], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain; the page says: {self.text('body')[:2000]}"
            time.sleep(0.05)

    def analyze(self, text: str = TEXT) -> None:
        self.type("#text textarea", text)
        self.click("#analyze")
        self.wait(lambda: self.text("#marks .hn-text") == text)

    def complaints(self) -> list[str]:
        """Errors on the console."""
        new = [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        return self._complaints + new

    def hosts(self) -> set[str]:
        """Everybody the page sent a request to."""
        found = set()
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                scheme, _, rest = message["params"]["request"]["url"].partition("://")
                if scheme in ("http", "https", "ws", "wss"):
                    found.add(rest.split("/")[0])
        return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def visitor(browser: Chrome, space: tuple[str, Path]) -> Iterator[Visitor]:
    """A visitor who has just opened the page; afterwards nothing may have gone wrong behind the scenes."""
    browser.get("about:blank")
    browser.get_log("browser")
    someone = Visitor(browser, space[0])
    someone.browser.get_log("performance")
    someone.open()
    yield someone
    assert someone.complaints() == []
    assert someone.hosts() == {space[0].split("/")[2]}
    assert "Traceback" not in space[1].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def entities(composite: HybridNerModel) -> list[dict[str, Any]]:
    return list(HybridNerPipeline(composite, device="cpu")(TEXT))


def test_typing_and_analysing_marks_the_entities(visitor: Visitor, entities: list[dict[str, Any]]) -> None:
    visitor.analyze()
    assert [visitor.run("return arguments[0].textContent", mark) for mark in visitor.all("#marks mark")] == [
        entity["word"] for entity in entities
    ]
    assert len(visitor.all("#table tbody tr")) == len(entities)
    assert "候选片段" in visitor.text("#preview")
    assert len(visitor.all("#marks .hn-legend li")) >= 1


def test_hovering_shows_who_voted_for_what(visitor: Visitor, entities: list[dict[str, Any]]) -> None:
    visitor.analyze()
    from selenium.webdriver import ActionChains

    mark = visitor.one("#marks mark")
    visitor.run("arguments[0].scrollIntoView({block: 'center'})", mark)
    ActionChains(visitor.browser).move_to_element(mark).perform()
    visitor.wait(lambda: visitor.one("#hn-tip").is_displayed())
    tip = visitor.text("#hn-tip")
    assert all(member in tip for member in entities[0]["votes"])
    assert f"{entities[0]['uncertainty']:.3f}" in tip
    ActionChains(visitor.browser).send_keys("\ue00c").perform()
    visitor.wait(lambda: not visitor.one("#hn-tip").is_displayed())


def test_moving_the_slider_changes_marks_cost_and_table_at_once(visitor: Visitor, entities: list[dict[str, Any]]) -> None:
    visitor.analyze()
    values = sorted(entity["uncertainty"] for entity in entities)
    for threshold in (1.0, round((values[0] + values[-1]) / 2, 2), 0.0):
        doubtful = sum(value > threshold for value in values)
        visitor.slide(threshold)
        visitor.wait(lambda expected=doubtful: len(visitor.all("#marks mark.hn-doubt")) == expected)
        visitor.wait(lambda expected=threshold: f"τ = {expected:.2f}" in visitor.text("#preview"))
        assert len(visitor.all("#table .hn-review")) == doubtful
        assert ("USD" in visitor.text("#preview")) == (threshold < 1)
    assert visitor.text("#marks .hn-text") == TEXT


def test_strategy_and_decoding_read_again(visitor: Visitor, composite: HybridNerModel) -> None:
    pipe = HybridNerPipeline(composite, device="cpu")
    visitor.analyze()
    for selector, settings in (
        ("#decoding input[value=nested]", {"decoding": "nested"}),
        ("#strategy input[value=majority]", {"decoding": "nested", "strategy": "majority"}),
    ):
        visitor.click(selector)
        expected = len(pipe(TEXT, **settings))
        visitor.wait(lambda wanted=expected: len(visitor.all("#marks mark")) == wanted)
        assert visitor.text("#marks .hn-text") == TEXT


def test_only_what_works_is_offered_and_uncertainty_can_be_chosen(visitor: Visitor, composite: HybridNerModel) -> None:
    visitor.analyze()
    values = visitor.run("return [...document.querySelectorAll('#strategy input')].map(part => part.value)")
    assert tuple(values) == available_strategies(composite.combiner_weights)
    visitor.click("#uncertainty input[value=disagreement]")
    (candidates,) = candidates_of(composite, [TEXT], batch_size=16, uncertainty="disagreement")
    expected = [f"{c.uncertainty:.2f}" for c in candidates if c.is_entity]
    cells = "return [...document.querySelectorAll('#table td:nth-child(5)')].map(cell => cell.textContent)"
    visitor.wait(lambda: visitor.run(cells) == expected)


def test_a_review_is_kept_and_downloaded(
    visitor: Visitor, tmp_path: Path, entities: list[dict[str, Any]], composite: HybridNerModel
) -> None:
    visitor.analyze()
    visitor.click("#review button")
    # Only rows in view are drawn.
    box = "#review-rows [data-row='0'][data-col='3'] input[type=checkbox]"
    visitor.wait(lambda: visitor.all(box))
    visitor.click(box)  # the first entity is wrong
    visitor.wait(lambda: not visitor.one(box).is_selected())
    visitor.click("#review-complete input")
    visitor.click("#review-save")
    visitor.wait(lambda: "已保存，共 1 条文本" in visitor.text("#review-message"))
    visitor.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    visitor.wait(lambda: visitor.one("#review-download").is_enabled())
    visitor.click("#review-download")
    visitor.wait((tmp_path / "feedback.jsonl").exists)
    (review,) = read_feedback(tmp_path / "feedback.jsonl", composite.config.labels)
    assert (review.text, review.complete) == (TEXT, True)
    assert [entity.review for entity in review.entities] == ["deleted", *["accepted"] * (len(entities) - 1)]
    assert [[*entity.span] for entity in review.entities] == [[e["start"], e["end"], e["entity_group"]] for e in entities]


def test_another_language_leaves_the_review_as_it_is(visitor: Visitor) -> None:
    from selenium.webdriver import ActionChains, Keys

    def cell(column: int) -> str:
        return f"#review-rows [data-row='0'][data-col='{column}']"

    def write(column: int, text: str) -> None:
        ActionChains(visitor.browser).double_click(visitor.one(cell(column))).perform()
        visitor.wait(lambda: visitor.all(f"{cell(column)} textarea"))
        field = visitor.one(f"{cell(column)} textarea")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.ENTER)
        visitor.wait(lambda: text in visitor.text(cell(column)))

    visitor.analyze()
    visitor.click("#review button")
    box = f"{cell(3)} input[type=checkbox]"
    visitor.wait(lambda: visitor.all(box))
    visitor.click(box)
    visitor.wait(lambda: not visitor.one(box).is_selected())
    write(1, "北约")
    write(2, "别的")
    for language, keep, column in (("en", "Save this review", "Word"), ("zh", "保存本条复核", "词")):
        visitor.click(f"#language input[value={language}]")
        visitor.wait(lambda expected=keep: expected in visitor.text("#review-save"))
        visitor.wait(lambda expected=column: expected in visitor.text("#review-rows thead"))
        assert "别的" in visitor.text(cell(2))
        assert "北约" in visitor.text(cell(1))
        assert not visitor.one(box).is_selected()


def test_the_foot_opens_the_description_of_the_interface(visitor: Visitor) -> None:
    visitor.click(".hn-foot button")
    visitor.wait(lambda: "/analyze" in visitor.text("body") and "gradio_client" in visitor.text("body"))
    # gradio asks for a description of tools that the page does not have, and says so on the console.
    assert all("/mcp/schema" in complaint for complaint in visitor.complaints())


def test_html_in_the_text_stays_text(visitor: Visitor) -> None:
    nasty = "北约<img src=x onerror=document.title='gotcha'> ${document.title='gotcha'} {{7*7}} &amp; 叙利亚"
    visitor.analyze(nasty)
    assert not visitor.all("#marks img")
    assert visitor.run("return document.title") == "hybridner"


def test_blank_and_long_texts_get_a_message(visitor: Visitor) -> None:
    visitor.click("#analyze")
    visitor.wait(lambda: "请输入文本" in visitor.text("#message"))
    visitor.run(
        "const t = arguments[0]; t.value = '长'.repeat(3001); t.dispatchEvent(new Event('input', {bubbles: true}))",
        visitor.one("#text textarea"),
    )
    visitor.click("#analyze")
    visitor.wait(lambda: "3001" in visitor.text("#message"))
    assert not visitor.all("#marks mark")


def test_an_example_is_read_at_once(visitor: Visitor) -> None:
    visitor.click("#example-medicine-children")
    visitor.wait(lambda: "支原体肺炎" in visitor.one("#text textarea").get_property("value"))
    visitor.wait(lambda: "支原体肺炎" in visitor.text("#marks .hn-text"))


def with_llm(visitor: Visitor, endpoint: str) -> None:
    visitor.click("#llm button")
    visitor.wait(lambda: visitor.one("#endpoint").is_displayed())
    visitor.click("#use-llm input")
    for selector, value in (("#endpoint", endpoint), ("#llm-model", "some-model"), ("#key", KEY)):
        visitor.type(f"{selector} input, {selector} textarea", value)
    visitor.analyze()


def test_the_llm_is_asked_and_its_answers_are_shown(
    visitor: Visitor, llm_server: ScriptedServer, space: tuple[str, Path]
) -> None:
    with_llm(visitor, llm_server.url)
    visitor.wait(lambda: "大模型已回答" in visitor.text("#message"))
    visitor.wait(lambda: visitor.all("#marks mark.hn-by-llm"))
    assert "大模型（served-model-v2）" in visitor.text("#table")
    assert set(llm_server.keys) == {f"Bearer {KEY}"}
    # The key is in the field and nowhere else: not in the page, the browser's storage or what the server prints.
    kept = visitor.run(
        "return document.documentElement.outerHTML + JSON.stringify([localStorage, sessionStorage, document.cookie])"
    )
    assert KEY not in kept
    assert KEY not in space[1].read_text(encoding="utf-8")
    visitor.open()
    assert visitor.run("return document.querySelector('#key input')?.value ?? ''") == ""


@pytest.mark.parametrize("dead", [False, True], ids=["refused key", "dead endpoint"])
def test_a_failing_llm_shows_a_message_and_the_local_result(
    visitor: Visitor, llm_server: ScriptedServer, answers: list[Reply], entities: list[dict[str, Any]], dead: bool
) -> None:
    answers[0] = problem(401, f"wrong key {KEY}")
    with_llm(visitor, "http://127.0.0.1:9/v1" if dead else llm_server.url)
    visitor.wait(lambda: visitor.all("#message [role=alert]"))
    message = visitor.text("#message")
    assert ("连不上" if dead else "检查密钥") in message
    assert "本地模型的结果" in message
    assert KEY not in message
    assert len(visitor.all("#marks mark")) == len(entities)


def test_a_file_is_read_and_its_result_downloaded(visitor: Visitor, tmp_path: Path, composite: HybridNerModel) -> None:
    texts = [TEXT[: 10 + number] for number in range(20)]
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    visitor.run("[...document.querySelectorAll('button[role=tab]')].find(tab => tab.textContent.trim() === '文件').click()")
    visitor.wait(lambda: visitor.all("#file input[type=file]"))
    visitor.one("#file input[type=file]").send_keys(str(tmp_path / "texts.txt"))
    visitor.wait(lambda: "texts" in visitor.text("#file"))
    visitor.click("#analyze-file")
    visitor.wait(lambda: "20 条文本" in visitor.text("#file-result"))
    assert len(visitor.all("#file-result .hn-text")) == 3
    visitor.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    visitor.wait(lambda: visitor.one("#download").is_enabled())
    visitor.click("#download")
    result = tmp_path / "entities.jsonl"
    visitor.wait(result.exists)
    content = result.read_text(encoding="utf-8")
    rows = [json.loads(line) for line in content.splitlines()]
    expected = HybridNerPipeline(composite, device="cpu")(texts)
    assert [row["text"] for row in rows] == texts
    assert [[e["word"] for e in row["entities"]] for row in rows] == [[e["word"] for e in found] for found in expected]


def test_the_page_speaks_english_too(visitor: Visitor) -> None:
    visitor.analyze()
    visitor.click("#language input[value=en]")
    visitor.wait(lambda: visitor.text("#analyze").strip() == "Analyze")
    visitor.wait(lambda: "candidate spans" in visitor.text("#preview"))
    assert "Uncertainty" in visitor.text("#table")
    assert "阈值" not in visitor.text("body")
    assert visitor.run("return document.documentElement.lang") == "en"


def test_it_fits_a_phone(visitor: Visitor) -> None:
    visitor.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    try:
        visitor.open()
        visitor.analyze()
        assert visitor.run("return document.documentElement.scrollWidth") <= 360
        wide = (
            "return [...document.querySelectorAll('#table td, #marks mark, #preview')].map(e => e.getBoundingClientRect().right)"
        )
        assert max(visitor.run(wide)) <= 360
        assert not visitor.one("#table thead").is_displayed()
    finally:
        visitor.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_can_be_read_in_both_themes(visitor: Visitor, theme: str) -> None:
    visitor.open(f"?__theme={theme}")
    visitor.analyze()
    shown = visitor.run(
        "return [...document.querySelectorAll('#marks mark, .hn-chip:not(.hn-plain)')].map(part => getComputedStyle(part))"
        ".map(style => [style.color, style.backgroundColor])"
    )
    assert shown
    for ink, ground in shown:
        assert contrast(hexadecimal(ink), hexadecimal(ground)) >= 4.5
    page = hexadecimal(visitor.run("return getComputedStyle(document.querySelector('gradio-app')).backgroundColor"))
    assert (contrast(page, "#000000") < 3) == (theme == "dark")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_buttons_and_placeholders_can_be_read(visitor: Visitor, theme: str) -> None:
    visitor.open(f"?__theme={theme}")
    ink, ground = visitor.run(
        "const style = getComputedStyle(document.querySelector('#analyze')); return [style.color, style.backgroundColor]"
    )
    assert contrast(hexadecimal(ink), hexadecimal(ground)) >= 4.5
    ink, ground = visitor.run(
        "const box = document.querySelector('#text textarea');"
        "return [getComputedStyle(box, '::placeholder').color, getComputedStyle(box).backgroundColor]"
    )
    assert contrast(hexadecimal(ink), hexadecimal(ground)) >= 4.5


def test_an_impossible_threshold_is_told_and_leaves_what_is_shown(visitor: Visitor, entities: list[dict[str, Any]]) -> None:
    from selenium.webdriver import Keys

    visitor.analyze()
    box = visitor.one("#threshold input[type=number]")
    visitor.run("arguments[0].scrollIntoView({block: 'center'})", box)
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys("5")
    visitor.wait(lambda: "0 到 1 之间" in visitor.text("#preview"))
    assert len(visitor.all("#marks mark")) == len(entities)
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
        assert visitor.run("return document.documentElement.lang") == ("zh" if word == "分析" else "en")
    finally:
        visitor.browser.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": "zh-CN"})


def test_the_keyboard_goes_from_question_to_question_and_shows_where_it_is(visitor: Visitor) -> None:
    from selenium.webdriver import ActionChains, Keys

    def press(key: str) -> None:
        ActionChains(visitor.browser).send_keys(key).perform()

    def focused() -> list[str]:
        """Name and value of what has the focus."""
        return list(visitor.run("const e = document.activeElement; return [e.name, e.value]"))

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
    visitor.click("#language input[value=en]")
    visitor.wait(lambda: visitor.text("#analyze").strip() == "Analyze")
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
    labels = visitor.run("return [...document.querySelectorAll('#threshold input')].map(e => e.getAttribute('aria-label') ?? '')")
    assert all(not re.search("[A-Za-z]{3}", label) for label in labels)


def test_a_file_of_another_kind_is_refused_in_the_language_of_the_page(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "texts.docx").write_text("北约", encoding="utf-8")
    visitor.run("[...document.querySelectorAll('button[role=tab]')].find(tab => tab.textContent.trim() === '文件').click()")
    visitor.wait(lambda: visitor.all("#file input[type=file]"))
    visitor.one("#file input[type=file]").send_keys(str(tmp_path / "texts.docx"))
    visitor.wait(lambda: "texts" in visitor.text("#file"))
    visitor.click("#analyze-file")
    visitor.wait(lambda: "需要 .txt、.json 或 .jsonl 文件" in visitor.text("#file-result"))


@pytest.mark.skipif("AXE_CORE" not in os.environ, reason="AXE_CORE names no axe.min.js (npm install axe-core)")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_violation(visitor: Visitor, theme: str) -> None:
    visitor.open(f"?__theme={theme}")
    visitor.analyze()
    for part in ("#review button", "#llm button", ".hn-about summary"):
        visitor.click(part)
    visitor.slide(0.0)
    visitor.wait(lambda: visitor.all("#marks mark.hn-doubt"))
    visitor.run(Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8"))
    # The cells of gradio's own table have checkboxes without names.
    found = visitor.browser.execute_async_script(
        "const done = arguments[0]; axe.run({exclude: ['#review-rows']}, {resultTypes: ['violations']}).then(done)"
    )
    serious = [
        (violation["id"], [node["target"] for node in violation["nodes"]])
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []


def hexadecimal(color: str) -> str:
    """#rrggbb of a computed rgb(r, g, b)."""
    assert color.startswith("rgb(")
    return "#" + "".join(f"{int(part):02x}" for part in color[4:-1].split(","))
