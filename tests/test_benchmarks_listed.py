"""benchmarks/README.md lists what there is: every script on a line of its own, every result on a page that can be come to."""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
RESULTS = BENCHMARKS / "results"
INDEX = BENCHMARKS / "README.md"
#: A file of results as pages name it: in a link, in the text, in the mark of a figure; a `*` inside for several of a kind.
_NAMED = re.compile(r"[\w./-]+(?:\*[\w./-]*)?\.(?:md|json|svg|png)\b")


def scripts() -> set[str]:
    """Modules and packages of benchmarks/, without those of other environments."""
    modules = {path.stem for path in BENCHMARKS.glob("*.py") if path.stem != "__init__"}
    return modules | {path.parent.name for path in BENCHMARKS.glob("*/__main__.py")}


def named(page: Path) -> set[str]:
    """The results that a page names, as paths below the folder of results."""
    names = {name.rpartition("results/")[2] for name in _NAMED.findall(page.read_text(encoding="utf-8"))}
    return {name for name in names if not name.startswith("*")}


def unnamed(results: set[str], start: set[str], pages: dict[str, set[str]]) -> set[str]:
    """The results that are named neither at the start nor on a page that is."""
    reached: set[str] = set()
    names = start
    while new := {result for result in results - reached if any(fnmatch(result, name) for name in names)}:
        reached |= new
        names = {name for page in new for name in pages.get(page, ())}
    return results - reached


def test_every_script_has_one_line() -> None:
    text = INDEX.read_text(encoding="utf-8")
    lines = Counter(re.findall(r"^(?:python -m benchmarks\.|- `)(\w+)", text, re.MULTILINE))
    assert set(lines) == scripts()
    assert set(lines.values()) == {1}


def test_every_result_is_named_on_a_page() -> None:
    results = {path.relative_to(RESULTS).as_posix() for path in RESULTS.rglob("*") if path.is_file()}
    pages = {result: named(RESULTS / result) for result in results if result.endswith(".md")}
    # Pages of folders name what lies beside them.
    pages |= {
        page: {f"{page.rpartition('/')[0]}/{name}" for name in names} | names for page, names in pages.items() if "/" in page
    }
    start = {name for page in (INDEX, *ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")) for name in named(page)}
    assert not unnamed(results, start, pages), "name them in benchmarks/README.md or on a page of results, or delete them"


def test_results_that_no_page_names_are_seen() -> None:
    pages = {"a.md": {"b-*.json", "c.md"}, "c.md": {"d.json"}, "lost.md": {"e.json"}}
    results = {*pages, "b-1.json", "d.json", "e.json"}
    assert unnamed(results, {"a.md"}, pages) == {"lost.md", "e.json"}
    assert not unnamed(results, {"a.md", "lost.md"}, pages)
