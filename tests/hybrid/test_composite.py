from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModel

from hybridner import HybridNerConfig, HybridNerModel, Label, LabelSet
from hybridner.errors import ModelError
from hybridner.hybrid.reading import window_batches
from hybridner.models import MEMBER_CLASSES, MemberModel
from hybridner.models.encoders import character_mask, encode_characters
from tests.support.reading import candidates_of
from tests.support.tiny import TEXT, tiny_vocabulary


def logits_of(member: MemberModel, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What a composite computes of a member."""
    return member.head(encode_characters(member.encoder, ids, mask), character_mask(mask)).logits


def test_one_folder_holds_everything_and_gives_bit_equal_outputs(composite: HybridNerModel, composite_folder: Path) -> None:
    assert {path.name for path in composite_folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    (batch,) = window_batches([TEXT], composite.vocabularies, composite.max_characters, 8)
    for loaded in (AutoModel.from_pretrained(composite_folder), HybridNerModel.from_pretrained(composite_folder)):
        assert isinstance(loaded, HybridNerModel)
        with torch.inference_mode():
            for ours, theirs in zip(
                composite(batch.input_ids, batch.attention_mask).logits,
                loaded(batch.input_ids, batch.attention_mask).logits,
                strict=True,
            ):
                assert torch.equal(ours, theirs)
        assert candidates_of(loaded, [TEXT], batch_size=4) == candidates_of(composite, [TEXT], batch_size=4)


def test_the_folder_keeps_labels_domain_and_settings(make_member: Callable, tmp_path: Path) -> None:
    labels = LabelSet((Label("State", "对抗国家", "行动的一方。"), Label("Place", "地点")), "卫星导航对抗")
    members = {name: make_member(name, labels=labels) for name in ("bert-bilstm-crf", "spanner")}
    HybridNerModel.assemble(members, strategy="majority", decoding="nested", threshold=0.3, temperature=1.5).save_pretrained(
        tmp_path
    )
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.labels == labels
    assert (config.strategy, config.decoding, config.threshold, config.temperature) == ("majority", "nested", 0.3, 1.5)
    assert config.id2label == {0: "O", 1: "State", 2: "Place"}


def test_weights_are_those_of_the_members(composite: HybridNerModel, composite_folder: Path) -> None:
    with safe_open(composite_folder / "model.safetensors", "pt") as file:
        names = set(file.keys())
    assert names == set(composite.state_dict())
    assert {name.split(".")[1] for name in names if name.startswith("members.")} == set(MEMBER_CLASSES)


def test_members_may_have_different_vocabularies(make_member: Callable, tmp_path: Path) -> None:
    """Two members that number the same characters differently read the same text."""
    first, second = make_member("bert-bilstm-crf"), make_member("spanner")
    plain = tiny_vocabulary()
    shift = {character: len(plain.ids) + 7 - index for character, index in plain.ids.items()}
    second.vocabularies = [replace(plain, ids=shift)]
    model = HybridNerModel.assemble({"a": first, "b": second})
    assert [entry["vocabulary"] for entry in model.config.encoders] == [0, 1]
    (batch,) = window_batches([TEXT], model.vocabularies, model.max_characters, 8)
    assert batch.input_ids[:, 0].tolist() != batch.input_ids[:, 1].tolist()
    with torch.inference_mode():
        expected = logits_of(second, batch.input_ids[:, 1], batch.attention_mask)
        assert torch.equal(model(batch.input_ids, batch.attention_mask).logits[1], expected)
    model.save_pretrained(tmp_path)
    assert candidates_of(AutoModel.from_pretrained(tmp_path), [TEXT], batch_size=4) == candidates_of(model, [TEXT], batch_size=4)


def one_encoder(make_member: Callable) -> dict[str, MemberModel]:
    """Four members whose encoders have the same weights, each in a module of its own."""
    members = {name: make_member(name, seed) for seed, name in enumerate(MEMBER_CLASSES)}
    state = members["spanner"].encoder.state_dict()
    for member in members.values():
        member.encoder.load_state_dict(state)
    return members


def test_members_with_the_same_encoder_store_and_run_it_once(make_member: Callable, tmp_path: Path) -> None:
    members = one_encoder(make_member)
    model = HybridNerModel.assemble(members)
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        stored = list(file.keys())
    encoder = members["spanner"].encoder.state_dict()
    assert sorted(name for name in stored if "embeddings" in name or ".layer." in name) == sorted(
        f"encoders.0.{name}" for name in encoder
    )
    runs: list[int] = []
    loaded = AutoModel.from_pretrained(tmp_path)
    loaded.encoders[0].register_forward_hook(lambda *_: runs.append(1))
    (batch,) = window_batches([TEXT], loaded.vocabularies, loaded.max_characters, 8)
    ids, mask = batch.input_ids[:, 0], batch.attention_mask
    with torch.inference_mode():
        together = loaded(batch.input_ids, batch.attention_mask).logits
        assert len(runs) == 1
        for scores, member in zip(together, members.values(), strict=True):
            assert torch.equal(scores, logits_of(member, ids, mask))
    assert candidates_of(loaded, [TEXT], batch_size=4) == candidates_of(model, [TEXT], batch_size=4)


def test_only_those_with_the_same_weights_and_vocabulary_share(make_member: Callable) -> None:
    members = one_encoder(make_member)
    with torch.no_grad():
        next(members["roberta-bigru-crf"].encoder.parameters()).add_(1e-3)
    vocabulary = members["spanner"].vocabulary
    members["spanner"].vocabularies = [replace(vocabulary, unk=vocabulary.sep)]
    model = HybridNerModel.assemble(members)
    assert [entry["encoder"] for entry in model.config.members] == [0, 1, 0, 2]
    assert [entry["vocabulary"] for entry in model.config.encoders] == [0, 0, 1]


@pytest.mark.parametrize("shared", [True, False])
def test_a_member_can_be_taken_out_and_put_back(make_member: Callable, shared: bool) -> None:
    members = one_encoder(make_member) if shared else {name: make_member(name, seed) for seed, name in enumerate(MEMBER_CLASSES)}
    model = HybridNerModel.assemble(members)
    assert len(model.encoders) == (1 if shared else 4)
    taken = {name: model.member(name) for name in model.member_names}
    (batch,) = window_batches([TEXT], model.vocabularies, model.max_characters, 8)
    ids, mask = batch.input_ids[:, 0], batch.attention_mask
    for name, member in taken.items():
        assert type(member) is type(members[name])
        assert member.vocabulary == members[name].vocabulary
        assert set(member.state_dict()) == set(members[name].state_dict())
        assert {id(p) for p in member.parameters()} <= {id(p) for p in model.parameters()}, "weights are not copied"
        with torch.inference_mode():
            assert torch.equal(logits_of(member, ids, mask), logits_of(members[name], ids, mask))
    again = HybridNerModel.assemble(taken)
    assert again.config.members == model.config.members
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("members", "settings", "problem"),
    [
        ({}, {}, "at least one member"),
        ({"a.b": "spanner"}, {}, "letters, digits"),
        ({"a": "spanner", "b": "spanner"}, {}, "only one SpanNER"),
        ({"a": "spanner"}, {"strategy": "vote"}, "strategy must be one of"),
        ({"a": "spanner"}, {"decoding": "deep"}, "decoding must be one of"),
        ({"a": "spanner"}, {"uncertainty": []}, "uncertainty must be one of"),
        ({"a": "spanner"}, {"decoding": {}}, "decoding must be one of"),
        ({"a": "spanner"}, {"threshold": 1.5}, "from 0 to 1"),
        ({"a": "spanner"}, {"temperature": 0.0}, "positive"),
    ],
)
def test_what_cannot_be_assembled_says_why(make_member: Callable, members: dict, settings: dict, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        HybridNerModel.assemble({name: make_member(kind) for name, kind in members.items()}, **settings)


def test_members_of_other_labels_do_not_fit(make_member: Callable) -> None:
    members = {"a": make_member("spanner"), "b": make_member("bert-bilstm-crf", labels=("State", "Person"))}
    with pytest.raises(ModelError, match="'b' was trained on the labels"):
        HybridNerModel.assemble(members)


def test_a_member_of_unknown_type_is_named(composite_folder: Path, tmp_path: Path) -> None:
    settings = json.loads((composite_folder / "config.json").read_text())
    settings["members"][1]["config"]["model_type"] = "oracle"
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="'roberta-bigru-crf' has the unknown model_type 'oracle'"):
        HybridNerConfig.from_pretrained(tmp_path).member_configs()
