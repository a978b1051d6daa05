"""Somebody on the page, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.browser import Page
from tests.support.tiny import TEXT

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

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

    def result(self) -> dict[str, Any]:
        """What the page's script has been given to show."""
        return json.loads(self.run("return document.querySelector('[data-result]')?.dataset.result ?? '{}'"))

    def wait_for_setting(self, name: str, value: object) -> None:
        """Until what is shown was made with it."""
        self.wait(lambda: self.result()["settings"][name] == value)

    def choose_setting(self, name: str, value: str) -> None:
        self.open_settings()
        self.click(f"#{name} input[value={value}]")
        self.wait_for_setting(name, value)

    def analyze(self, text: str = TEXT) -> None:
        self.type("#text textarea", text)
        self.click("#analyze")
        self.wait(lambda: self.text("#result-here .se-text") == text)

    def slide(self, value: float) -> None:
        self.open_settings()
        self.run(
            "const s = arguments[0]; s.value = arguments[1]; for (const kind of ['input', 'change', 'pointerup'])"
            "  s.dispatchEvent(new Event(kind, {bubbles: true}));",
            self.ready("#threshold input[type=range]"),
            value,
        )
        self.wait_for_setting("threshold", value)

    def click_mark(self, at: int, box: str = "#result-here") -> None:
        """With the mouse, on the character at an offset of the text."""
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", f"{box} .se-text")
        left, right, middle = self.character(f"{box} .se-text", at)
        self.drag(((left + right) / 2, middle))

    def choose(self, action: str, box: str = "#result-here") -> None:
        self.drag(self.middle(f"{box} .se-menu .se-{action}"))

    def speak(self, language: str, word: str) -> None:
        """The other language, in which the button is called so; the result is told anew in it."""
        before = self.result()
        self.click(f"#language input[value={language}]")
        self.wait(lambda: self.text("#analyze").strip() == word and self.result() != before)

    def button(self, name: str, box: str = "#result-here") -> None:
        """Click the button of that name."""
        find = "[...document.querySelectorAll(`${arguments[0]} button`)].find(b => b.textContent.includes(arguments[1]))"
        self.wait(lambda: self.run(f"const button = {find}; return button?.checkVisibility() && !button.disabled", box, name))
        self.run(f"{find}.click()", box, name)

    def downloads_to(self, folder: Path) -> None:
        self.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})

    def downloaded(self, path: Path) -> Path:
        """The file, as soon as it is whole."""
        self.wait(lambda: path.exists() and path.stat().st_size and not list(path.parent.glob("*.crdownload")))
        return path

    def open_file_tab(self) -> None:
        self.wait(lambda: len(self.all("button[role=tab]")) > 1)
        self.run("document.querySelectorAll('button[role=tab]')[1].click()")
        self.wait(lambda: self.all("#file input[type=file]"))

    def analyze_file(self, path: Path) -> None:
        self.open_file_tab()
        self.one("#file input[type=file]").send_keys(str(path))
        # While it is still being sent, its name stands elsewhere.
        self.wait(lambda: path.stem in self.text("#file .file-preview"))
        self.click("#analyze-file")

    def load_queue(self, path: Path) -> None:
        self.analyze_file(path)
        self.wait(lambda: self.is_shown(".hn-queue"))


QUEUE = [{"id": f"s{number}", "text": f"{number}月，北约在叙利亚部署了克拉苏哈干扰机。"} for number in range(5)]


def queue_file(folder: Path, items: list[dict[str, Any]] = QUEUE) -> Path:
    path = folder / "queue.jsonl"
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
    return path
