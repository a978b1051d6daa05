"""The room's walls: no heavy package is loaded with it, and it reaches only to rooms on its left."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "hybridner" / "llm"
ALLOWED = (
    "hybridner.llm",
    "hybridner.spans",
    "hybridner.ensemble",
    "hybridner.errors",
    "hybridner.redaction",
    "hybridner.validation",
)


def at_import(file: Path) -> list[str]:
    """Modules that are imported when the file is: not those inside functions or under TYPE_CHECKING."""
    names: list[str] = []
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return names


@pytest.mark.parametrize("file", sorted(ROOM.glob("*.py")), ids=lambda file: file.name)
def test_what_a_file_imports(file: Path) -> None:
    for name in at_import(file):
        assert name.split(".")[0] not in {"torch", "transformers", "openai"}, name
        assert not name.startswith("hybridner") or name.startswith(ALLOWED), name
