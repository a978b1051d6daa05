"""A hook of the site: pages that lie beside docs/ are taken in, and links lead to them as they do in the repository.

On the site the pages of docs/ lie at its root, and those of other folders under the names that they have in the repository.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
#: What is taken in from beside docs/.
OTHERS = (
    "CHANGELOG.md",
    "benchmarks/README.md",
    "benchmarks/results/*.*",
    "benchmarks/results/ensemble/*.*",
    "notebooks/*.ipynb",
)
_SUFFIXES = {".md", ".ipynb", ".png", ".svg"}
_DOCS = "docs/"
_ANCHOR = re.compile(r'<a href="([^"#:]+)(#[^"]*)?"[^>]*>(.*?)</a>', re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#:]+)(#[^)]*)?\)")


@event_priority(100)  # before the plugins that look through the files, such as that of the notebooks
def on_files(files: Files, config: Any) -> Files:
    """Take in the pages and pictures of other folders."""
    for pattern in OTHERS:
        for path in sorted(ROOT.glob(pattern)):
            if path.suffix in _SUFFIXES:
                name = path.relative_to(ROOT).as_posix()
                files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links between the repository's files as links between the site's pages; what the site has not becomes its name."""
    here = page.file.src_uri

    def lead(match: re.Match[str]) -> str:
        mark, label, target, anchor = match.groups()
        found = _find(here, target, files)
        if found is None:
            return str(label)
        return f"{mark}[{label}]({posixpath.relpath(found.src_uri, posixpath.dirname(here) or '.')}{anchor or ''})"

    return _LINK.sub(lead, markdown)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """The same for notebooks, which come as HTML."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html

    def lead(match: re.Match[str]) -> str:
        target, anchor, label = match.groups()
        found = _find(page.file.src_uri, target, files)
        return str(label) if found is None else f'<a href="{found.url_relative_to(page.file)}{anchor or ""}">{label}</a>'

    return _ANCHOR.sub(lead, html)


def _find(here: str, target: str, files: Files) -> File | None:
    """The site's file that a link of a page leads to."""
    # The repository's own README is not on the site, which has its first page in its place.
    in_docs = here == "README.md" or not (ROOT / here).exists()
    path = posixpath.normpath(posixpath.join(posixpath.dirname(_DOCS + here if in_docs else here), target))
    if path in ("README.md", "README_zh.md"):
        return None
    place = path.removeprefix(_DOCS)
    return files.get_file_from_path(place) or files.get_file_from_path(posixpath.join(place, "README.md"))
