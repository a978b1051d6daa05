"""A click-through in headless Chromium: what a visitor does, and what the page shows, asks for and keeps."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.data.feedback import read_feedback
from hybridner.data.reading import read_records
from hybridner.ensemble import available_strategies
from tests.llm.scripted_server import KEY, Reply, ScriptedServer, problem
from tests.space.conftest import EXAMPLE
from tests.support.browser import Page, needs_browser
from tests.support.contrast import contrast
from tests.support.reading import candidates_of
from tests.support.tiny import TEXT

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_browser
pytest.importorskip("gradio", reason="gradio is not installed")

MARKS = "#result-here .se-text mark:not(.se-none)"
ROWS = "#result-here .hn-table tbody tr"


class Visitor(Page):
    """Somebody on the page."""

    def __init__(self, browser: Chrome, url: str) -> None:
        super().__init__(browser)
        self.url = url
        self.seen: list[str] = []

    def open(self, query: str = "") -> None:
        self.seen += self.complaints()
        # Requests that leaving a page cuts off are no errors of the next one.
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get(self.url + query)
        self.wait(lambda: self.all("#analyze") and self.all("#result-here .se-text"))
        self.wait(lambda: self.run("return document.readyState") == "complete")

    def open_settings(self) -> None:
        """gradio draws them when they are opened for the first time."""
        if not self.is_shown("#threshold input[type=range]"):
            self.click("#advanced > button")
            self.wait(lambda: self.is_shown("#threshold input[type=range]") and self.is_shown("#llm > button"))

    def choose_setting(self, name: str, value: str) -> None:
        self.open_settings()
        self.click(f"#{name} input[value={value}]")

    def analyze(self, text: str = TEXT) -> None:
        self.type("#text textarea", text)
        self.click("#analyze")
        self.wait(lambda: self.text("#result-here .se-text") == text)

    def slide(self, value: float) -> None:
        self.open_settings()
        self.run(
            "const s = arguments[0]; s.value = arguments[1]; for (const kind of ['input', 'change', 'pointerup'])"
            "  s.dispatchEvent(new Event(kind, {bubbles: true}));",
            self.one("#threshold input[type=range]"),
            value,
        )

    def click_mark(self, at: int, box: str = "#result-here") -> None:
        """With the mouse, on the character at an offset of the text."""
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", f"{box} .se-text")
        left, right, middle = self.character(f"{box} .se-text", at)
        self.drag(((left + right) / 2, middle))

    def choose(self, action: str, box: str = "#result-here") -> None:
        self.drag(self.middle(f"{box} .se-menu .se-{action}"))

    def speak(self, language: str, word: str) -> None:
        self.click(f"#language input[value={language}]")
        self.wait(lambda: self.text("#analyze").strip() == word)

    def button(self, name: str, box: str = "#result-here") -> None:
        """Click the button of that name."""
        find = "[...document.querySelectorAll(`${arguments[0]} button`)].find(b => b.textContent.includes(arguments[1]))"
        self.wait(lambda: self.run(f"return Boolean({find}?.checkVisibility())", box, name))
        self.run(f"{find}.click()", box, name)

    def downloads_to(self, folder: Path) -> None:
        self.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})

    def open_file_tab(self) -> None:
        self.wait(lambda: len(self.all("button[role=tab]")) > 1)
        self.run("document.querySelectorAll('button[role=tab]')[1].click()")
        self.wait(lambda: self.all("#file input[type=file]"))

    def load_queue(self, path: Path) -> None:
        self.open_file_tab()
        self.one("#file input[type=file]").send_keys(str(path))
        self.wait(lambda: path.stem in self.text("#file"))
        self.click("#analyze-file")
        self.wait(lambda: self.is_shown(".hn-queue"))


@pytest.fixture
def visitor(browser: Chrome, space: tuple[str, Path]) -> Iterator[Visitor]:
    """A visitor who has just opened the page; afterwards nothing may have gone wrong behind the scenes."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    someone = Visitor(browser, space[0])
    someone.open()
    yield someone
    assert someone.seen + someone.complaints() == []
    assert someone.hosts() == {space[0].split("/")[2]}
    assert "Traceback" not in space[1].read_text(encoding="utf-8")
    someone.run("localStorage.clear()")


@pytest.fixture(scope="module")
def entities(composite: HybridNerModel) -> list[dict[str, Any]]:
    return list(HybridNerPipeline(composite, device="cpu")(TEXT))


def test_an_example_and_its_result_are_there_on_arrival(visitor: Visitor, composite: HybridNerModel) -> None:
    expected = HybridNerPipeline(composite, device="cpu")(EXAMPLE)
    assert visitor.one("#text textarea").get_property("value") == EXAMPLE
    assert visitor.text("#result-here .se-text") == EXAMPLE
    assert visitor.texts(MARKS) == [entity["word"] for entity in expected]
    assert not visitor.is_shown("#threshold"), "the settings are closed"
    visitor.slide(0.0)
    visitor.wait(lambda: len(visitor.all(f"{MARKS}.se-check")) == len(expected))


def test_typing_and_analysing_marks_the_entities(visitor: Visitor, entities: list[dict[str, Any]]) -> None:
    visitor.analyze()
    assert visitor.texts(MARKS) == [entity["word"] for entity in entities]
    times = [int(text.removeprefix("×")) - 1 for text in visitor.texts("#result-here .hn-times")]
    assert len(visitor.all(ROWS)) + sum(times) == len(entities), "repeated ones stand in one row"
    visitor.open_settings()
    assert "候选片段" in visitor.text("#preview")


def test_hovering_shows_who_voted_for_what(visitor: Visitor, entities: list[dict[str, Any]]) -> None:
    visitor.analyze()
    visitor.run("document.querySelector('#result-here').scrollIntoView()")
    left, right, middle = visitor.character("#result-here .se-text", entities[0]["start"])
    visitor.mouse("mouseMoved", (left + right) / 2, middle, 0)
    visitor.wait(lambda: visitor.is_shown("#hn-tip"))
    tip = visitor.text("#hn-tip")
    assert all(member in tip for member in entities[0]["votes"])
    assert f"{entities[0]['uncertainty']:.3f}" in tip
    visitor.press("\ue00c")
    visitor.wait(lambda: not visitor.is_shown("#hn-tip"))


def test_moving_the_slider_changes_marks_cost_and_table_at_once(visitor: Visitor, entities: list[dict[str, Any]]) -> None:
    visitor.analyze()
    values = sorted(entity["uncertainty"] for entity in entities)
    for threshold in (1.0, round((values[0] + values[-1]) / 2, 2), 0.0):
        doubtful = sum(value > threshold for value in values)
        visitor.slide(threshold)
        visitor.wait(lambda expected=doubtful: len(visitor.all(f"{MARKS}.se-check")) == expected)
        visitor.wait(lambda expected=threshold: f"τ = {expected:.2f}" in visitor.text("#preview"))
        assert visitor.text("#result-here .hn-filter.hn-is-check b") == str(doubtful)
        assert ("USD" in visitor.text("#preview")) == (threshold < 1)
    assert visitor.text("#result-here .se-text") == TEXT


def test_strategy_and_decoding_read_again(visitor: Visitor, composite: HybridNerModel) -> None:
    pipe = HybridNerPipeline(composite, device="cpu")
    visitor.analyze()
    for name, value, settings in (
        ("decoding", "nested", {"decoding": "nested"}),
        ("strategy", "majority", {"decoding": "nested", "strategy": "majority"}),
    ):
        visitor.choose_setting(name, value)
        expected = len(pipe(TEXT, **settings))
        visitor.wait(lambda wanted=expected: len(visitor.all(MARKS)) == wanted)
        assert visitor.text("#result-here .se-text") == TEXT


def test_only_what_works_is_offered_and_uncertainty_can_be_chosen(visitor: Visitor, composite: HybridNerModel) -> None:
    visitor.analyze()
    visitor.open_settings()
    values = visitor.run("return [...document.querySelectorAll('#strategy input')].map(part => part.value)")
    assert tuple(values) == available_strategies(composite.combiner_weights)
    visitor.choose_setting("uncertainty", "disagreement")
    (candidates,) = candidates_of(composite, [TEXT], batch_size=16, uncertainty="disagreement")
    expected = [f"{c.uncertainty:.3f}" for c in candidates if c.is_entity]
    tips = f"return [...document.querySelectorAll('{MARKS}')].map(mark => /不确定度 (\\S+)/.exec(mark.dataset.tip)[1])"
    visitor.wait(lambda: visitor.run(tips) == expected)


def test_the_legend_filters_marks_and_table(visitor: Visitor, entities: list[dict[str, Any]]) -> None:
    visitor.analyze()
    label = entities[0]["entity_group"]
    visitor.click(f"#result-here .hn-filter.hn-is-{label}")
    others = sum(entity["entity_group"] != label for entity in entities)
    assert len(visitor.all(f"{MARKS}.se-faded")) == others > 0
    assert set(visitor.texts(f"{ROWS} .hn-chip")) == {label}
    visitor.click(f"#result-here .hn-filter.hn-is-{label}")
    assert not visitor.all(f"{MARKS}.se-faded")


def test_a_long_text_scrolls_in_its_frames_and_a_row_leads_to_its_mark(visitor: Visitor) -> None:
    text = ("北约的无人机在加里宁格勒失去了信号。" * 170)[:3000]
    visitor.analyze(text)
    assert visitor.run("return document.documentElement.scrollHeight") < 2500
    visitor.run(f"[...document.querySelectorAll('{ROWS}')].at(-1).querySelector('button').click()")
    visitor.wait(lambda: visitor.all("#result-here .se-selected"))
    shown = visitor.run(
        "const mark = document.querySelector('#result-here .se-selected').getClientRects()[0];"
        "const frame = document.querySelector('#result-here .se-frame').getBoundingClientRect();"
        "return mark.top >= frame.top && mark.bottom <= frame.bottom"
    )
    assert shown


def test_a_review_by_mouse_survives_every_other_control(
    visitor: Visitor, tmp_path: Path, entities: list[dict[str, Any]], composite: HybridNerModel
) -> None:
    visitor.analyze()
    first, second = entities[0], entities[1]
    visitor.click_mark(first["start"])
    visitor.choose("remove")
    visitor.click_mark(second["start"])
    other = next(name for name in composite.config.labels.names if name != second["entity_group"])
    visitor.drag(visitor.middle(f"#result-here .se-menu [data-label={other}]"))
    judged = ["deleted", "corrected"]

    for change in (
        lambda: visitor.slide(0.9),
        lambda: visitor.choose_setting("strategy", "mean"),
        lambda: visitor.choose_setting("strategy", "score"),
        lambda: visitor.choose_setting("decoding", "nested"),
        lambda: visitor.choose_setting("decoding", "flat"),
        lambda: visitor.speak("en", "Analyze"),
        lambda: visitor.speak("zh", "分析"),
        lambda: visitor.click("#analyze"),
    ):
        change()
        visitor.wait(lambda: visitor.texts("#result-here mark.se-corrected") == [second["word"]])
    visitor.slide(0.5)
    visitor.button("其余都对")
    visitor.wait(lambda: "本文已看完" in visitor.text("#result-here .hn-progress"))
    visitor.downloads_to(tmp_path)
    visitor.button("下载复核结果（1 条文本）")
    visitor.wait((tmp_path / "feedback.jsonl").exists)
    (review,) = read_feedback(tmp_path / "feedback.jsonl", composite.config.labels)
    assert (review.text, review.complete) == (TEXT, True)
    by_place = {(entity.span.start, entity.span.end): entity.review for entity in review.entities}
    assert [by_place[first["start"], first["end"]], by_place[second["start"], second["end"]]] == judged
    assert set(by_place.values()) == {"deleted", "corrected", "accepted"}
    assert len(by_place) == len(entities)
    # Another text comes and goes; what was judged of this one is there again.
    visitor.analyze("北约在叙利亚")
    visitor.analyze()
    assert visitor.texts("#result-here mark.se-corrected") == [second["word"]]


def test_words_of_the_menu_are_in_the_language_of_the_page(visitor: Visitor, entities: list[dict[str, Any]]) -> None:
    visitor.analyze()
    for language, word, accept in (("en", "Analyze", "This is right"), ("zh", "分析", "标得对")):
        visitor.speak(language, word)
        visitor.click_mark(entities[0]["start"])
        visitor.wait(lambda expected=accept: expected in visitor.text("#result-here .se-menu"))


def test_results_are_copied_and_downloaded(visitor: Visitor, tmp_path: Path, entities: list[dict[str, Any]]) -> None:
    visitor.analyze()
    visitor.downloads_to(tmp_path)
    for action, name in (("json", "entities.json"), ("csv", "entities.csv"), ("html", "review.html")):
        visitor.click(f"#result-here [data-action={action}]")
        visitor.wait((tmp_path / name).exists)
        visitor.wait(lambda: "已下载" in visitor.text("#result-here .hn-told"))
    data = json.loads((tmp_path / "entities.json").read_text(encoding="utf-8"))
    assert data["text"] == TEXT
    assert [entity["word"] for entity in data["entities"]] == [entity["word"] for entity in entities]
    assert data["entities"][0]["votes"] == entities[0]["votes"]
    lines = (tmp_path / "entities.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 1 + len(entities)
    assert entities[0]["word"] in lines[1]
    assert (tmp_path / "review.html").read_text(encoding="utf-8").count("<mark") == len(entities)


def test_a_link_restores_text_and_settings_and_holds_no_key(visitor: Visitor, composite: HybridNerModel) -> None:
    visitor.analyze()
    visitor.open_settings()
    visitor.click("#llm > button")
    visitor.type("#key input", KEY)
    # One straight after the other: the second changes while the model still reads because of the first.
    visitor.choose_setting("decoding", "nested")
    visitor.slide(0.2)
    visitor.wait(lambda: "τ = 0.20" in visitor.text("#preview"))

    def copied_link() -> str:
        return str(
            visitor.run(
                "let copied = ''; navigator.clipboard.writeText = async (text) => { copied = text; };"
                "document.querySelector('[data-action=copy_link]').click(); return copied"
            )
        )

    def settings() -> tuple[Any, Any]:
        packed = copied_link().removeprefix(visitor.url + "#hn=")
        state = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        return state["decoding"], state["threshold"]

    visitor.wait(lambda: settings() == ("nested", 0.2))
    visitor.open(copied_link().removeprefix(visitor.url))
    visitor.wait(lambda: visitor.text("#result-here .se-text") == TEXT)
    assert visitor.one("#text textarea").get_property("value") == TEXT
    visitor.open_settings()
    visitor.wait(lambda: "τ = 0.20" in visitor.text("#preview"))
    assert visitor.run("return document.querySelector('#decoding input:checked').value") == "nested"
    expected = HybridNerPipeline(composite, device="cpu")(TEXT, decoding="nested")
    visitor.wait(lambda: len(visitor.all(MARKS)) == len(expected))
    state = visitor.run("return hybridner.exports.readLink()")
    assert KEY not in state
    assert set(json.loads(state)) == {"text", "model", "strategy", "decoding", "uncertainty", "threshold", "by_label"}
    visitor.open("#hn=nonsense")
    visitor.wait(lambda: visitor.text("#result-here .se-text") == EXAMPLE)


def test_another_model_is_chosen_with_its_own_examples(visitor: Visitor) -> None:
    visitor.click("#card > button")
    visitor.wait(lambda: "The card of the model" in visitor.text("#card-text"))
    assert visitor.is_shown("#example-1")
    assert not visitor.is_shown("#example-2")
    visitor.one("#model input").click()
    visitor.wait(lambda: len(visitor.all("[role=option]")) == 2)
    visitor.press("\ue015")
    visitor.press("\ue007")
    visitor.wait(lambda: not visitor.is_shown("#example-0"))
    assert "没有自带示例" in visitor.text("#examples-title")
    visitor.analyze()


def test_the_foot_opens_the_description_of_the_interface(visitor: Visitor) -> None:
    visitor.click(".hn-foot button")
    visitor.wait(lambda: "/analyze" in visitor.text("body") and "gradio_client" in visitor.text("body"))
    # gradio asks for a description of tools that the page does not have, and says so on the console.
    assert all("/mcp/schema" in complaint for complaint in visitor.complaints())


def test_html_in_the_text_stays_text(visitor: Visitor) -> None:
    nasty = "北约<img src=x onerror=document.title='gotcha'> ${document.title='gotcha'} {{7*7}} &amp; 叙利亚"
    visitor.analyze(nasty)
    assert not visitor.all("#result-here img")
    assert visitor.run("return document.title") == "hybridner"


def test_blank_and_long_texts_get_a_message(visitor: Visitor) -> None:
    visitor.type("#text textarea", " ")
    visitor.click("#analyze")
    visitor.wait(lambda: "请输入文本" in visitor.text("#message"))
    visitor.run(
        "const t = arguments[0]; t.value = '长'.repeat(3001); t.dispatchEvent(new Event('input', {bubbles: true}))",
        visitor.one("#text textarea"),
    )
    visitor.click("#analyze")
    visitor.wait(lambda: "3001" in visitor.text("#message"))
    assert visitor.text("#result-here .se-text") == EXAMPLE, "what was there stays"


def test_an_example_is_read_at_once(visitor: Visitor) -> None:
    visitor.click("#example-1")
    visitor.wait(lambda: "乌克兰" in visitor.one("#text textarea").get_property("value"))
    visitor.wait(lambda: "乌克兰" in visitor.text("#result-here .se-text"))


def with_llm(visitor: Visitor, endpoint: str) -> None:
    visitor.open_settings()
    visitor.click("#llm > button")
    visitor.wait(lambda: visitor.is_shown("#endpoint"))
    visitor.click("#use-llm input")
    for selector, value in (("#endpoint", endpoint), ("#llm-model", "some-model"), ("#key", KEY)):
        visitor.type(f"{selector} input, {selector} textarea", value)
    visitor.analyze()


def test_the_llm_is_asked_and_its_answers_are_shown(
    visitor: Visitor, llm_server: ScriptedServer, space: tuple[str, Path]
) -> None:
    with_llm(visitor, llm_server.url)
    visitor.wait(lambda: "大模型已回答" in visitor.text("#message"))
    visitor.wait(lambda: visitor.all("#result-here mark.se-by-llm"))
    assert "大模型（served-model-v2）" in visitor.text("#result-here .hn-table")
    assert visitor.all("#changes tbody tr")
    sent = len(llm_server.requests)
    # Another strategy finds the answers again, and nothing is paid for them.
    visitor.choose_setting("strategy", "mean")
    visitor.wait(lambda: "用过的回答" in visitor.text("#changes"))
    assert visitor.all("#result-here mark.se-by-llm")
    assert len(llm_server.requests) == sent
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
    assert len(visitor.all(MARKS)) == len(entities)


QUEUE = [{"id": f"s{number}", "text": f"{number}月，北约在叙利亚部署了克拉苏哈干扰机。"} for number in range(5)]


def queue_file(folder: Path, items: list[dict[str, Any]] = QUEUE) -> Path:
    path = folder / "queue.jsonl"
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
    return path


def test_a_queue_is_worked_through_saved_and_exported(
    visitor: Visitor, tmp_path: Path, composite: HybridNerModel, kept_reviews: Path
) -> None:
    from selenium.webdriver import Keys

    visitor.load_queue(queue_file(tmp_path))
    assert "第 1 / 5 条" in visitor.text(".hn-place")
    doubts = visitor.run("return [...document.querySelectorAll('.hn-doubt-bar')].map(e => e.style.getPropertyValue('--share'))")
    assert doubts == sorted(doubts, key=float, reverse=True), "the most doubtful first"
    visitor.run("document.querySelector('#queue-here .se-text').focus()")
    for done in (1, 2):
        visitor.press(Keys.SHIFT, Keys.ENTER)
        visitor.wait(lambda expected=done: f"已完成 {expected} / 5" in visitor.text(".hn-queue .hn-progress"))
    assert "第 3 / 5 条" in visitor.text(".hn-place")
    visitor.press("]")
    assert "第 4 / 5 条" in visitor.text(".hn-place")
    visitor.press(Keys.PAGE_UP)
    assert "第 3 / 5 条" in visitor.text(".hn-place")
    visitor.wait(lambda: "服务器上" in visitor.text(".hn-queue .hn-work .hn-small-print"))
    (kept,) = kept_reviews.glob("*.jsonl")
    assert len(read_feedback(kept, composite.config.labels)) == 2
    # A reload loses nothing; the queue goes on where it was.
    visitor.open()
    visitor.open_file_tab()
    visitor.wait(lambda: visitor.is_shown(".hn-resume"))
    visitor.button("继续", ".hn-resume")
    visitor.wait(lambda: "已完成 2 / 5" in visitor.text(".hn-queue .hn-progress"))
    visitor.downloads_to(tmp_path)
    visitor.button("导出", ".hn-queue")
    visitor.wait((tmp_path / "feedback.jsonl").exists)
    reviews = read_feedback(tmp_path / "feedback.jsonl", composite.config.labels)
    assert {review.id for review in reviews} <= {item["id"] for item in QUEUE}
    assert len(reviews) == 2
    assert all(review.complete for review in reviews)
    visitor.run("const s = [...document.querySelectorAll('.hn-take-away select')].at(-1); s.value = 'conll';")
    visitor.button("导出", ".hn-queue")
    visitor.wait((tmp_path / "review.conll").exists)
    assert {record.text for record in read_records(tmp_path / "review.conll")} == {review.text for review in reviews}
    # In another browser, whose storage is empty, the server's copy is there.
    visitor.run("localStorage.clear()")
    visitor.open()
    visitor.load_queue(tmp_path / "queue.jsonl")
    visitor.wait(lambda: "已完成 2 / 5" in visitor.text(".hn-queue .hn-progress"))


def test_what_suggest_wrote_keeps_its_order_and_a_downloaded_review_goes_on(
    visitor: Visitor, tmp_path: Path, entities: list[dict[str, Any]]
) -> None:
    found = [{"start": 0, "end": 1, "label": "State", "uncertainty": 0.5}]
    texts = ["北约在这里。", TEXT, "叙利亚。"]
    visitor.load_queue(queue_file(tmp_path, [{"text": text, "entities": found} for text in texts]))
    assert [text[:2] for text in visitor.texts(".hn-entry")] == [text[:2] for text in texts]
    visitor.button("换一个文件", ".hn-queue")
    judged = {"text": TEXT, "complete": True, "entities": [{"start": 0, "end": 5, "label": "State", "review": "added"}]}
    (tmp_path / "more").mkdir()
    visitor.open()
    visitor.load_queue(queue_file(tmp_path / "more", [judged]))
    assert "已完成 1 / 1" in visitor.text(".hn-queue .hn-progress")
    assert visitor.texts("#queue-here mark.se-added") == [TEXT[:5]]


def test_the_page_speaks_english_too(visitor: Visitor) -> None:
    visitor.analyze()
    visitor.click("#language input[value=en]")
    visitor.wait(lambda: visitor.text("#analyze").strip() == "Analyze")
    visitor.open_settings()
    visitor.wait(lambda: "candidate spans" in visitor.text("#preview"))
    assert "Certainty" in visitor.text("#result-here .hn-table")
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
        assert visitor.run(WIDE) == []
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
        for ink, ground in visitor.run(COLORS, selector):
            assert contrast(ink, ground) >= 4.5, selector
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
    visitor.open_settings()
    box = visitor.one("#threshold input[type=number]")
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
    visitor.open_settings()
    labels = visitor.run("return [...document.querySelectorAll('#threshold input')].map(e => e.getAttribute('aria-label') ?? '')")
    assert all(not re.search("[A-Za-z]{3}", label) for label in labels)


def test_a_file_of_another_kind_is_refused_in_the_language_of_the_page(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "texts.docx").write_text("北约", encoding="utf-8")
    visitor.open_file_tab()
    visitor.one("#file input[type=file]").send_keys(str(tmp_path / "texts.docx"))
    visitor.wait(lambda: "texts" in visitor.text("#file"))
    visitor.click("#analyze-file")
    visitor.wait(lambda: "需要 .txt、.json 或 .jsonl 文件" in visitor.text("#file-result"))


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
    visitor.run(Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8"))
    assert serious_violations(visitor) == []


@pytest.mark.skipif("AXE_CORE" not in os.environ, reason="AXE_CORE names no axe.min.js (npm install axe-core)")
def test_axe_finds_no_serious_violation_in_a_queue(visitor: Visitor, tmp_path: Path) -> None:
    visitor.load_queue(queue_file(tmp_path))
    visitor.run(Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8"))
    assert serious_violations(visitor) == []


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
