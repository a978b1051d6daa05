"""The notebooks run, and the outputs kept in them are those of one clean run."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from transformers import pipeline

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
#: The beginning of a path on somebody's own machine.
_OWN_PATH = re.compile(r"(?<![\w<.])/(?:tmp|home|root|Users|mnt|usr)/|[A-Z]:\\")


def texts_of(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell's outputs show as text."""
    shown = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        shown += [output.get("text", ""), *(data[kind] for kind in ("text/plain", "text/markdown", "text/html") if kind in data)]
    return [text for text in shown if text]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_kept_outputs_are_of_one_clean_run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(texts_of(cell) for cell in cells)
    for cell in cells:
        assert all(output.output_type != "error" and output.get("name") != "stderr" for output in cell.outputs)
        for text in [cell.source, *texts_of(cell)]:
            assert not _OWN_PATH.search(text), text


def test_quickstart_runs_with_any_composite(composite_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDNER_MODEL", str(composite_folder))
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(NOTEBOOKS / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    (cell,) = [cell for cell in notebook.cells if "show(entities" in cell.source and cell.cell_type == "code"]
    (text,) = re.findall(r'^text = "(.*)"$', cell.source, re.MULTILINE)
    (table,) = [part for part in texts_of(cell) if part.startswith("| word")]
    rows = [[value.strip() for value in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    expected = pipeline("hybrid-ner", model=str(composite_folder), device="cpu")(text)
    assert expected
    assert [row[:4] for row in rows] == [[e["word"], e["entity_group"], str(e["start"]), str(e["end"])] for e in expected]
    (plot,) = [cell for cell in notebook.cells if "plt.show()" in cell.source]
    assert any("image/png" in output.get("data", {}) for output in plot.outputs)
