"""The first thing a new user does: the bundled model at once, and training one on fewer epochs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from transformers import pipeline

from hybridner.cli.main import main
from tests.support.forked import run

SENTENCE = "2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机。"


def test_the_demo_shows_what_the_bundled_model_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["demo"]) == 0
    shown = capsys.readouterr().out
    for entity in pipeline("hybrid-ner", device="cpu")(SENTENCE):
        assert f"{entity['word']}  {entity['entity_group']}  [{entity['start']}, {entity['end']})" in shown
    assert "Entity F1 on the test sentences" in shown
    assert 'hybridner predict bundled "你的句子"' in shown
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_the_demo_trains_assembles_saves_and_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    monkeypatch.chdir(tmp_path)
    command = ("-m", "hybridner", "demo", "--train", "--epochs", "1")
    result = run(*command, environment=environment)
    assert result.returncode == 0, result.stderr[-2000:]
    composite = tmp_path / "hybridner-demo" / "composite"
    assert str(composite) in result.stdout
    assert "Entity F1 on the test sentences" in result.stdout
    entities = pipeline("hybrid-ner", model=str(composite), device="cpu")(SENTENCE)
    assert entities
    for entity in entities:
        assert f"{entity['word']}  {entity['entity_group']}  [{entity['start']}, {entity['end']})" in result.stdout
    report = json.loads((composite.parent / "spanner" / "training.json").read_text())
    assert report["best_dev_f1"] > 0.1
    # a second demo finds everything done
    again = run(*command, environment=environment)
    assert again.returncode == 0
    assert "'loss'" not in again.stdout
