"""From a model to a report, by the two commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import pipeline

from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.evaluation import Run
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import Span
from tests.support.tiny import small_records


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "gold.jsonl"
    write_jsonl(small_records(), path)
    return str(path)


@pytest.fixture(scope="module")
def saved(composite_folder: Path, gold: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny composite, with a hybrid that finds all of gold."""
    folder = tmp_path_factory.mktemp("runs")
    lines = [
        {"text": record.text, "entities": [{"start": s, "end": e, "entity_group": label} for s, e, label in record.entities]}
        for record in small_records()
    ]
    (folder / "fused.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    arguments = ["--save", str(folder / "run.json"), "--dataset", "Small", "--split", "dev", "--seen-in", gold]
    assert main(["evaluate", str(composite_folder), gold, *arguments, "--hybrid", f"perfect={folder / 'fused.jsonl'}"]) == 0
    return folder / "run.json"


def test_evaluate_saves_what_the_pipeline_finds(saved: Path, composite_folder: Path) -> None:
    run = Run.load(saved)
    assert (run.about.data, run.about.split, run.about.decoding) == ("Small", "dev", "flat")
    assert run.gold == tuple(record.entities for record in small_records())
    assert {*MEMBER_CLASSES, "strategy:score", "strategy:majority", "strategy:mean", "hybrid:perfect"} <= set(run.systems)
    pipe = pipeline("hybrid-ner", model=str(composite_folder), device="cpu")
    for entities, spans in zip(pipe([r.text for r in small_records()]), run.systems["strategy:score"], strict=True):
        assert sorted(Span(e["start"], e["end"], e["entity_group"]) for e in entities) == list(spans)
    assert run.seen is not None
    assert all((span.start, span.end) in seen for spans, seen in zip(run.gold, run.seen, strict=True) for span in spans)


def test_compare_writes_a_report(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(saved), "--output", str(tmp_path / "report"), "--baseline", "mean"]) == 0
    assert "comparison.md" in capsys.readouterr().out
    files = {path.name for path in (tmp_path / "report").iterdir()}
    assert files == {"comparison.md", "comparison.json", "f1.png", "differences.png"}
    text = (tmp_path / "report" / "comparison.md").read_text(encoding="utf-8")
    assert "perfect (LLM) | **100.00** | **100.00** | **100.00** |" in text
    assert "Differences to `mean`" in text
    report = json.loads((tmp_path / "report" / "comparison.json").read_text(encoding="utf-8"))
    assert report["settings"][0]["sentences"] == len(small_records())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["compare", "RUN", "RUN", "--output", "OUT"], "was one given twice?"),
        (["compare", "RUN", "--output", "OUT", "--baseline", "nobody"], "no system 'nobody'"),
        (["compare", "GOLD", "--output", "OUT"], "GOLD: not JSON"),
        (["compare", "/no/such/run.json", "--output", "OUT"], "/no/such/run.json: cannot be read"),
        (["evaluate", "MODEL", "GOLD", "--save", "OUT"], "--dataset and --split"),
        (["evaluate", "MODEL", "GOLD", "--strategy", "f1"], "the strategy 'f1' needs what `hybridner calibrate` fits"),
        (["evaluate", "MODEL", "GOLD", "--hybrid", "x=RUN"], "RUN: cannot be read as what `hybridner predict --json` writes"),
        (["evaluate", "MODEL", "GOLD", "--hybrid", "OTHER"], "OTHER: is not about the texts of the data"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str],
    problem: str,
    saved: Path,
    gold: str,
    composite_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "好", "entities": []}\n', encoding="utf-8")
    known = {"RUN": saved, "GOLD": gold, "MODEL": composite_folder, "OUT": tmp_path / "out", "OTHER": other}

    def filled(text: str) -> str:
        for name, path in known.items():
            text = text.replace(name, str(path))
        return text

    assert main([filled(argument) for argument in arguments]) == 1
    assert filled(problem) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
