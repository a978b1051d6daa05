"""Every command that loads a model is given hostile folders: nothing in them is run, standard input is not read, and neither
memory nor time is spent on what they only claim.

The commands run in a process of their own, whose memory is limited and whose standard input says yes to everything.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import BertConfig, BertModel

from hybridner import HybridNerModel
from hybridner.adaptation.adapt import adapted_settings
from hybridner.cli.main import SUMMARIES
from hybridner.data import write_jsonl
from hybridner.hybrid import AdaptedHybridNerConfig, AdaptedHybridNerModel
from hybridner.hybrid.modeling_adapted import base_fingerprint
from tests.hub.client import ROOT
from tests.support import forked
from tests.support.tiny import TEXT, small_records

#: Commands that load no model from a folder; `bootstrap` takes an encoder as `train` does, after an LLM was asked.
WITHOUT_MODEL = {"bootstrap", "compare", "data", "demo", "guidelines", "report"}

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
RUN = """
import io, json, resource, sys, traceback
from hybridner.cli.main import main

resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))

results = []
for arguments in json.load(open(sys.argv[1])):
    sys.stdin = io.StringIO("y\\n" * 100)
    sys.stderr, kept = io.StringIO(), sys.stderr
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code
    except Exception:
        code = traceback.print_exc()
    message, sys.stderr = sys.stderr.getvalue(), kept
    results.append([arguments[0], code, message, sys.stdin.tell()])
json.dump(results, open(sys.argv[1], "w"))
"""


def run(commands: list[list[str]], folder: Path) -> list[tuple[str, int, str, int]]:
    """For each command its name, exit code, standard error and how much of standard input it has read."""
    (folder / "commands.json").write_text(json.dumps(commands))
    ended = forked.run("-c", RUN, str(folder / "commands.json"), environment=ENVIRONMENT)
    assert ended.returncode == 0, ended.stderr
    return [tuple(result) for result in json.loads((folder / "commands.json").read_text())]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], list[list[str]]]:
    """Every command with a model in a folder."""
    place = tmp_path_factory.mktemp("inputs")
    write_jsonl(small_records(), place / "gold.jsonl")
    (place / "texts.txt").write_text(TEXT, encoding="utf-8")
    (place / "reviews.jsonl").write_text(json.dumps({"text": TEXT, "complete": True, "entities": []}), encoding="utf-8")

    def commands(folder: Path) -> list[list[str]]:
        output, gold, texts = str(place / "output"), str(place / "gold.jsonl"), str(place / "texts.txt")
        recipe = {
            "data": {"train": gold, "dev": gold},
            "members": {"spanner": {"type": "spanner", "encoder": str(folder)}},
            "training": {"output": str(place / "run"), "epochs": 1},
        }
        (place / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        model, saved = str(folder), ["--output", output]
        found = [
            ["predict", model, TEXT, "--device", "cpu"],
            ["annotate", model, texts, *saved],
            ["examples", model, gold, *saved],
            ["evaluate", model, gold],
            ["calibrate", model, gold, *saved],
            ["adapt", model, gold, *saved],
            ["merge", model, *saved],
            ["suggest", model, texts],
            ["pseudo-label", model, "--text", texts, *saved],
            ["gazetteer", "build", "--model", model, "--text", texts, "--output", str(place / "terms.parquet")],
            ["learn", model, str(place / "reviews.jsonl"), *saved],
            ["assemble", model, *saved],
            ["compact", model, *saved],
            ["export", model, *saved],
            ["card", model, "--data", gold, "--output", "-"],
            ["push", model, "me/model"],
            ["space", model],
            ["serve", model, "--port", "0"],
            ["train", str(place / "recipe.yaml")],
            ["crossval", str(place / "recipe.yaml")],
        ]
        assert {command[0] for command in found} == SUMMARIES.keys() - WITHOUT_MODEL
        return found

    return commands


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "hostile"
    folder.mkdir()
    return folder


@pytest.fixture
def loot(tmp_path: Path) -> Path:
    """What hostile code leaves behind when it runs."""
    return tmp_path / "loot"


def with_code(folder: Path, loot: Path, **settings: Any) -> None:
    """Add code to a folder, and everything that leads transformers to it."""
    classes = "\n".join(f"class {name}: pass" for name in ("Config", "Model", "Tokenizer"))
    classes = "\n".join(f"class {name}: pass" for name in ("Config", "Model", "Tokenizer"))
    (folder / "evil.py").write_text(f"open({str(loot)!r}, 'w').close()\n{classes}\n")
    code = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoModelForTokenClassification": "evil.Model"}
    tokenizer = {"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]}
    change(folder / "config.json", {"auto_map": code | tokenizer, **settings})
    change(folder / "tokenizer_config.json", {"auto_map": tokenizer, "tokenizer_class": "Tokenizer"})


def change(path: Path, changes: dict[str, Any]) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")


class Thief:
    """A pickle of it makes a file when it is read."""

    def __init__(self, loot: Path) -> None:
        self.loot = loot

    def __reduce__(self) -> Any:
        return open, (str(self.loot), "w")


def assert_refused(results: list[tuple[str, int, str, int]]) -> None:
    for name, code, message, read in results:
        assert code == 1, (name, code, message)
        assert message.strip().splitlines()[-1].startswith("hybridner: error: "), (name, message)
        assert "Traceback" not in message, (name, message)
        assert read == 0, name


def test_code_in_a_folder_of_an_unknown_kind_is_not_run(
    commands: Callable[[Path], list[list[str]]], folder: Path, loot: Path, tmp_path: Path
) -> None:
    with_code(folder, loot, model_type="surprise", architectures=["Model"])
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Thief(loot)))
    assert_refused(run(commands(folder), tmp_path))
    assert not loot.exists()


def test_code_beside_a_model_of_ours_is_not_run(
    commands: Callable[[Path], list[list[str]]], composite_folder: Path, folder: Path, loot: Path, tmp_path: Path
) -> None:
    shutil.copytree(composite_folder, folder, dirs_exist_ok=True)
    with_code(folder, loot)
    results = run([command for command in commands(folder) if command[0] in ("predict", "evaluate", "suggest", "card")], tmp_path)
    assert [(code, read) for _, code, _, read in results] == [(0, 0)] * 4
    assert not loot.exists()


def test_a_pickle_in_place_of_weights_is_not_read(
    commands: Callable[[Path], list[list[str]]], composite_folder: Path, folder: Path, loot: Path, tmp_path: Path
) -> None:
    shutil.copytree(composite_folder, folder, dirs_exist_ok=True)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Thief(loot)))
    assert_refused(run(commands(folder)[:3], tmp_path))
    assert not loot.exists()


def test_standard_input_is_for_texts(folder: Path, loot: Path) -> None:
    with_code(folder, loot, model_type="surprise")
    ended = subprocess.run(
        [sys.executable, "-m", "hybridner", "predict", str(folder)],
        env=ENVIRONMENT,
        input="y\n俄罗斯\n",
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert not loot.exists()


def encoder(**changes: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        content["encoders"][0]["config"].update(changes)
        (folder / "config.json").write_text(json.dumps(content))

    return damage


def member(**changes: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        content["members"][-1]["config"].update(changes)
        (folder / "config.json").write_text(json.dumps(content))

    return damage


def whole(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder / "config.json", changes)


def adapter_for_the_whole(folder: Path) -> None:
    change(folder / "adapter_config.json", {"peft_type": "LORA", "r": 2_000_000, "target_modules": "(a+)+$"})


BOMBS = {
    "vocabulary": encoder(vocab_size=4_000_000),
    "layers": encoder(num_hidden_layers=2_000_000),
    "width": encoder(hidden_size=2_000_000),
    "inner width": encoder(intermediate_size=2_000_000),
    "labels of the encoder": encoder(num_labels=2_000_000_000),
    "labels": whole(num_labels=2_000_000_000, label_set=None),
    "kernels from elsewhere": encoder(attn_implementation="somebody/kernels"),
    "backbone from elsewhere": encoder(model_type="timm_wrapper", architecture="x"),
    "length table": member(max_span_length=2_000_000_000),
    "recurrent layer": member(rnn_hidden_size=2_000_000),
    "adapter for the whole": adapter_for_the_whole,
}
ENCODER_BOMBS = {
    "labels": {"num_labels": 2_000_000_000},
    "layers": {"num_hidden_layers": 2_000_000},
    "vocabulary": {"vocab_size": 4_000_000},
}


def test_what_is_only_claimed_costs_nothing(
    commands: Callable[[Path], list[list[str]]], composite_folder: Path, tmp_path: Path
) -> None:
    wanted = []
    for name, damage in BOMBS.items():
        folder = tmp_path / name
        shutil.copytree(composite_folder, folder)
        damage(folder)
        wanted += commands(folder)[:1]
    assert_refused(run(wanted, tmp_path))


def test_encoders_to_train_from_cost_nothing_either(commands: Callable[[Path], list[list[str]]], tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 30}
    (recipe,) = (command[1] for command in commands(tmp_path / "encoder") if command[0] == "train")
    wanted = []
    for name, settings in ENCODER_BOMBS.items():
        folder = tmp_path / name
        BertModel(BertConfig(**sizes)).save_pretrained(folder)
        change(folder / "config.json", settings)
        output = f"training.output={tmp_path / name}-run"
        wanted.append(["train", recipe, "--set", f"members.spanner.encoder={folder}", "--set", output])
    results = run(wanted, tmp_path)
    assert_refused(results)
    assert [message for _, _, message, _ in results if "cannot load the encoder" not in message] == []


def test_adapters_cannot_lead_to_themselves_or_to_code(
    commands: Callable[[Path], list[list[str]]], composite: HybridNerModel, folder: Path, loot: Path, tmp_path: Path
) -> None:
    config = AdaptedHybridNerConfig(
        **adapted_settings(composite.config, composite.config.labels),
        base=str(folder),
        base_fingerprint=base_fingerprint(composite),
    )
    AdaptedHybridNerModel.from_base(composite, config, rank=2).save_pretrained(folder)
    other = tmp_path / "other"
    other.mkdir()
    with_code(other, loot, model_type="surprise")
    first = commands(folder)[:1]
    assert_refused(run(first, tmp_path))
    change(folder / "config.json", {"base": str(other)})
    assert_refused(run(first, tmp_path))
    assert not loot.exists()


def test_the_traps_are_real(folder: Path, loot: Path) -> None:
    with_code(folder, loot, model_type="surprise")
    subprocess.run(
        [sys.executable, "-c", f"from transformers import AutoConfig\nAutoConfig.from_pretrained({str(folder)!r})"],
        input="y\n",
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "HF_HOME": str(folder.parent / "home")},
    )
    assert loot.exists()
    loot.unlink()
    pickle.loads(pickle.dumps(Thief(loot))).close()
    assert loot.exists()
