"""Every figure of the README and the documentation is what a committed result holds."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
#: Numbers that look like measurements and are none: settings, versions, definitions, promises. Of each page, the words around.
NO_MEASUREMENT = {
    "README.md": ("Python 3.11 to 3.13", "Apache 2.0", "CC-BY-4.0", "Apache-2.0"),
    "README_zh.md": ("Python 3.11 至 3.13", "Apache 2.0", "CC-BY-4.0", "Apache-2.0"),
    "install.md": ("Python 3.11 to 3.13",),
    "concepts.md": (
        "0.99 means less typical than 99 %",
        "a score above 0.95 comes once",
        "(0.95, in the composite's configuration)",
        "to promise that 95 % of them are right",
        "of 0.95 nothing is added",
        "a probability of at least 0.9",
        "(0.1 decisions more",
        "at least 0.1 times as probable",
        "0.8 · P of SpanNER + 1.0 · F1",
        "routes 0.2 spans",
        "1.5 billion parameters",
    ),
    "quickstart.md": ("0.99 表示比 99 %", "95 % 正确"),
    "terms.md": ("trusted at 0.6",),
    "faq.md": ("τ is 0.5", "torch 2.6\nto 2.x", "127.0.0.1"),
}
#: A number with a unit that things are measured in, or one with decimals.
_FIGURE = re.compile(
    r"(?<![\w.,])[+−-]?\d[\d,]*(?:\.\d+)?"
    r"(?=[ -]?(?:%|MB|ms\b|seconds?\b|minutes?\b|hours?\b|points?\b|times as|秒|分钟|小时|个百分点|倍))"
    r"|(?<![\w.])\d+\.\d+(?![\w.]*\w)"
)


def make_figures() -> ModuleType:
    specification = importlib.util.spec_from_file_location("make_figures", ROOT / "docs" / "make_figures.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


MAKE = make_figures()


def unmarked(text: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """Figures outside code, links, comments and the marks, with the words around them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = MAKE.MARKED.sub("¤", text)
    text = re.sub(r"`[^`\n]*`|\]\([^)]*\)|<!--.*?-->", "", text, flags=re.DOTALL)
    for words in allowed:
        text = text.replace(words, "")
    return [text[max(0, found.start() - 40) : found.end() + 20] for found in _FIGURE.finditer(text)]


@pytest.mark.parametrize("page", MAKE.PAGES, ids=lambda page: page.name)
def test_pages_say_what_the_results_say(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == MAKE.render(text), "run `python docs/make_figures.py`"


@pytest.mark.parametrize("page", [page for page in MAKE.PAGES if page.name != "cli.md"], ids=lambda page: page.name)
def test_no_figure_stands_outside_the_marks(page: Path) -> None:
    found = unmarked(page.read_text(encoding="utf-8"), NO_MEASUREMENT.get(page.name, ()))
    assert not found, "mark them as docs/make_figures.py says, or name them in NO_MEASUREMENT where nothing was measured"


def test_figures_outside_are_seen() -> None:
    for text in ("F1 is 81.4 here", "it took 12 seconds", "三倍：3 倍", "gains 2 points", "| 77.5 |", "fell by −3.2", "19 MB"):
        assert unmarked(text), text
    for text in (
        "`0.3`",
        "```\nF1 81.4\n```",
        "[3.1](a.md)",
        "13 types of 1,730 sentences",
        "<!--= a.json > b > .1f -->81.4<!--=-->",
    ):
        assert text == "[3.1](a.md)" or not unmarked(text), text
    assert not unmarked("torch 2.6 to 2.x", ("torch 2.6 to 2.x",))


def test_a_place_in_the_results_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"settings": [{"about": {"data": "A", "n": 1}, "f1": 0.8136}, {"about": {"data": "A", "n": 2}, "f1": -0.5}]}
    (tmp_path / "made-up.json").write_text(json.dumps(data), encoding="utf-8")
    monkeypatch.setattr(MAKE, "RESULTS", tmp_path)
    page = "x <!--= made-up.json > settings > about.data=A&about.n=1 > f1 > 100*+.1f -->?<!--=--> y"
    assert MAKE.render(page).endswith("-->+81.4<!--=--> y")
    assert MAKE.render(MAKE.render(page)) == MAKE.render(page)
    with pytest.raises(KeyError, match="2 elements"):
        MAKE.render(page.replace("&about.n=1", ""))
    with pytest.raises(KeyError, match="f2"):
        MAKE.render(page.replace("> f1", "> f2"))
    with pytest.raises(ValueError, match="no format"):
        MAKE.render(page.replace("100*+.1f", "percent"))
