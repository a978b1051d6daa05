"""The documentation as a site: it builds without a warning, its links lead somewhere, and Chinese words are found."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import hybridner

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_link_leads_to_a_page_and_a_place_in_it(site: Path) -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 25
    places = {path: set(re.findall(r'\bid="?([^"\s>]+)', text)) for path, text in pages.items()}
    missing = []
    for path, text in pages.items():
        for link in re.findall(r'<(?:a|img)\b[^>]*?\b(?:href|src)="([^"]+)"', text):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (parts.fragment and target in places and unquote(parts.fragment) not in places[target]):
                missing.append((str(path.relative_to(site)), link))
    assert not missing


def test_what_hybridner_exports_is_in_the_reference(site: Path) -> None:
    reference = "".join(path.read_text(encoding="utf-8") for path in (site / "api").rglob("*.html"))
    documented = {name.rpartition(".")[2] for name in re.findall(r'id="(hybridner\.[\w.]+)"', reference)}
    assert set(hybridner.__all__) - {"__version__"} <= documented
    assert re.findall(r"\]\[hybridner\.[\w.]+", reference) == [], "these names are in no page"
    assert "<blockquote>" not in reference, "an example that is not shown as code"


def test_chinese_words_are_found(site: Path) -> None:
    # A space of no width stands between words of Chinese text in the index.
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert r"\u200b" in index["config"]["separator"]
    separator = re.compile(index["config"]["separator"])
    words = {word for page in index["docs"] if page["location"].startswith("zh/") for word in separator.split(page["text"])}
    assert {"实体", "阈值", "标签", "复核"} <= words
