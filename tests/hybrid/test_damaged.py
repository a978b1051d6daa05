"""Folders that are damaged, of an older layout or of something else: each way to load them says what is wrong and what helps."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertConfig, BertModel, pipeline

from hybridner import HybridNerModel
from hybridner.cli.main import main
from hybridner.errors import HybridNerError
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.hybrid.loading import load_composite
from hybridner.training.composing import compose
from tests.support.tiny import tiny_member

Damage = Callable[[Path], None]


def without(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def cut_short(name: str) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


def changed(name: str, change: Callable[[Any], object]) -> Damage:
    def damage(folder: Path) -> None:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        change(content)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")

    return damage


settings, tokenizer = partial(changed, "config.json"), partial(changed, "tokenizer.json")


def older_layout(content: dict[str, Any]) -> None:
    """Every member with its own encoder, as composites were stored before members could share one."""
    for member in content["members"]:
        member["config"]["encoder_config"] = content["encoders"][member.pop("encoder")]["config"]
    del content["encoders"]


def weights(change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def plain_bert(folder: Path) -> None:
    emptied(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 30}
    BertModel(BertConfig(**sizes)).save_pretrained(folder)


WORDS = "encoders.0.embeddings.word_embeddings.weight"
SCORER = "members.spanner.boundary.bias"
#: How a folder is damaged, what is said about it, and what helps. All but the last two are found by whatever loads it.
CASES: dict[str, tuple[Damage, str, str]] = {
    "older layout": (settings(older_layout), "'bert-bilstm-crf'.*no encoder", "hybridner assemble"),
    "no encoders": (settings(lambda content: content.pop("encoders")), "encoder 0.*only 0", "fetch"),
    "no members": (settings(lambda content: content.pop("members")), "at least one member", "assemble"),
    "no weights": (without("model.safetensors"), "no file named model.safetensors", "fetch the whole folder"),
    "weights cut short": (
        cut_short("model.safetensors"),
        "cannot load a model.*file not fully covered",
        "fetch the whole folder",
    ),
    "weights missing": (weights(lambda tensors: tensors.pop(SCORER)), f"1 are missing.*{SCORER}", "fetch the whole folder"),
    "weights of another size": (
        weights(lambda tensors: tensors.update({SCORER: tensors[SCORER][:2].clone()})),
        f"of another size, such as {SCORER}",
        "fetch the whole folder",
    ),
    "a weight that is no number": (
        weights(lambda tensors: tensors[SCORER].__setitem__(1, float("nan"))),
        f"{SCORER} in .* has 1 weights that are no finite numbers",
        "fetch the whole folder",
    ),
    "an infinite weight in the encoder": (
        weights(lambda tensors: tensors[WORDS][3].__setitem__(0, float("inf"))),
        f"{WORDS} in .* has 1 weights that are no finite numbers",
        "fetch the whole folder",
    ),
    "weights as whole numbers": (
        weights(lambda tensors: tensors.update({WORDS: tensors[WORDS].to(torch.int8)})),
        f"{WORDS} in .* is stored as I8",
        "",
    ),
    "no tokenizer": (without("tokenizer.json"), "no tokenizer.json", "fetch the whole folder"),
    "no settings of the tokenizer": (without("tokenizer_config.json"), "no tokenizer_config.json", "fetch the whole folder"),
    "tokenizer cut short": (cut_short("tokenizer.json"), "tokenizer.json is damaged", "fetch the model"),
    "too few vocabularies": (settings(lambda content: content["encoders"][1].update(vocabulary=3)), "tokenizer.json", "fetch"),
    "tokenizer of another model": (
        tokenizer(lambda content: content["model"]["vocab"].update(甲=99)),
        "tokenizer.json belongs to another model",
        "fetch the whole folder",
    ),
    "no vocabulary": (tokenizer(lambda content: content.clear()), "tokenizer.json is damaged", "fetch the model"),
    "members of another kind": (settings(lambda content: content.update(members="spanner")), "`members`.*list", "fetch"),
    "labels of another kind": (settings(lambda content: content.update(label_set="labels")), "`labels` must be a list", ""),
    "a stacker nobody knows": (
        settings(lambda content: content.update(stackers={"oracle": [0]})),
        "a stacker must be one of svm",
        "got 'oracle'",
    ),
    "no temperature": (settings(lambda content: content.update(temperature=None)), "temperature must be positive", "not None"),
    "a head of no size": (
        settings(lambda content: content["members"][0]["config"].update(rnn_hidden_size="large")),
        "rnn_hidden_size must be a positive even number",
        "not 'large'",
    ),
    "an encoder of no size": (
        settings(lambda content: content["encoders"][0]["config"].update(hidden_size="large")),
        "encoder_config describes no encoder.*hidden_size",
        "expected int",
    ),
    "a plain BERT": (plain_bert, "at least one member|a BertModel|of type 'bert'", "assemble|hybridner train"),
    "settings cut short": (cut_short("config.json"), "not a valid JSON", "fetch the whole|give the folder"),
    "empty": (emptied, "cannot load a model|no config.json", "fetch the whole|give the folder"),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, composite_folder: Path, tmp_path: Path) -> tuple[str, Path, str]:
    """Name, folder, and what an error must say."""
    damage, problem, advice = CASES[request.param]
    folder = tmp_path / "damaged"
    shutil.copytree(composite_folder, folder)
    damage(folder)
    return request.param, folder, f"(?s)(?:{problem}).*(?:{advice})"


def test_from_pretrained_says_so(case: tuple[str, Path, str]) -> None:
    name, folder, message = case
    with pytest.raises(HybridNerError, match=message):
        HybridNerModel.from_pretrained(folder)
    # What hybridner has no hand in is transformers' own business.
    if name not in ("a plain BERT", "settings cut short", "empty"):
        with pytest.raises(HybridNerError, match=message):
            AutoModel.from_pretrained(folder)


def test_the_pipeline_says_so(case: tuple[str, Path, str]) -> None:
    name, folder, message = case
    if name in ("settings cut short", "empty"):
        # transformers cannot tell yet that the folder is one of ours; its own error is as plain.
        with pytest.raises((OSError, ValueError), match=str(folder)):
            pipeline("hybrid-ner", model=str(folder), device="cpu")
        return
    with pytest.raises(HybridNerError, match=message) as problem:
        pipeline("hybrid-ner", model=str(folder), device="cpu")
    assert "Traceback" not in str(problem.value)


def test_the_command_says_so(case: tuple[str, Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    _, folder, message = case
    assert main(["predict", str(folder), "俄罗斯", "--device", "cpu"]) == 1
    # Above it transformers may warn.
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("hybridner: error: ")
    assert re.search(message, error)


def test_weights_of_another_size_may_be_wanted(composite_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(composite_folder, tmp_path / "damaged")
    CASES["weights of another size"][0](tmp_path / "damaged")
    model, found = HybridNerModel.from_pretrained(tmp_path / "damaged", ignore_mismatched_sizes=True, output_loading_info=True)
    assert isinstance(model, HybridNerModel)
    assert [name for name, *_ in found["mismatched_keys"]] == [SCORER]


#: What a field of a configuration may be by mistake, or by somebody's wish.
IMPOSSIBLE: tuple[Any, ...] = (True, 0, -1, float("nan"), "", "x", [], [[]], [None], {}, {"a": 1}, {"a": []})
FIELDS = [name for name in HybridNerConfig.__annotations__ if name in inspect.signature(HybridNerConfig).parameters]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_the_wrong_type_is_refused_or_does_no_harm(small_folder: Path, name: str) -> None:
    content = json.loads((small_folder / "config.json").read_text(encoding="utf-8"))
    for value in IMPOSSIBLE:
        (small_folder / "config.json").write_text(json.dumps({**content, name: value}), encoding="utf-8")
        with contextlib.suppress(HybridNerError):
            load_composite(str(small_folder)).predict(["北约在叙利亚部署了干扰机。"])


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("label_thresholds", [], "label_thresholds must hold a threshold for each label"),
        ("label_thresholds", True, "label_thresholds must hold a threshold for each label"),
        ("stackers", True, "stackers must hold"),
        ("combiner_weights", True, "fitted weights of this composite are True"),
        ("error_model", 0, "`error_model` in the composite's config.json lacks its weights"),
    ],
)
def test_what_a_wrong_field_should_be_is_told(small_folder: Path, name: str, value: object, told: str) -> None:
    changed("config.json", lambda content: content.update({name: value}))(small_folder)
    with pytest.raises(HybridNerError, match=told):
        load_composite(str(small_folder)).predict(["北约。"])


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    """A composite of two members."""
    members = {name: tiny_member(name) for name in ("bert-bilstm-crf", "spanner")}
    compose(members).save_pretrained(tmp_path / "small")
    return tmp_path / "small"
