from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModel, pipeline

from hybridner import HybridNerModel, HybridNerPipeline, LabelSet
from hybridner.adaptation import AdaptationSettings, adapt, fine_tune, labels_for
from hybridner.adaptation.adapt import adapted_settings
from hybridner.adaptation.heads import carry_over
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.errors import DataError, ModelError
from hybridner.evaluation import evaluate_systems
from hybridner.hybrid import AdaptedHybridNerConfig, AdaptedHybridNerModel
from hybridner.hybrid.modeling_adapted import base_fingerprint
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import Record
from tests.support.adaptation import NEW_LABELS, renamed_records, shared_composite
from tests.support.tiny import TEXT, small_records, tiny_member

QUICK = AdaptationSettings(rank=4, epochs=10, batch_size=6, encoder_learning_rate=1e-2, head_learning_rate=1e-2)


@pytest.fixture(scope="module")
def adapted(base: HybridNerModel, base_folder: Path) -> AdaptedHybridNerModel:
    return adapt(base, str(base_folder), renamed_records(), NEW_LABELS, QUICK)[0]


@pytest.fixture
def adapter_folder(adapted: AdaptedHybridNerModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    adapted.save_pretrained(folder)
    return folder


def scores(model: HybridNerModel) -> list[torch.Tensor]:
    ids = torch.tensor([[[vocabulary.cls, *range(4, 30), vocabulary.sep] for vocabulary in model.vocabularies]] * 2)
    with torch.inference_mode():
        return list(model(ids, torch.ones(2, 28, dtype=torch.long)).logits)


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def fresh(base: HybridNerModel, labels: LabelSet, name: str = "me/base") -> AdaptedHybridNerModel:
    print_ = base_fingerprint(base)
    config = AdaptedHybridNerConfig(**adapted_settings(base.config, labels), base=name, base_fingerprint=print_)
    return AdaptedHybridNerModel.from_base(base, config, rank=4)


def f1(model: HybridNerModel, records: list[Record]) -> float:
    return evaluate_systems(model, records, ["score"])["strategy:score"].micro.f1


def test_a_new_adapter_for_the_same_labels_changes_nothing(base: HybridNerModel) -> None:
    model = fresh(base, base.config.labels)
    for old, new in zip(base.heads, model.heads, strict=True):
        carry_over(old, new)
    assert same(scores(model), scores(base))


def test_it_learns_another_label_set(adapted: AdaptedHybridNerModel) -> None:
    assert f1(adapted, renamed_records()) > 0.9
    found = HybridNerPipeline(adapted, device="cpu")("北约在叙利亚部署了干扰机。")
    assert {(e["word"], e["entity_group"]) for e in found} == {("北约", "Country"), ("叙利亚", "Place")}


def test_the_base_stays_as_it_was(base: HybridNerModel, base_folder: Path, adapted: AdaptedHybridNerModel) -> None:
    assert adapted is not base
    stored = HybridNerModel.from_pretrained(base_folder)
    assert same(scores(base), scores(stored))
    assert all(weight.requires_grad for weight in base.parameters())
    assert f1(base, small_records()) > 0.9


def test_only_the_adapter_is_stored(adapter_folder: Path, base_folder: Path) -> None:
    heads = load_file(adapter_folder / "model.safetensors")
    assert all(name.startswith("members.") for name in heads)
    changes = load_file(adapter_folder / "encoder-0" / "adapter_model.safetensors")
    assert all("lora_" in name for name in changes)
    config = json.loads((adapter_folder / "config.json").read_text())
    assert (adapter_folder / config["base"]).resolve() == base_folder.resolve()
    assert [label["name"] for label in config["label_set"]["labels"]] == list(NEW_LABELS.names)


def test_nothing_that_is_stored_names_a_folder_of_this_machine(adapter_folder: Path, base_folder: Path) -> None:
    for file in adapter_folder.rglob("*"):
        if file.is_file():
            assert str(base_folder.parent).encode() not in file.read_bytes()


def test_adapter_and_base_can_be_moved_together(
    adapted: AdaptedHybridNerModel, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(base_folder, tmp_path / "before" / "base")
    adapted.config.base = str(tmp_path / "before" / "base")
    try:
        adapted.save_pretrained(tmp_path / "before" / "adapters" / "mine")
    finally:
        adapted.config.base = str(base_folder)
    (tmp_path / "before").rename(tmp_path / "after")
    again = AutoModel.from_pretrained(tmp_path / "after" / "adapters" / "mine")
    assert again.config.base == str(tmp_path / "after" / "base")
    assert same(scores(again), scores(adapted))
    # A folder's relative name is relative to it, wherever the process is.
    monkeypatch.chdir(tmp_path / "after" / "adapters")
    assert same(scores(AutoModel.from_pretrained("mine")), scores(adapted))
    again.save_pretrained("other")
    assert same(scores(AutoModel.from_pretrained(tmp_path / "after" / "adapters" / "other")), scores(adapted))


def hidden_states(encoder: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return encoder(input_ids=torch.arange(4, 28)[None], attention_mask=torch.ones(1, 24)).last_hidden_state


def test_the_files_are_those_of_peft(base: HybridNerModel, adapted: AdaptedHybridNerModel, adapter_folder: Path) -> None:
    encoder = copy.deepcopy(base.encoders[0])
    plain = hidden_states(encoder)
    theirs = PeftModel.from_pretrained(encoder, str(adapter_folder), subfolder="encoder-0").eval()
    assert torch.equal(hidden_states(theirs), hidden_states(adapted.encoders[0]))
    assert not torch.allclose(hidden_states(theirs), plain)
    # And what PEFT itself stores is read.
    shutil.rmtree(adapter_folder / "encoder-0")
    theirs.save_pretrained(str(adapter_folder / "encoder-0"))
    assert same(scores(AdaptedHybridNerModel.from_pretrained(adapter_folder, base=base)), scores(adapted))


def test_each_encoder_has_its_own_changes(tmp_path: Path) -> None:
    base = HybridNerModel.assemble({name: tiny_member(name, seed) for seed, name in enumerate(MEMBER_CLASSES)})
    model = fresh(base, NEW_LABELS)
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in model.encoders.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3)
    model.save_pretrained(tmp_path)
    again = AdaptedHybridNerModel.from_pretrained(tmp_path, base=base)
    assert same(scores(again), scores(model))
    for number, encoder in enumerate(base.encoders):
        theirs = PeftModel.from_pretrained(copy.deepcopy(encoder), str(tmp_path), subfolder=f"encoder-{number}").eval()
        assert torch.equal(hidden_states(theirs), hidden_states(model.encoders[number]))
    states = [hidden_states(encoder) for encoder in model.encoders]
    assert len(states) == len(base.encoders) == 4
    assert not any(torch.allclose(one, other, atol=1e-2) for one, other in combinations(states, 2))


def test_an_adapter_whose_base_others_do_not_have_is_not_pushed(adapted: AdaptedHybridNerModel) -> None:
    for push in (adapted.push_to_hub, HybridNerPipeline(adapted, device="cpu").push_to_hub):
        with pytest.raises(ModelError, match="others do not have"):
            push("me/adapter")


def test_the_base_stands_in_the_metadata_by_its_name_on_the_hub(base: HybridNerModel, tmp_path: Path) -> None:
    def stored(name: str) -> object:
        model = fresh(base, NEW_LABELS, name)
        model.save_pretrained(tmp_path)
        return json.loads((tmp_path / "encoder-0" / "adapter_config.json").read_text())["base_model_name_or_path"]

    assert stored("me/base") == "me/base"
    assert stored("bundled") is None
    assert stored(str(tmp_path)) is None


def test_what_was_saved_is_loaded(adapted: AdaptedHybridNerModel, adapter_folder: Path) -> None:
    for load in (AdaptedHybridNerModel.from_pretrained, AutoModel.from_pretrained):
        again = load(adapter_folder)
        assert isinstance(again, AdaptedHybridNerModel)
        assert not again.training
        assert same(scores(again), scores(adapted))
    texts = [TEXT, "北约在叙利亚部署了干扰机。"]
    expected = HybridNerPipeline(adapted, device="cpu")(texts)
    assert pipeline("hybrid-ner", model=str(adapter_folder), device="cpu")(texts) == expected
    assert expected[1]


def test_several_adapters_stand_on_one_base_in_memory(
    base: HybridNerModel, adapted: AdaptedHybridNerModel, adapter_folder: Path
) -> None:
    first = AdaptedHybridNerModel.from_pretrained(adapter_folder, base=base)
    other = fresh(base, NEW_LABELS)
    before = scores(base)
    # Going to and fro changes no answer.
    assert same(scores(first), scores(adapted))
    assert not same(scores(other), scores(first))
    assert same(scores(base), before)
    assert same(scores(first), scores(adapted))
    mine = first.encoders[0].embeddings.word_embeddings.weight
    assert mine.data_ptr() == base.encoders[0].embeddings.word_embeddings.weight.data_ptr()


def test_merged_it_is_an_ordinary_composite(adapted: AdaptedHybridNerModel, tmp_path: Path) -> None:
    merged = adapted.merged()
    assert type(merged) is HybridNerModel
    for a, b in zip(scores(merged), scores(adapted), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
    merged.save_pretrained(tmp_path)
    again = HybridNerModel.from_pretrained(tmp_path)
    assert same(scores(again), scores(merged))
    assert not any("lora" in name for name in load_file(tmp_path / "model.safetensors"))
    assert again.config.model_type == "hybrid-ner"
    # And so it can be adapted in turn, which an adapter cannot.
    assert fresh(again, NEW_LABELS).config.labels == NEW_LABELS
    with pytest.raises(ModelError, match="merge it first"):
        fresh(adapted, NEW_LABELS)


def test_another_base_is_refused(adapter_folder: Path, base: HybridNerModel, tmp_path: Path) -> None:
    torch.manual_seed(1)
    with pytest.raises(ModelError, match="another base"):
        AdaptedHybridNerModel.from_pretrained(adapter_folder, base=shared_composite(("State", "System", "Place")))
    config = json.loads((adapter_folder / "config.json").read_text())
    moved = tmp_path / "adapter"
    shutil.copytree(adapter_folder, moved)
    (moved / "config.json").write_text(json.dumps({**config, "base": str(tmp_path / "gone")}))
    with pytest.raises(ModelError, match=r"gone, the base of the adapter .*give it as `base`"):
        AdaptedHybridNerModel.from_pretrained(moved)
    assert AdaptedHybridNerModel.from_pretrained(moved, base=base).config.base == str(tmp_path / "gone")


def changed_file(path: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    save_file(change(load_file(path)), path)


@pytest.mark.parametrize("file", ["model.safetensors", "encoder-0/adapter_model.safetensors"])
def test_weights_that_are_missing_or_of_another_size_are_noticed(adapter_folder: Path, base: HybridNerModel, file: str) -> None:
    changed_file(adapter_folder / file, lambda weights: dict(sorted(weights.items())[1:]))
    with pytest.raises(ModelError, match="missing"):
        AdaptedHybridNerModel.from_pretrained(adapter_folder, base=base)
    changed_file(
        adapter_folder / file, lambda weights: {name: w[None] if w.is_floating_point() else w for name, w in weights.items()}
    )
    with pytest.raises(ModelError, match="of another size"):
        AdaptedHybridNerModel.from_pretrained(adapter_folder, base=base)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "encoder-0/adapter_config.json", "encoder-0/adapter_model.safetensors"]
)
@pytest.mark.parametrize("kept", [None, 0.5])
def test_damaged_files_are_noticed(adapter_folder: Path, base: HybridNerModel, name: str, kept: float | None) -> None:
    path = adapter_folder / name
    content = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ModelError, match=r"adapter.*fetch the whole folder again"):
        AdaptedHybridNerModel.from_pretrained(adapter_folder, base=base)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": 2_000_000}, "of another size"),
        ({"r": 10**12}, "no model has more"),
        ({"r": "8"}, "positive whole number"),
        ({"target_modules": "(a+)+$|(.*.*)*x"}, "list of names"),
        ({"target_modules": [["query"]]}, "list of names"),
        ({"target_modules": ["no_such_layer"]}, "does not fit the encoder"),
        ({"exclude_modules": "(a+)+$"}, "sets exclude_modules"),
        ({"rank_pattern": {"(a+)+$": 4}}, "sets rank_pattern"),
        ({"layers_to_transform": [0], "layers_pattern": "(a+)+$"}, "sets layers_"),
        ({"layer_replication": [[0, 1]] * 1000}, "sets layer_replication"),
        ({"megatron_config": {"x": 1}, "megatron_core": "os"}, "sets megatron_con"),
        ({"init_lora_weights": "pissa"}, "sets init_lora_weights"),
        ({"modules_to_save": ["embeddings"]}, "sets modules_to_save"),
        ({"peft_type": "PROMPT_TUNING"}, "LoRA"),
    ],
)
def test_settings_beyond_plain_lora_are_refused(
    adapter_folder: Path, base: HybridNerModel, change: dict[str, object], message: str
) -> None:
    path = adapter_folder / "encoder-0" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=message):
        AdaptedHybridNerModel.from_pretrained(adapter_folder, base=base)


def test_an_adapter_that_is_its_own_base_is_refused(adapter_folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(adapter_folder, tmp_path / "other")
    for mine, its in ((adapter_folder, adapter_folder), (adapter_folder, other), (other, adapter_folder)):
        config = json.loads((mine / "config.json").read_text())
        (mine / "config.json").write_text(json.dumps({**config, "base": str(its)}))
        with pytest.raises(ModelError, match="merge it first"):
            AutoModel.from_pretrained(mine)


def test_all_weights_can_be_trained_instead(base: HybridNerModel) -> None:
    model, report = fine_tune(base, renamed_records(), NEW_LABELS, QUICK)
    assert type(model) is HybridNerModel
    assert f1(model, renamed_records()) > 0.9
    assert report["trained_parameters"] == sum(weight.numel() for weight in model.parameters())
    assert report["settings"]["epochs"] == 10


@pytest.mark.parametrize("model_type", MEMBER_CLASSES)
@settings(max_examples=15)
@given(old=st.permutations(["A", "B", "C"]), new=st.permutations(["A", "B", "D", "E"]))
def test_labels_of_the_same_name_keep_their_outputs(model_type: str, old: list[str], new: list[str]) -> None:
    first, second = tiny_member(model_type, 0, labels=old).head, tiny_member(model_type, 1, labels=new).head
    carry_over(first, second)
    hidden, mask = torch.randn(2, 7, 16), torch.ones(2, 7, dtype=torch.bool)
    with torch.inference_mode():
        a, b = first(hidden, mask), second(hidden, mask)
    numbers = [{name: number for number, name in head.config.id2label.items()} for head in (first, second)]
    shared = [name for name in numbers[0] if name in numbers[1]]
    mine, theirs = ([of[name] for name in shared] for of in numbers)
    if model_type == "spanner":
        theirs += [number + 5 for number in theirs]
        mine += [number + 4 for number in mine]
    torch.testing.assert_close(b.logits[..., theirs], a.logits[..., mine])
    if model_type != "spanner":
        kept = first.decoder.crf.transitions[numbers[0]["B-A"], numbers[0]["I-B"]]
        assert second.decoder.crf.transitions[numbers[1]["B-A"], numbers[1]["I-B"]] == kept


def test_which_label_set_is_meant() -> None:
    base = LabelSet.from_dict({"labels": [{"name": "State", "description": "a state"}, "Place", "System"]})
    assert labels_for(base, small_records(), None) is base
    mixed = labels_for(base, [*small_records(), *renamed_records()], None)
    assert mixed.names == ("Country", "Place", "State")
    assert mixed.labels[2].description == "a state"
    with pytest.raises(DataError, match="not in this label set"):
        labels_for(base, small_records(), "msra")


def test_what_cannot_be_adapted_to(base: HybridNerModel) -> None:
    with pytest.raises(DataError, match="no sentence"):
        adapt(base, "base", [], NEW_LABELS)
    with pytest.raises(DataError, match="labels Country occur"):
        adapt(base, "base", renamed_records(), base.config.labels)
    with pytest.raises(ModelError, match="epochs must be positive"):
        AdaptationSettings(epochs=0)


def test_the_commands(base_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, adapter, merged = str(tmp_path / "new.jsonl"), tmp_path / "adapter", tmp_path / "merged"
    write_jsonl(renamed_records(), data)
    quick = ["--epochs", "10", "--batch-size", "6", "--encoder-learning-rate", "1e-2", "--head-learning-rate", "1e-2"]
    assert main(["adapt", str(base_folder), data, "--output", str(adapter), "--dev", data, *quick]) == 0
    assert "adapter of" in capsys.readouterr().out
    report = json.loads((adapter / "adaptation.json").read_text())
    assert report["dev"]["score"]["f1"] > 0.9
    assert main(["merge", str(adapter), "--output", str(merged)]) == 0
    capsys.readouterr()
    answers = []
    for model in (adapter, merged):
        assert main(["predict", str(model), "北约在叙利亚部署了干扰机。", "--json"]) == 0
        answers.append([(e["word"], e["entity_group"]) for e in json.loads(capsys.readouterr().out)["entities"]])
    assert answers[0] == answers[1] == [("北约", "Country"), ("叙利亚", "Place")]
    assert main(["merge", str(merged), "--output", str(tmp_path / "x")]) == 1
    assert "no adapter" in capsys.readouterr().err
    assert main(["adapt", str(adapter), data, "--output", str(tmp_path / "y")]) == 1
    assert "merge it first" in capsys.readouterr().err
    assert main(["adapt", str(adapter), data, "--output", str(tmp_path / "full"), "--full", "--epochs", "1"]) == 0
    assert "composite of" in capsys.readouterr().out
    assert json.loads((tmp_path / "full" / "adaptation.json").read_text())["settings"]["encoder_learning_rate"] == 3e-4
    assert type(HybridNerModel.from_pretrained(tmp_path / "full")) is HybridNerModel
