from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from hybridner import HybridNerModel
from hybridner.cli.main import main
from hybridner.errors import ModelError
from hybridner.hybrid.compact import common_characters, compact
from hybridner.hybrid.reading import window_batches
from tests.support.reading import candidates_of
from tests.support.tiny import TEXT


def scores(model: HybridNerModel, text: str) -> list[torch.Tensor]:
    (batch,) = window_batches([text], model.vocabularies, model.max_characters, 4)
    with torch.inference_mode():
        return list(model(batch.input_ids, batch.attention_mask).logits)


def test_texts_of_kept_characters_are_read_as_before(composite: HybridNerModel) -> None:
    text = TEXT[:30]
    small = compact(composite, set(text), 32)
    assert [len(vocabulary.ids) for vocabulary in small.vocabularies] == [len(set(text))]
    for ours, theirs in zip(scores(small, text), scores(composite, text), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert small.max_characters == 32
    for encoder in small.encoders:
        assert len(encoder.get_input_embeddings().weight) == len(set(text)) + 4
        assert encoder.get_input_embeddings().padding_idx == small.vocabularies[0].pad
        assert len(encoder.embeddings.position_embeddings.weight) == 34


def test_a_character_that_was_dropped_is_read_as_unknown(composite: HybridNerModel) -> None:
    small = compact(composite, set(TEXT) - {"北"})
    whole = scores(composite, TEXT.replace("北", "\U0001f600"))
    for ours, theirs in zip(scores(small, TEXT), whole, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_settings_and_names_stay(composite: HybridNerModel) -> None:
    members = {name: composite.member(name) for name in composite.member_names}
    model = HybridNerModel.assemble(members, strategy="majority", threshold=0.3, temperature=1.7)
    small = compact(model, set(TEXT))
    changed = {key for key, value in small.config.to_dict().items() if model.config.to_dict()[key] != value}
    assert changed <= {"encoders", "half_precision"}
    assert model.config.encoders[0]["config"]["vocab_size"] == len(set(TEXT)) + 4, "the model itself is left as it was"


def test_half_precision_is_for_the_disk_only(composite: HybridNerModel, tmp_path: Path) -> None:
    compact(composite, set(TEXT)).save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values() if tensor.dim() > 1} == {torch.float16}
    loaded = AutoModel.from_pretrained(tmp_path)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    for ours, theirs in zip(scores(loaded, TEXT), scores(composite, TEXT), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-2)
    again = tmp_path / "again"
    loaded.save_pretrained(again)
    assert (again / "model.safetensors").stat().st_size == (tmp_path / "model.safetensors").stat().st_size
    assert candidates_of(AutoModel.from_pretrained(again), [TEXT], batch_size=4) == candidates_of(loaded, [TEXT], batch_size=4)


def test_common_characters_are_those_of_a_chinese_page() -> None:
    common = common_characters()
    assert 4_000 < len(common) < 4_300
    assert common >= set("2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机——“我们”的《书》、（表）：一·二；%！？…abcXYZ")
    assert not common & set("戟鑫龘カДω\U0001f600")


@pytest.mark.parametrize("window", [8, 1000])
def test_a_window_that_cannot_be_is_refused(composite: HybridNerModel, window: int) -> None:
    with pytest.raises(ModelError, match="from 16 to 64"):
        compact(composite, set(TEXT), window)


def test_the_command_keeps_what_the_files_hold(make_member: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members = {name: make_member(name) for name in ("bert-bilstm-crf", "spanner")}
    ids = members["spanner"].vocabulary.ids
    ids["龘"] = ids.pop("！")
    HybridNerModel.assemble(members).save_pretrained(tmp_path / "model")
    (tmp_path / "text.txt").write_text("龘\n")
    (tmp_path / "spanner").mkdir()
    report = {"member": "spanner", "recipe": {"members": {"spanner": {"type": "spanner"}}}}
    (tmp_path / "spanner" / "training.json").write_text(json.dumps(report))
    command = ["compact", str(tmp_path / "model"), "--window", "20", "--output"]
    assert main([*command, str(tmp_path / "small"), "--text", str(tmp_path / "text.txt")]) == 0
    assert "MB" in capsys.readouterr().out
    model = AutoModel.from_pretrained(tmp_path / "small")
    assert model.max_characters == 20
    assert json.loads((tmp_path / "small" / "training.json").read_text()) == {"members": {"spanner": report}}
    assert ["龘" in vocabulary.ids for vocabulary in model.vocabularies] == [False, True]
    assert main([*command, str(tmp_path / "smaller")]) == 0
    assert not any("龘" in vocabulary.ids for vocabulary in AutoModel.from_pretrained(tmp_path / "smaller").vocabularies)
