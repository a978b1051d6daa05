"""The notebooks run, and the outputs kept in them are those of one clean run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient
from transformers import pipeline

from hybridner import HybridNerModel
from hybridner.data import label_set
from hybridner.llm import AnswerCache
from hybridner.models import MEMBER_CLASSES
from tests.llm.scripted_server import ScriptedServer, chat
from tests.support.patience import PATIENCE
from tests.support.ports import own_port
from tests.support.tiny import tiny_member

Run = Callable[..., nbformat.NotebookNode]

PORTS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
#: The beginning of a path on somebody's own machine.
_OWN_PATH = re.compile(r"(?<![\w<.])/(?:tmp|home|root|Users|mnt|usr)/|[A-Z]:\\")


def texts_of(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell's outputs show as text; warnings of libraries are not of interest."""
    shown = []
    for output in cell.get("outputs", []):
        if output.get("name") == "stderr":
            continue
        data = output.get("data", {})
        shown += [output.get("text", ""), *(data[kind] for kind in ("text/plain", "text/markdown", "text/html") if kind in data)]
    return [text for text in shown if text]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelManager]:
    """One for all notebooks: importing torch takes longer than most of them."""
    variables = {"PYTHONPATH": str(NOTEBOOKS.parent), "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1"}
    manager = KernelManager(kernel_name="python3", cache_ports=False, **{name: own_port() for name in PORTS})
    with pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        environment.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        manager.start_kernel()
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.fixture
def run(kernel: KernelManager, tmp_path: Path) -> Run:
    """Executes a notebook with these environment variables in a folder that has the files that lie beside it."""
    for path in NOTEBOOKS.iterdir():
        if path.suffix in (".txt", ".yaml", ".jsonl"):
            shutil.copy(path, tmp_path)

    def _run(name: str, **variables: str) -> nbformat.NotebookNode:
        notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        before = (
            f"%reset -f\nimport os\nos.chdir({str(tmp_path)!r})\n"
            "for name in [name for name in os.environ if name.startswith(('HYBRIDNER_', 'OPENAI_'))]:\n    del os.environ[name]\n"
            f"os.environ.update({variables!r})"
        )
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
        NotebookClient(notebook, timeout=int(PATIENCE), startup_timeout=int(PATIENCE), km=kernel, coalesce_streams=True).execute()
        del notebook.cells[0]
        return notebook

    return _run


@pytest.fixture(scope="module")
def sncm_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny composite with random weights for the types of SNCM-open."""
    labels = label_set("sncm")
    members = {name: tiny_member(name, seed, labels=labels) for seed, name in enumerate(MEMBER_CLASSES)}
    folder = tmp_path_factory.mktemp("sncm")
    HybridNerModel.assemble(members).save_pretrained(folder)
    return str(folder)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(notebook: nbformat.NotebookNode) -> list[str]:
    return [text for cell in code_cells(notebook) for text in texts_of(cell)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_begins_with_marked_text_and_speaks_both_languages(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    first = "".join(texts_of(code_cells(notebook)[0]))
    assert 'class="se-root"' in first
    assert "<mark" in first
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert re.search(r"[\u4e00-\u9fff]", cell.source), cell.source
            assert re.search(r"[a-z]{3}", cell.source), cell.source
    assert path.stat().st_size < 400_000


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_kept_outputs_are_of_one_clean_run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(texts_of(cell) for cell in cells)
    for cell in cells:
        assert all(output.output_type != "error" and output.get("name") != "stderr" for output in cell.outputs)
        for text in [cell.source, *texts_of(cell)]:
            assert not _OWN_PATH.search(text), text


def test_quickstart_runs_with_any_composite(composite_folder: Path, run: Run) -> None:
    notebook = run("quickstart", HYBRIDNER_MODEL=str(composite_folder))
    (text,) = re.findall(r'^text = "(.*)"$', code_cells(notebook)[0].source, re.MULTILINE)
    (cell,) = [cell for cell in code_cells(notebook) if "table(entities, " in cell.source]
    (table,) = [part for part in texts_of(cell) if part.startswith("| word")]
    rows = [[value.strip() for value in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    expected = pipeline("hybrid-ner", model=str(composite_folder), device="cpu")(text)
    assert expected
    assert [row[:4] for row in rows] == [[e["word"], e["entity_group"], str(e["start"]), str(e["end"])] for e in expected]
    (plot,) = [cell for cell in notebook.cells if "plt.show()" in cell.source]
    assert any("image/png" in output.get("data", {}) for output in plot.outputs)


def test_the_corpus_is_as_the_notebook_shows_it(run: Run) -> None:
    kept = nbformat.read(NOTEBOOKS / "sncm_open.ipynb", as_version=4)
    assert shown(run("sncm_open")) == shown(kept)


@pytest.mark.parametrize("name", ["train_members", "combine_and_calibrate", "new_domain", "unknown_texts"])
def test_it_runs_on_small_settings(name: str, sncm_model: str, run: Run) -> None:
    notebook = run(name, HYBRIDNER_SMALL="1", HYBRIDNER_MODEL=sncm_model)
    pictures = [cell for cell in code_cells(notebook) if "plt.show()" in cell.source]
    assert pictures
    for cell in pictures:
        assert any("image/png" in output.get("data", {}) for output in cell.outputs)


def test_llm_routing_asks_and_repeats(sncm_model: str, run: Run, tmp_path: Path) -> None:
    settings = {"HYBRIDNER_SMALL": "1", "HYBRIDNER_MODEL": sncm_model}
    server = ScriptedServer(lambda body, number: chat(["进攻系统", "非实体", "Adversary States"][number % 3]))
    try:
        asked = run("llm_routing", **settings, OPENAI_BASE_URL=server.url)
    finally:
        server.stop()
    assert server.requests
    replayed = run("llm_routing", **settings, HYBRIDNER_ANSWERS=str(tmp_path / "my_answers.jsonl"))
    assert [shown(asked)[i] == shown(replayed)[i] for i in range(3)] == [True] * 3
    for wanted in ("Who decided", "Replace or Bayes"):
        first, second = (_below(notebook, wanted) for notebook in (asked, replayed))
        assert re.sub(r"cached|asked", "", first) == re.sub(r"cached|asked", "", second)


def _below(notebook: nbformat.NotebookNode, heading: str) -> str:
    """What the first code cell under a heading shows as text."""
    (number,) = [n for n, cell in enumerate(notebook.cells) if cell.cell_type == "markdown" and f"## {heading}" in cell.source]
    return "".join(texts_of(notebook.cells[number + 1]))


def test_the_recorded_answers_can_be_read(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    assert cache.add_record(NOTEBOOKS / "llm_routing_answers.jsonl") == len(cache) > 10
    cache.close()
