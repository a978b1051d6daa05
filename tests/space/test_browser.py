"""A click-through in headless Chromium: what a visitor does, and what the page shows, asks for and keeps."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.data.feedback import read_feedback
from hybridner.data.reading import read_records
from hybridner.ensemble import available_strategies
from tests.llm.scripted_server import KEY, Reply, ScriptedServer, problem
from tests.space.conftest import EXAMPLE
from tests.support.browser import needs_browser
from tests.support.reading import candidates_of
from tests.support.tiny import TEXT
from tests.support.visitor import MARKS, QUEUE, ROWS, Visitor, queue_file

pytestmark = needs_browser
pytest.importorskip("gradio", reason="gradio is not installed")


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
    visitor.wait_for_text("#preview", "候选片段")


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
    values = "return [...document.querySelectorAll('#strategy input')].map(part => part.value)"
    visitor.wait(lambda: tuple(visitor.run(values)) == available_strategies(composite.combiner_weights))
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
    visitor.wait(lambda: visitor.run("return document.documentElement.scrollHeight") < 2500)
    visitor.run(f"[...document.querySelectorAll('{ROWS}')].at(-1).querySelector('button').click()")
    visitor.wait(lambda: visitor.all("#result-here .se-selected"))
    is_in_its_frame = (
        "const mark = document.querySelector('#result-here .se-selected').getClientRects()[0];"
        "const frame = document.querySelector('#result-here .se-frame').getBoundingClientRect();"
        "return mark.top >= frame.top && mark.bottom <= frame.bottom"
    )
    visitor.wait(lambda: visitor.run(is_in_its_frame))


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
    visitor.wait_for_setting("strategy", "score")
    visitor.wait_for_setting("decoding", "flat")
    visitor.button("其余都对")
    visitor.wait(lambda: "本文已看完" in visitor.text("#result-here .hn-progress"))
    visitor.downloads_to(tmp_path)
    visitor.button("下载复核结果（1 条文本）")
    (review,) = read_feedback(visitor.downloaded(tmp_path / "feedback.jsonl"), composite.config.labels)
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
        visitor.downloaded(tmp_path / name)
        visitor.wait_for_text("#result-here .hn-told", "已下载")
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
    visitor.click("#decoding input[value=nested]")
    visitor.slide(0.2)
    visitor.wait_for_text("#preview", "τ = 0.20")

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
    visitor.wait(lambda: visitor.one("#text textarea").get_property("value") == TEXT)
    visitor.open_settings()
    visitor.wait_for_text("#preview", "τ = 0.20")
    visitor.wait(lambda: visitor.run("return document.querySelector('#decoding input:checked')?.value") == "nested")
    expected = HybridNerPipeline(composite, device="cpu")(TEXT, decoding="nested")
    visitor.wait(lambda: len(visitor.all(MARKS)) == len(expected))
    state = visitor.run("return hybridner.exports.readLink()")
    assert KEY not in state
    assert set(json.loads(state)) == {"text", "model", "strategy", "decoding", "uncertainty", "threshold", "by_label"}
    visitor.open("#hn=nonsense")
    visitor.wait(lambda: visitor.text("#result-here .se-text") == EXAMPLE)


def test_another_model_is_chosen_with_its_own_examples(visitor: Visitor) -> None:
    visitor.click("#card > button")
    visitor.wait_for_text("#card-text", "The card of the model")
    assert visitor.is_shown("#example-1")
    assert not visitor.is_shown("#example-2")
    visitor.ready("#model input").click()
    visitor.wait(lambda: len(visitor.all("[role=option]")) == 2)
    visitor.press("\ue015")
    visitor.press("\ue007")
    visitor.wait(lambda: not visitor.is_shown("#example-0"))
    visitor.wait_for_text("#examples-title", "没有自带示例")
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
    visitor.wait_for_text("#message", "大模型已回答")
    visitor.wait(lambda: visitor.all("#result-here mark.se-by-llm"))
    visitor.wait_for_text("#result-here .hn-table", "大模型（served-model-v2）")
    visitor.wait(lambda: visitor.all("#changes tbody tr"))
    sent = len(llm_server.requests)
    # Another strategy finds the answers again, and nothing is paid for them.
    visitor.choose_setting("strategy", "mean")
    visitor.wait_for_text("#changes", "用过的回答")
    visitor.wait(lambda: visitor.all("#result-here mark.se-by-llm"))
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
    visitor.wait(lambda: len(visitor.all(MARKS)) == len(entities))


def test_a_queue_is_worked_through_saved_and_exported(
    visitor: Visitor, tmp_path: Path, composite: HybridNerModel, kept_reviews: Path
) -> None:
    from selenium.webdriver import Keys

    kept_before = set(kept_reviews.glob("*.jsonl"))
    visitor.load_queue(queue_file(tmp_path))
    visitor.wait_for_text(".hn-place", "第 1 / 5 条")
    doubts = visitor.run("return [...document.querySelectorAll('.hn-doubt-bar')].map(e => e.style.getPropertyValue('--share'))")
    assert doubts == sorted(doubts, key=float, reverse=True), "the most doubtful first"
    visitor.run("document.querySelector('#queue-here .se-text').focus()")
    for done in (1, 2):
        visitor.press(Keys.SHIFT, Keys.ENTER)
        visitor.wait(lambda expected=done: f"已完成 {expected} / 5" in visitor.text(".hn-queue .hn-progress"))
    visitor.wait_for_text(".hn-place", "第 3 / 5 条")
    visitor.press("]")
    visitor.wait_for_text(".hn-place", "第 4 / 5 条")
    visitor.press(Keys.PAGE_UP)
    visitor.wait_for_text(".hn-place", "第 3 / 5 条")
    visitor.wait_for_text(".hn-queue .hn-work .hn-small-print", "服务器上")
    (kept,) = set(kept_reviews.glob("*.jsonl")) - kept_before
    visitor.wait(lambda: len(read_feedback(kept, composite.config.labels)) == 2)
    # A reload loses nothing; the queue goes on where it was.
    visitor.open()
    visitor.open_file_tab()
    visitor.wait(lambda: visitor.is_shown(".hn-resume"))
    visitor.button("继续", ".hn-resume")
    visitor.wait_for_text(".hn-queue .hn-progress", "已完成 2 / 5")
    visitor.downloads_to(tmp_path)
    visitor.button("导出", ".hn-queue")
    reviews = read_feedback(visitor.downloaded(tmp_path / "feedback.jsonl"), composite.config.labels)
    assert {review.id for review in reviews} <= {item["id"] for item in QUEUE}
    assert len(reviews) == 2
    assert all(review.complete for review in reviews)
    visitor.run("const s = [...document.querySelectorAll('.hn-take-away select')].at(-1); s.value = 'conll';")
    visitor.button("导出", ".hn-queue")
    assert {record.text for record in read_records(visitor.downloaded(tmp_path / "review.conll"))} == {r.text for r in reviews}
    # In another browser, whose storage is empty, the server's copy is there.
    visitor.run("localStorage.clear()")
    visitor.open()
    visitor.load_queue(tmp_path / "queue.jsonl")
    visitor.wait_for_text(".hn-queue .hn-progress", "已完成 2 / 5")


def test_what_suggest_wrote_keeps_its_order_and_a_downloaded_review_goes_on(
    visitor: Visitor, tmp_path: Path, entities: list[dict[str, Any]]
) -> None:
    found = [{"start": 0, "end": 1, "label": "State", "uncertainty": 0.5}]
    texts = ["北约在这里。", TEXT, "叙利亚。"]
    visitor.load_queue(queue_file(tmp_path, [{"text": text, "entities": found} for text in texts]))
    visitor.wait(lambda: [text[:2] for text in visitor.texts(".hn-entry")] == [text[:2] for text in texts])
    visitor.button("换一个文件", ".hn-queue")
    judged = {"text": TEXT, "complete": True, "entities": [{"start": 0, "end": 5, "label": "State", "review": "added"}]}
    (tmp_path / "more").mkdir()
    visitor.open()
    visitor.load_queue(queue_file(tmp_path / "more", [judged]))
    visitor.wait_for_text(".hn-queue .hn-progress", "已完成 1 / 1")
    visitor.wait(lambda: visitor.texts("#queue-here mark.se-added") == [TEXT[:5]])
