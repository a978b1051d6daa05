from __future__ import annotations

import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.torch_version import TorchVersion
from transformers import AutoModel, pipeline

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.cli.main import main
from hybridner.ensemble import Candidate, select_entities
from hybridner.errors import HybridNerError, ModelError
from hybridner.export import GRAPH_FILE, OnnxHybridNerModel, export_onnx
from hybridner.hub import read_model_folder
from hybridner.hub.model_repo import published_files
from hybridner.hybrid import AdaptedHybridNerConfig, AdaptedHybridNerModel, ExampleIndex, require_torch
from hybridner.llm import Example
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import LabelSet
from tests.support.reading import candidates_of
from tests.support.tiny import ENCODER, LABELS, TEXT, small_records, tiny_member, tiny_vocabulary

any_text = st.text(st.one_of(st.sampled_from(TEXT), st.characters()), max_size=150)


@pytest.fixture(scope="module")
def exported_folder(composite: HybridNerModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "composite"
    export_onnx(composite, folder)
    return folder


@pytest.fixture(scope="module")
def exported(exported_folder: Path) -> OnnxHybridNerModel:
    return AutoModel.from_pretrained(exported_folder)


def found(candidates: list[Candidate]) -> dict[tuple[int, int, str], Candidate]:
    return {(c.start, c.end, c.label): c for c in select_entities(candidates)}


def assert_same_scores(model: HybridNerModel, exported: HybridNerModel, lengths: list[int], seed: int) -> None:
    """The same scores for every real character, whatever stands in the padding."""
    generator = torch.Generator().manual_seed(seed)
    known = max(model.vocabularies[0].ids.values()) + 1
    ids = torch.randint(0, known, (len(lengths), len(model.vocabularies), max(lengths) + 2), generator=generator)
    mask = (torch.arange(max(lengths) + 2) < torch.tensor(lengths)[:, None] + 2).long()
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask).logits
    given_ = exported(input_ids=ids, attention_mask=mask).logits
    for mine, theirs in zip(given_, expected, strict=True):
        for row, length in enumerate(lengths):
            torch.testing.assert_close(mine[row, :length], theirs[row, :length], rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 64), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_scores_are_those_of_torch_for_any_batch_length_and_padding(
    composite: HybridNerModel, exported: OnnxHybridNerModel, lengths: list[int], seed: int
) -> None:
    assert_same_scores(composite, exported, lengths, seed)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(any_text, max_size=5), batch_size=st.integers(1, 4), decoding=st.sampled_from(["flat", "nested"]))
def test_entities_are_those_of_torch(
    composite: HybridNerModel, exported: OnnxHybridNerModel, texts: list[str], batch_size: int, decoding: str
) -> None:
    expected = candidates_of(composite, texts, batch_size=batch_size, decoding=decoding)
    for mine, theirs in zip(candidates_of(exported, texts, batch_size=batch_size, decoding=decoding), expected, strict=True):
        mine_found, theirs_found = found(mine), found(theirs)
        assert mine_found.keys() == theirs_found.keys()
        for entity, candidate in mine_found.items():
            assert candidate.score == pytest.approx(theirs_found[entity].score, abs=1e-4)
            assert candidate.uncertainty == pytest.approx(theirs_found[entity].uncertainty, abs=1e-4)
            assert candidate.votes == theirs_found[entity].votes


def test_the_exported_folder_is_all_a_pipeline_needs(
    composite: HybridNerModel, exported_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(exported_folder, tmp_path / "elsewhere")
    expected = HybridNerPipeline(composite, device="cpu")([TEXT, "", TEXT * 4])
    spans = [[(e["start"], e["end"], e["entity_group"], e["votes"]) for e in row] for row in expected]
    for backend in (None, "onnx"):
        pipe = pipeline("hybrid-ner", model=str(tmp_path / "elsewhere"), backend=backend)
        assert [
            [(e["start"], e["end"], e["entity_group"], e["votes"]) for e in row] for row in pipe([TEXT, "", TEXT * 4])
        ] == spans
    # Not even a graph's file is needed once the model is saved anew.
    AutoModel.from_pretrained(tmp_path / "elsewhere").save_pretrained(tmp_path / "again")
    shutil.rmtree(tmp_path / "elsewhere")
    assert main(["predict", str(tmp_path / "again"), TEXT, "--json"]) == 0
    assert f'"start": {spans[0][0][0]}, "end": {spans[0][0][1]}' in capsys.readouterr().out


def test_the_hub_record_is_that_of_the_model_it_came_from(exported_folder: Path, composite_folder: Path) -> None:
    record = read_model_folder(exported_folder)
    original = read_model_folder(composite_folder).parameters
    # Running statistics are in the weights' file, and constants in the graph.
    assert record.parameters.keys() == original.keys()
    assert all(0 <= original[name] - count <= 64 for name, count in record.parameters.items())
    files = published_files(record, "me/mine")
    assert GRAPH_FILE in files
    assert b"hybridner[onnx]" in files["README.md"]
    assert b"fp32" in files["README.md"]


def test_a_graph_of_any_number_of_weights_is_read(exported_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(exported_folder, tmp_path / "large")
    config = json.loads((tmp_path / "large" / "config.json").read_text(encoding="utf-8"))
    config["parameters"][""] = 102_267_648
    (tmp_path / "large" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert read_model_folder(tmp_path / "large").parameters[""] == 102_267_648
    assert AutoModel.from_pretrained(tmp_path / "large").config.parameters == config["parameters"]


def test_examples_for_an_exported_model_are_found_by_characters(exported: OnnxHybridNerModel, composite: HybridNerModel) -> None:
    records = small_records()
    index = ExampleIndex.of(ExampleIndex.build(composite, records), exported)
    text = records[0].text + "！"
    (row,) = [prediction.candidates for prediction in exported.predict([text])]
    find = index.finder(exported, [text], [row], 3)
    for candidate in row[:5]:
        found = find(0, candidate)
        assert found == index.nearest(None, text, candidate.start, candidate.end, 3)
        assert len(found) == 3
    foreign = ExampleIndex((Example("北约", 0, 2, "Other"),), index.vectors[:1])
    with pytest.raises(ModelError, match="'Other'"):
        ExampleIndex.of(foreign, exported)


def test_an_exported_model_only_reads(
    exported: OnnxHybridNerModel, composite: HybridNerModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = torch.ones(1, 1, 4, dtype=torch.long)
    with pytest.raises(ModelError, match="only reads texts"):
        require_torch(exported)
    with pytest.raises(ModelError, match="no ONNX graph"):
        OnnxHybridNerModel(exported.config)(input_ids=ids, attention_mask=ids[:, 0])
    for arguments in (["adapt", "DATA"], ["compact"], ["examples", "DATA"]):
        exported.save_pretrained(tmp_path / "exported")
        (tmp_path / "data.jsonl").write_text(json.dumps({"text": TEXT, "entities": []}), encoding="utf-8")
        rest = [str(tmp_path / "data.jsonl") if part == "DATA" else part for part in arguments[1:]]
        assert main([arguments[0], str(tmp_path / "exported"), *rest, "--output", str(tmp_path / "new")]) == 1
        assert "only reads texts" in capsys.readouterr().err
    with pytest.raises(ModelError, match="already"):
        export_onnx(exported, tmp_path)
    with pytest.raises(ModelError, match="backend must be one of"):
        HybridNerPipeline(composite, backend="tensorflow")


@pytest.mark.parametrize("damage", [None, b"", b"no graph"])
def test_a_graph_that_is_missing_or_damaged_is_named(exported_folder: Path, tmp_path: Path, damage: bytes | None) -> None:
    shutil.copytree(exported_folder, tmp_path / "damaged")
    graph = tmp_path / "damaged" / GRAPH_FILE
    graph.unlink()
    if damage is not None:
        graph.write_bytes(damage)
    with pytest.raises(ModelError, match=GRAPH_FILE):
        AutoModel.from_pretrained(tmp_path / "damaged")
    if damage is None:
        with pytest.raises(ModelError, match=GRAPH_FILE):
            read_model_folder(tmp_path / "damaged")


@pytest.mark.parametrize(("version", "old"), [("2.7.1+cu126", True), ("2.8.0", False), ("2.10.0", False)])
def test_an_older_torch_is_told_apart(
    composite: HybridNerModel, version: str, old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next thing that is looked for is onnx, which is not there either."""
    monkeypatch.setattr(torch, "__version__", TorchVersion(version))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(HybridNerError, match="needs torch 2.8 or later" if old else "onnx is not installed"):
        export_onnx(composite, tmp_path)


def test_int8_by_the_command_line_with_one_shared_encoder(tmp_path: Path, make_member: Callable) -> None:
    members = {name: make_member(name) for name in ("bert-bilstm-crf", "roberta-bigru-crf", "spanner")}
    for member in members.values():
        member.encoder = members["spanner"].encoder
    model = HybridNerModel.assemble(members)
    model.save_pretrained(tmp_path / "model")
    assert main(["export", str(tmp_path / "model"), "--output", str(tmp_path / "int8"), "--int8"]) == 0
    assert sorted(file.name for file in (tmp_path / "int8").iterdir()) == [
        "config.json",
        "model.onnx",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    graph = onnx.load(tmp_path / "int8" / GRAPH_FILE).graph
    operators = Counter(node.op_type for node in graph.node)
    assert operators["DynamicQuantizeLSTM"] == 2
    assert operators["GRU"] == 1
    assert not operators["LSTM"]
    assert operators["MatMulInteger"] >= 6  # the one encoder layer
    # Of the encoder, read by three members, there is one.
    embeddings = [tensor for tensor in graph.initializer if tensor.dims[:1] == [max(model.vocabularies[0].ids.values()) + 1]]
    assert [tensor.data_type for tensor in embeddings] == [onnx.TensorProto.UINT8]
    exported = AutoModel.from_pretrained(tmp_path / "int8")
    assert exported.config.precision == "int8"
    rng = random.Random(0)
    texts = ["".join(rng.choices(TEXT, k=rng.randint(1, 90))) for _ in range(20)]
    pairs = [[set(found(row)) for row in candidates_of(m, texts, batch_size=4)] for m in (model, exported)]
    shared = sum(len(a & b) for a, b in zip(*pairs, strict=True))
    assert shared > 0.8 * max(sum(map(len, rows)) for rows in pairs)
    # What is found in a text does not depend on its neighbors, though activations are quantized as they come.
    alone = [candidates_of(exported, [text])[0] for text in texts]
    for batch_size, threads in ((1, 1), (7, 3), (32, 2)):
        torch.set_num_threads(threads)
        batched = candidates_of(exported, texts, batch_size=batch_size)
        torch.set_num_threads(1)
        for ours, theirs in zip(batched, alone, strict=True):
            assert [(c.start, c.end, c.label, c.votes) for c in ours] == [(c.start, c.end, c.label, c.votes) for c in theirs]
            assert [c.uncertainty for c in ours] == pytest.approx([c.uncertainty for c in theirs], abs=1e-6)


def test_an_adapter_over_an_encoder_with_other_positions(tmp_path: Path) -> None:
    """RoBERTa numbers its positions by the padding, which is where an export goes wrong first."""
    encoder = {**ENCODER, "model_type": "roberta", "max_position_embeddings": 40}
    label_set = LabelSet.of(LABELS)
    member = MEMBER_CLASSES["spanner"].from_scratch(encoder, tiny_vocabulary(), label_set, rnn_hidden_size=8, max_span_length=4)
    base = HybridNerModel.assemble({"spanner": member})
    settings_ = {name: getattr(base.config, name) for name in ("encoders", "members", "label_set")}
    model = AdaptedHybridNerModel.from_base(base, AdaptedHybridNerConfig(**settings_, base="base"), rank=2)
    with torch.no_grad():
        for name, parameter in model.encoders.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)
    export_onnx(model.eval(), tmp_path / "merged")
    exported = AutoModel.from_pretrained(tmp_path / "merged")
    assert exported.max_characters == base.max_characters
    lengths = [model.max_characters, 1, 7]
    assert_same_scores(model, exported, lengths, seed=0)
    with pytest.raises(AssertionError):
        assert_same_scores(base.eval(), exported, lengths, seed=0)


def test_torch_weights_run_on_onnxruntime_on_request(tmp_path: Path) -> None:
    member = tiny_member("spanner")
    member.save_pretrained(tmp_path)
    pipe = pipeline("hybrid-ner", model=str(tmp_path), backend="onnx")
    assert isinstance(pipe.model, OnnxHybridNerModel)
    expected = HybridNerPipeline(member, device="cpu")(TEXT)
    assert [(e["start"], e["end"], e["entity_group"]) for e in pipe(TEXT)] == [
        (e["start"], e["end"], e["entity_group"]) for e in expected
    ]
