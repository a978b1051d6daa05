"""The page in a browser: layout shift, time to a result, clicks and keys to correct ten errors, and a queue of a thousand texts.

Needs selenium, Chromium and chromedriver. What the page was like before is given as a file of figures of the same names.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import RESULTS
from benchmarks.space_load import page
from hybridner.space.examples import examples_for
from tests.support.browser import Page, open_browser

_SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: 'layout-shift', buffered: true });
"""
_CLICKS = """
const done = arguments[0];
const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
(async () => {
  const times = [];
  const timed = async (work) => {
    const start = performance.now();
    work();
    await frame();
    times.push(performance.now() - start);
  };
  const entries = document.querySelectorAll('.hn-entry');
  for (let turn = 0; turn < 20; turn += 1) await timed(() => entries[(turn * 379) % entries.length].click());
  for (let turn = 0; turn < 20; turn += 1) {
    await timed(() => document.querySelectorAll('.hn-work .hn-review-bar button')[1].click());
  }
  done(times);
})();
"""
_DOMAIN = "卫星导航"


class Counting(Page):
    """Counts what a person presses: each click, each key, a drag as two."""

    actions = 0

    def drag(self, *path: tuple[float, float]) -> None:
        self.actions += 1 if len(path) == 1 else 2
        super().drag(*path)

    def press(self, *keys: str) -> None:
        self.actions += len(keys)
        super().press(*keys)

    def click_at(self, at: int) -> None:
        left, right, middle = self.character("#result-here .se-text", at)
        self.drag(((left + right) / 2, middle))

    def select(self, start: int, end: int) -> None:
        left, _, top = self.character("#result-here .se-text", start)
        _, right, bottom = self.character("#result-here .se-text", end - 1)
        self.drag((left + 1, top), ((left + right) / 2, (top + bottom) / 2), (right - 1, bottom))


def analyzed(browser: Page, text: str) -> float:
    """Seconds from the click until the result of a text is there."""
    browser.type("#text textarea", text)
    start = time.perf_counter()
    browser.click("#analyze")
    browser.wait(lambda: browser.text("#result-here .se-text") == text)
    return time.perf_counter() - start


def correct_ten(browser: Counting) -> int:
    """Clicks and keys for three wrong types, three wrong ends, two that are none and two that were missed.

    What the model found is taken to be wrong in these ways, so that the count does not depend on the model.
    """
    marks = browser.run("return hybridnerBench().found.filter((mark) => mark.label !== null)")
    gaps = browser.run("return hybridnerBench().gaps")
    assert len(marks) >= 8, "the text needs eight entities"
    assert len(gaps) >= 2, "and two gaps between them"
    browser.run("document.querySelector('#result-here').scrollIntoView()")
    for mark in marks[:3]:
        browser.click_at(mark["start"])
        browser.press("1" if mark["label"] != browser.run("return hybridnerBench().types[0].name") else "2")
    for mark in marks[3:6]:
        browser.click_at(mark["start"])
        browser.press("\ue012")  # inwards, so that it meets no neighbor
    for mark in marks[6:8]:
        browser.click_at(mark["start"])
        browser.press("\ue017")
    for start, end in gaps[:2]:
        browser.select(start, end)
        browser.press("3")
    reviews = browser.run("return hybridnerBench().touched.map((entry) => entry.review).sort()")
    assert reviews.count("corrected") == 6, reviews
    assert reviews.count("deleted") >= 2, reviews
    assert reviews.count("added") == 2, reviews
    return browser.actions


#: What the benchmark reads of the page's state: the data that its script was given, and what it made of it since.
_STATE = """
const panel = document.querySelector('#result-here');
window.hybridnerBench = () => {
  const data = JSON.parse(document.querySelector('.hn-data[data-result]').dataset.result);
  const characters = [...data.text];
  const marks = data.found.filter((mark) => mark.label !== null);
  const free = characters.map((_, at) => !data.found.some((mark) => mark.start <= at && at < mark.end));
  const gaps = [];
  for (let at = 0; at + 2 <= characters.length; at += 1) {
    if (free[at] && free[at + 1] && /^[\\u4e00-\\u9fff]{2}$/.test(characters[at] + characters[at + 1])) {
      gaps.push([at, at + 2]);
      at += 5;
    }
  }
  return { found: data.found, types: data.types, gaps, touched: window.hybridnerEditor?.touched ?? [] };
};
const original = SpansEditor.prototype.render;
SpansEditor.prototype.render = function () { window.hybridnerEditor = this; return original.call(this); };
"""


def measure(url: str, folder: Path) -> dict[str, Any]:
    """All figures of one page."""
    browser = Counting(open_browser(folder / "profile"))
    try:
        browser.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _SHIFTS})
        start = time.perf_counter()
        browser.browser.get(url)
        browser.wait(lambda: browser.all("#result-here mark"))
        arrival = time.perf_counter() - start
        time.sleep(2)
        on_arrival = browser.run("return window.shift")
        texts = examples_for(_DOMAIN)
        times = [analyzed(browser, text) for text in texts[1:]]
        time.sleep(1)
        after_results = browser.run("return window.shift")
        long_text = "".join(texts * 10)[:3000]
        analyzed(browser, long_text)
        height = browser.run("return document.documentElement.scrollHeight")
        browser.run(_STATE)
        analyzed(browser, texts[0] + texts[1])
        actions = correct_ten(browser)
        return {
            "layout_shift_on_arrival": on_arrival,
            "layout_shift_after_results": after_results,
            "first_result_seconds": arrival,
            "result_seconds_median": statistics.median(times),
            "page_height_of_3000_characters": height,
            "clicks_and_keys_for_ten_errors": actions,
            "queue": queue_figures(browser, folder),
        }
    finally:
        browser.browser.quit()


def queue_figures(browser: Page, folder: Path, count: int = 1000) -> dict[str, Any]:
    """Milliseconds from a click to the next frame, in a queue of so many texts."""
    texts = examples_for(_DOMAIN)
    path = folder / "queue.jsonl"
    lines = (json.dumps({"id": str(n), "text": f"{texts[n % len(texts)][:60]}（{n}）"}, ensure_ascii=False) for n in range(count))
    path.write_text("\n".join(lines), encoding="utf-8")
    browser.run("document.querySelectorAll('button[role=tab]')[1].click()")
    browser.wait(lambda: browser.all("#file input[type=file]"))
    browser.one("#file input[type=file]").send_keys(str(path))
    browser.wait(lambda: path.stem in browser.text("#file .file-preview"))
    start = time.perf_counter()
    browser.click("#analyze-file")
    browser.wait(lambda: browser.is_shown(".hn-queue"))
    ready = time.perf_counter() - start
    clicks = browser.browser.execute_async_script(_CLICKS)
    return {"texts": count, "ready_seconds": ready, "click_ms_median": statistics.median(clicks), "click_ms_largest": max(clicks)}


_ROWS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("layout shift on arrival", "layout_shift_on_arrival", "{:.3f}".format),
    ("layout shift on arrival and over five results", "layout_shift_after_results", "{:.3f}".format),
    ("from the address to the first result", "first_result_seconds", "{:.1f} s".format),
    ("from the click to the result, median of five", "result_seconds_median", "{:.2f} s".format),
    ("height of the page with 3,000 characters", "page_height_of_3000_characters", "{:,} px".format),
    ("clicks and keys to correct ten errors", "clicks_and_keys_for_ten_errors", "{}".format),
)


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    before, now = figures["before"], figures["now"]
    rows = [f"| {title} | {show(before[key])} | {show(now[key])} |" for title, key, show in _ROWS]
    queue = now["queue"]
    rows.append(f"| queue of {queue['texts']} texts: analyzed and ready | – | {queue['ready_seconds']:.0f} s |")
    rows.append(
        f"| the same: from a click to the next frame, median / largest of 40 | – | {queue['click_ms_median']:.0f} / "
        f"{queue['click_ms_largest']:.0f} ms |"
    )
    body = "\n".join(rows)
    return f"""# The page in a browser

`python -m benchmarks.space_page`: {figures["model"]}, headless Chromium, 2 cores, page and browser on the same
machine; beside it ran {figures["beside"]}. Before is {figures["before_is"]}.
The ten errors: three types, three ends, two that are no entities, two that
were missed; a key held together with another counts too, a drag counts twice.

| what | before | now |
|---|---:|---:|
{body}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, default=RESULTS / "space_page.json", help="figures to compare with")
    parser.add_argument("--beside", default="nothing", help="what else ran on the machine meanwhile")
    options = parser.parse_args()
    known = json.loads(options.before.read_text(encoding="utf-8"))
    with page(None) as (url, _), tempfile.TemporaryDirectory() as folder:
        now = measure(url, Path(folder))
    about = {"model": "the bundled model", "before_is": known["before_is"], "beside": options.beside}
    figures = {**about, "before": known["before"], "now": now}
    (RESULTS / "space_page.json").write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (RESULTS / "space_page.md").write_text(table(figures), encoding="utf-8")
    print(table(figures))


if __name__ == "__main__":
    main()
