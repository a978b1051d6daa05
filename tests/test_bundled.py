"""The model that comes with the package: small, complete, calibrated, used when no other is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import pipeline

from hybridner import HybridNerModel
from hybridner.bundled import BUNDLED_FOLDER
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.data.sncm.corpus import read_corpus_splits
from hybridner.evaluation import evaluate_systems
from hybridner.hub import read_model_folder
from hybridner.hub.model_card import existing_card

SENTENCE = "2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机。"


@pytest.fixture(scope="module")
def bundled() -> HybridNerModel:
    model: HybridNerModel = HybridNerModel.from_pretrained(BUNDLED_FOLDER)
    return model


def test_it_is_small_and_loads_in_single_precision(bundled: HybridNerModel) -> None:
    assert sum(path.stat().st_size for path in BUNDLED_FOLDER.rglob("*") if path.is_file()) <= 32_000_000
    assert len(bundled.encoders) == 1
    assert len(bundled.members) == 4
    assert {parameter.dtype for parameter in bundled.parameters()} == {torch.float32}


def test_its_vocabulary_holds_the_characters_of_the_corpus(bundled: HybridNerModel) -> None:
    (vocabulary,) = bundled.vocabularies
    text = "".join(sentence.record.text for sentences in read_corpus_splits().values() for sentence in sentences)
    unknown = [character for character in text if vocabulary.id_of(character) == vocabulary.unk]
    assert len(unknown) < 1e-3 * len(text), unknown


def test_its_card_is_about_these_weights_and_says_what_was_measured() -> None:
    record = read_model_folder(BUNDLED_FOLDER)
    card = existing_card(record)
    assert card is not None
    assert record.evaluation is not None
    assert record.evaluation["split"] == "test"
    # The gold twice, and the pseudo-labelled sentences.
    trained_on = 2 * len(read_corpus_splits()["train"]) + 6_000
    assert {report["records"]["train"] for report in record.training.values()} == {trained_on}
    assert card.data.license == "apache-2.0"


def test_it_is_calibrated(bundled: HybridNerModel) -> None:
    assert bundled.config.temperature != 1.0
    assert bundled.config.threshold != 0.5


def test_it_finds_on_the_test_sentences_what_its_card_says(bundled: HybridNerModel) -> None:
    test = [sentence.record for sentence in read_corpus_splits()["test"]]
    evaluation = json.loads((BUNDLED_FOLDER / "evaluation.json").read_text(encoding="utf-8"))
    scores = evaluate_systems(bundled, test, [bundled.config.strategy])
    found = scores[f"strategy:{bundled.config.strategy}"].micro
    assert found.f1 > 0.75
    assert found.f1 == pytest.approx(evaluation["systems"][f"strategy:{bundled.config.strategy}"]["f1"], abs=0.005)


def test_the_task_without_a_model_uses_it() -> None:
    entities = pipeline("hybrid-ner", device="cpu")(SENTENCE)
    assert {(e["word"], e["entity_group"]) for e in entities} >= {
        ("俄罗斯", "Adversary States"),
        ("叙利亚", "Engagement Location"),
    }


def test_commands_without_a_model_use_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text(SENTENCE + "\n", encoding="utf-8")
    assert main(["predict", "--file", str(text), "--json"]) == 0
    unnamed = capsys.readouterr().out
    assert main(["predict", "bundled", SENTENCE, "--json"]) == 0
    assert capsys.readouterr().out == unnamed
    assert "俄罗斯" in {entity["word"] for entity in json.loads(unnamed)["entities"]}
    gold = tmp_path / "gold.jsonl"
    write_jsonl([sentence.record for sentence in read_corpus_splits()["test"]][:8], gold)
    assert main(["evaluate", str(gold), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "bundled"


def test_it_needs_neither_network_nor_cache(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path / "none"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    code = f"import hybridner; from transformers import pipeline; print(pipeline('hybrid-ner', device='cpu')({SENTENCE!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "俄罗斯" in done.stdout
