"""The spans editor: its script and style sheet, and a page of its own for a notebook's cell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from hybridner.display.escaping import escape

_SCRIPTS = ("spans_state.js", "spans_menu.js", "spans_editor.js")
#: What the page in a notebook does: show the editor, and copy what was judged.
_START = """
const given = JSON.parse(document.getElementById("given").textContent);
const editor = new SpansEditor(document.getElementById("editor"));
editor.load(given);
document.getElementById("copy").addEventListener("click", async () => {
  const entities = editor.entities.map(({start, end, label}) => ({start, end, label, word: editor.slice(start, end)}));
  await navigator.clipboard.writeText(JSON.stringify({text: editor.text, entities}));
});
"""


@cache
def editor_assets() -> tuple[str, str]:
    """(script, style sheet) of the spans editor, self-contained.

    Examples:
        >>> script, style = editor_assets()
        >>> "SpansEditor" in script, ".se-mark" in style
        (True, True)
    """
    folder = resources.files("hybridner.display") / "assets"
    script = "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS)
    return script, folder.joinpath("spans_editor.css").read_text(encoding="utf-8")


def editor_frame(text: str, found: Sequence[Mapping[str, Any]], types: Sequence[Mapping[str, Any]]) -> str:
    """An editor in a frame of its own, as a notebook's cell can show it.

    Args:
        text: to be marked.
        found: {start, end, label, level, tip} of each entity; `level` is "sure", "fair" or "check".
        types: {name, title, style} of each entity type.
    """
    script, style = editor_assets()
    # A text may hold what looks like the end of the script that it is written in.
    given = json.dumps({"text": text, "found": list(found), "types": list(types)}, ensure_ascii=False).replace("<", "\\u003c")
    page = (
        f'<!doctype html><meta charset="utf-8"><style>body{{margin:0;font-family:system-ui,sans-serif}}{style}</style>'
        f'<div id="editor"></div><p><button id="copy" type="button">Copy JSON</button></p>'
        f'<script type="application/json" id="given">{given}</script><script>{script}</script><script>{_START}</script>'
    )
    return f'<iframe srcdoc="{escape(page)}" style="width:100%;height:420px;border:0" title="Spans editor"></iframe>'
