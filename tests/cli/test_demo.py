"""The first thing a new user does, on fewer epochs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from transformers import pipeline


def test_the_demo_trains_assembles_saves_and_reads(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "hybridner.cli.main", "demo", "--epochs", "1"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    composite = tmp_path / "hybridner-demo" / "composite"
    assert str(composite) in result.stdout
    assert "Entity F1 on the test sentences" in result.stdout
    entities = pipeline("hybrid-ner", model=str(composite), device="cpu")("2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机。")
    assert entities
    for entity in entities:
        assert f"{entity['word']}  {entity['entity_group']}  [{entity['start']}, {entity['end']})" in result.stdout
    report = json.loads((composite.parent / "spanner" / "training.json").read_text())
    assert report["best_dev_f1"] > 0.1
    # a second demo finds everything done
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert "'loss'" not in again.stdout
