"""Headless Chromium, and a page in it with the few things that people do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.patience import PATIENCE, wait_until
from tests.support.ports import own_port

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), shutil.which("chromedriver")
#: Of a module whose tests need a browser.
needs_browser = pytest.mark.skipif(
    not CHROMIUM.exists() or DRIVER is None, reason="needs /usr/bin/chromium and chromedriver (Debian: chromium chromium-driver)"
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1200,1000"),
    "--accept-lang=zh-CN",
)


def open_browser(profile: Path) -> Chrome:
    """A browser of its own; who calls it ends it with `quit`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER, port=own_port()))
    driver.set_script_timeout(PATIENCE)
    return driver


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser for all tests of a process."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    driver = open_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


#: Where the character at an offset of an element's text stands in the window: left, right, top and bottom.
_CHARACTER = """
let [root, at] = arguments;
const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const characters = [...node.data];
  if (at < characters.length) {
    const before = characters.slice(0, at).join("").length;
    const range = document.createRange();
    range.setStart(node, before);
    range.setEnd(node, before + characters[at].length);
    let box = range.getBoundingClientRect();
    root.parentElement.scrollTop += Math.max(0, box.bottom - root.parentElement.getBoundingClientRect().bottom);
    box = range.getBoundingClientRect();
    return [box.left, box.right, box.top, box.bottom];
  }
  at -= characters.length;
}
throw new Error("there is no such character");
"""
#: Whether the first such element can be used.
_IS_READY = """
const element = document.querySelector(arguments[0]);
return Boolean(element?.checkVisibility({visibilityProperty: true}) && !element.disabled);
"""
#: Whether it stands in the next frame where it stood in this one: a page that opens a section moves for a while.
_HAS_SETTLED = """
const [selector, done] = arguments;
const place = () => {
  const box = document.querySelector(selector)?.getBoundingClientRect();
  return box ? [box.x, box.y, box.height].join() : "";
};
const before = place();
requestAnimationFrame(() => requestAnimationFrame(() => done(before !== "" && before === place())));
"""


class Page:
    """A browser's page."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        """The first such element, as soon as there is one."""
        self.wait(lambda: self.all(selector))
        return self.all(selector)[0]

    def ready(self, selector: str) -> Any:
        """The first such element, as soon as it is there, shown, enabled and no longer moves."""
        self.wait(lambda: self.run(_IS_READY, selector) and self.browser.execute_async_script(_HAS_SETTLED, selector))
        return self.one(selector)

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def texts(self, selector: str) -> list[str]:
        return list(self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector))

    def wait_for_text(self, selector: str, words: str) -> None:
        """Until they stand in the first such element."""
        self.wait(lambda: words in self.text(selector))

    def is_shown(self, selector: str) -> bool:
        return bool(self.run("return Boolean(document.querySelector(arguments[0])?.checkVisibility())", selector))

    def click(self, selector: str) -> None:
        self.run("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", self.ready(selector))

    def type(self, selector: str, text: str) -> None:
        field = self.ready(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", field)
        field.clear()
        field.send_keys(text)

    def press(self, *keys: str) -> None:
        """Keys of what has the focus; of several held together the first ones are modifiers."""
        from selenium.webdriver import ActionChains

        chain = ActionChains(self.browser)
        for key in keys[:-1]:
            chain.key_down(key)
        chain.send_keys(keys[-1])
        for key in keys[:-1]:
            chain.key_up(key)
        chain.perform()

    def wait(self, condition: Callable[[], Any]) -> None:
        wait_until(condition, lambda: f"waited in vain; the page says: {self.text('body')[:2000]}")

    def complaints(self) -> list[str]:
        """Errors on the console since the last call."""
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]

    def hosts(self) -> set[str]:
        """Everybody the page sent a request to since the last call."""
        found = set()
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                scheme, _, rest = message["params"]["request"]["url"].partition("://")
                if scheme in ("http", "https", "ws", "wss"):
                    found.add(rest.split("/")[0])
        return found

    # Real events of mouse and fingers, as the browser gets them from its devices.
    def character(self, selector: str, at: int) -> tuple[float, float, float]:
        """Left and right edge and middle line of a character, in the window."""
        left, right, top, bottom = self.run(_CHARACTER, self.ready(selector), at)
        return left, right, (top + bottom) / 2

    def mouse(self, kind: str, x: float, y: float, buttons: int = 1) -> None:
        self.browser.execute_cdp_cmd(
            "Input.dispatchMouseEvent",
            {"type": kind, "x": x, "y": y, "button": "left" if buttons else "none", "buttons": buttons, "clickCount": buttons},
        )

    def drag(self, *path: tuple[float, float]) -> None:
        """Press the mouse where the path begins, and let it go where it ends."""
        self.mouse("mouseMoved", *path[0], 0)
        self.mouse("mousePressed", *path[0])
        for point in path[1:]:
            self.mouse("mouseMoved", *point)
        self.mouse("mouseReleased", *path[-1])

    def touch(self, *path: tuple[float, float]) -> None:
        """One finger down where the path begins, and up where it ends."""
        for number, (x, y) in enumerate(path):
            kind = "touchMove" if number else "touchStart"
            self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def middle(self, selector: str) -> tuple[float, float]:
        """Of the first line of an element."""
        x, y = self.run(
            "const box = arguments[0].getClientRects()[0]; return [box.left + box.width / 2, box.top + box.height / 2]",
            self.ready(selector),
        )
        return float(x), float(y)
