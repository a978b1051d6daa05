"""Cards say what was written down, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard
from transformers import pipeline

from hybridner import HybridNerModel, Label, LabelSet
from hybridner.bundled import BUNDLED_FOLDER
from hybridner.calibration.reliability import reliability
from hybridner.cli.commands import card as card_command
from hybridner.cli.main import command_parser, main
from hybridner.data import write_jsonl
from hybridner.ensemble import FixedThreshold
from hybridner.errors import DataError, ModelError
from hybridner.evaluation import score_spans
from hybridner.export import OnnxHybridNerConfig
from hybridner.hub import HubError, make_card, measure_model, read_model_folder
from hybridner.hub.eval_results import bootstrap, threshold_curve
from hybridner.hub.model_card import TEMPLATE, EnergyUse, checked, existing_card
from hybridner.hub.model_repo import published_files
from hybridner.spans import Record, Span
from tests.support.tiny import small_records, tiny_member

SECRET = "/home/somebody/secret project"


def report(name: str, model_type: str, encoder: object = "bert-base-chinese", seconds: float = 60.0) -> dict[str, Any]:
    """As training writes it."""
    return {
        "member": name,
        "recipe": {
            "data": {"train": f"{SECRET}/train.jsonl", "dev": "deep/dev.jsonl", "dev_fraction": 0.1, "labels": None},
            "members": {name: {"type": model_type, "encoder": encoder}},
            "training": {"output": f"{SECRET}/run", "seed": 7},
        },
        "records": {"train": 1234, "dev": 56},
        "unrepresentable": 0.125,
        "best_dev_f1": 0.876,
        "history": [],
        "seconds": seconds,
        "finished": "2026-01-02T03:04:05+00:00",
        "device": "NVIDIA X1",
        "processes": 2,
        "threads": 1,
        "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
    }


@pytest.fixture
def run(composite_folder: Path, tmp_path: Path) -> Path:
    """The folder of a run: the composite, and beside it the reports of two of its members and of a stranger."""
    shutil.copytree(composite_folder, tmp_path / "run" / "composite")
    for name, written in (
        ("spanner", report("spanner", "spanner", seconds=90)),
        ("bert-bilstm-crf", report("bert-bilstm-crf", "bert-bilstm-crf", f"{SECRET}/encoder")),
        ("roberta-bigru-crf", report("roberta-bigru-crf", "spanner")),
    ):
        (tmp_path / "run" / name).mkdir()
        (tmp_path / "run" / name / "training.json").write_text(json.dumps(written))
    return tmp_path / "run" / "composite"


def command(*arguments: str) -> int:
    return card_command.run(command_parser("card").parse_args(arguments))


def section(card: ModelCard, title: str) -> str:
    """The text under a heading of the second level."""
    return card.text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_card_tells_how_the_members_were_trained(run: Path) -> None:
    card = make_card(read_model_folder(run), repo_id="me/x", licence="apache-2.0")
    rows = {line.split(" | ")[0].strip("| "): line for line in section(card, "Members").splitlines() if line.startswith("| ")}
    assert "from bert-base-chinese" in rows["spanner"]
    assert rows["spanner"].endswith("| 87.6 |")
    assert "from ./encoder |" in rows["bert-bilstm-crf"]
    assert rows["roberta-bigru-crf"].endswith("| – |")  # the report beside it is about something else
    assert "Trained on train.jsonl (1,234 texts)" in section(card, "Data")
    assert "56 other texts (dev.jsonl). Seed 7." in section(card, "Data")
    training = " ".join(section(card, "Training").split())
    assert training.startswith("2.5 minutes for 2 of 4 members on 2 × NVIDIA X1, finished 2026-01-02, with torch 2.13.0")
    assert "12.5 % of the entities in its training data could not be expressed by spanner" in section(
        card, "Intended use and limits"
    )
    assert card.data.base_model == ["bert-base-chinese"]
    assert card.data.to_dict()["base_model_relation"] == "finetune"
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "hybridner"


def test_the_metadata_tell_the_hub_what_the_model_is_and_was_made_of(run: Path) -> None:
    record = read_model_folder(run)
    metadata = make_card(record, licence="apache-2.0").data.to_dict()
    assert {name: metadata[name] for name in ("language", "license", "library_name", "pipeline_tag")} == {
        "language": "zh",
        "license": "apache-2.0",
        "library_name": "hybridner",
        "pipeline_tag": "token-classification",
    }
    assert {"named-entity-recognition", "hybrid-ner"} <= set(metadata["tags"])
    settings = {name: getattr(record.config, name) for name in ("encoders", "members", "label_set")}
    for precision, relation in (("int8", "quantized"), ("fp32", "finetune")):
        exported = replace(record, config=OnnxHybridNerConfig(**settings, precision=precision))
        metadata = make_card(exported).data.to_dict()
        assert (metadata["base_model"], metadata["base_model_relation"]) == (["bert-base-chinese"], relation)
    # Where nothing on the Hub is known to be below it, no relation is claimed.
    metadata = make_card(replace(record, training={})).data.to_dict()
    assert not {"base_model", "base_model_relation"} & metadata.keys()


def test_weights_are_counted_per_member(run: Path, composite: HybridNerModel) -> None:
    counted = read_model_folder(run).parameters
    assert counted == {
        name: sum(p.numel() for p in composite.member(name).state_dict().values()) for name in composite.member_names
    }


def test_a_shared_encoder_is_counted_once_and_belongs_to_none(tmp_path: Path) -> None:
    names = ("bert-bilstm-crf", "spanner")
    composite = HybridNerModel.assemble({name: tiny_member(name) for name in names})
    composite.save_pretrained(tmp_path)
    counted = read_model_folder(tmp_path).parameters
    assert counted[""] == sum(p.numel() for p in composite.encoders[0].state_dict().values())
    assert sum(counted.values()) == sum(p.numel() for p in composite.state_dict().values())
    assert f"{counted['']:,} weights of the encoder that members share" in str(make_card(read_model_folder(tmp_path)))


def test_no_folder_of_the_trainer_is_published(run: Path) -> None:
    files = published_files(read_model_folder(run), "me/x")
    for name in ("README.md", "training.json", "config.json"):
        content = files[name]
        assert isinstance(content, bytes)
        assert b"secret" not in content
        assert b"/home" not in content
    reports = json.loads(files["training.json"])["members"]
    assert set(reports) == {"spanner", "bert-bilstm-crf"}
    assert reports["spanner"]["recipe"]["data"]["train"] == "train.jsonl"
    assert reports["spanner"]["recipe"]["members"]["spanner"]["encoder"] == "bert-base-chinese"


def test_what_was_published_makes_the_same_card_again(run: Path, tmp_path: Path) -> None:
    record = read_model_folder(run)
    there = tmp_path / "there"
    there.mkdir()
    for name, content in published_files(record, "me/x").items():
        if isinstance(content, bytes):
            (there / name).write_bytes(content)
        else:
            shutil.copy(content, there / name)
    again = read_model_folder(there)
    assert again.fingerprint == record.fingerprint
    assert str(make_card(again, repo_id="me/x")) == str(existing_card(again)) == str(make_card(record, repo_id="me/x"))


def test_a_bare_member_has_a_card_that_claims_nothing(tmp_path: Path) -> None:
    tiny_member("spanner").save_pretrained(tmp_path)
    card = make_card(read_model_folder(tmp_path))
    assert "No record of the training" in section(card, "Training")
    assert "No record of the training data" in section(card, "Data")
    assert "has not been measured" in section(card, "Results")
    assert "no entity longer than 6 characters" in section(card, "Intended use and limits")
    assert "at most 64 characters" in section(card, "Intended use and limits")
    assert card.data.eval_results is None
    assert card.data.base_model is None


def test_descriptions_cannot_break_the_table(tmp_path: Path) -> None:
    labels = LabelSet((Label("A|B", "甲", "first\nsecond <script>"), Label("C")), "战|争")
    tiny_member("bert-bilstm-crf", labels=labels).save_pretrained(tmp_path)
    card = make_card(read_model_folder(tmp_path))
    assert "| A\\|B | 甲 | first second &lt;script> |\n| C | – | – |\n" in section(card, "Labels")


def test_figures_come_with_split_and_interval(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(small_records(), tmp_path / "gold.jsonl")
    assert command(str(run), "--data", str(tmp_path / "gold.jsonl"), "--dataset", "Small records", "--split", "dev") == 0
    assert capsys.readouterr().out == f"card: {run / 'README.md'}\n"
    evaluation = json.loads((run / "evaluation.json").read_text())
    records = small_records()
    found = pipeline("hybrid-ner", model=str(run), device="cpu")([record.text for record in records])
    predicted = [[Span(e["start"], e["end"], e["entity_group"]) for e in entities] for entities in found]
    scores = score_spans([record.entities for record in records], predicted)
    assert evaluation["systems"]["strategy:score"]["f1"] == scores.micro.f1
    assert evaluation["macro_f1"] == scores.macro_f1
    assert sum(b["entities"] for b in evaluation["reliability"]["bins"]) == scores.micro.predicted
    spans = [[Span(e["start"], e["end"], e["votes"]["spanner"]) for e in es if e["votes"]["spanner"] != "O"] for es in found]
    assert evaluation["systems"]["spanner"]["recall"] >= score_spans([r.entities for r in records], spans).micro.recall
    card = ModelCard((run / "README.md").read_text())
    f1 = next(result for result in card.data.eval_results if result.metric_type == "f1")
    assert (f1.dataset_name, f1.dataset_type, f1.dataset_split) == ("Small records", "small-records", "dev")
    assert f1.metric_value == round(scores.micro.f1, 4)
    low, high = f1.metric_args["interval"]
    assert low <= f1.metric_value <= high
    assert f1.metric_args["texts"] == len(records)
    row = next(line for line in section(card, "Results").splitlines() if line.startswith("| **composite (score)**"))
    assert f"| {100 * scores.micro.f1:.1f} |" in row


def test_measuring_refuses_labels_the_model_does_not_know(composite: HybridNerModel) -> None:
    records = [Record("俄罗斯", (Span(0, 3, "Planet"),))]
    with pytest.raises(DataError, match="labels Planet occur in the data"):
        measure_model(composite, records, fingerprint="", data="x", split="test")
    with pytest.raises(DataError, match="holds no record"):
        measure_model(composite, [], fingerprint="", data="x", split="test")


def test_nothing_is_said_about_other_weights(run: Path, tmp_path: Path) -> None:
    write_jsonl(small_records(), tmp_path / "gold.jsonl")
    command(str(run), "--data", str(tmp_path / "gold.jsonl"))
    record = read_model_folder(run)
    assert {"evaluation.json", "evaluation.png"} < set(published_files(record, "me/x"))
    assert "(evaluation.png)" in str(existing_card(record))
    model = HybridNerModel.from_pretrained(run)
    model.config.review_threshold = FixedThreshold(0.9)
    model.save_pretrained(run)
    with pytest.raises(ModelError, match=r"evaluation\.json was measured on other weights"):
        read_model_folder(run)
    (run / "evaluation.json").unlink()
    with pytest.raises(ModelError, match=r"README\.md is about other weights"):
        published_files(read_model_folder(run), "me/x")


def test_words_of_ones_own_stay(run: Path) -> None:
    command(str(run))
    card = run / "README.md"
    card.write_text(card.read_text() + "\nA line of my own.\n")
    with pytest.raises(ModelError, match="--overwrite"):
        command(str(run))
    published = published_files(read_model_folder(run), "me/x", "v2")["README.md"]
    assert isinstance(published, bytes)
    assert b"A line of my own." in published
    assert b'model="me/x", revision="v2"' in published  # the card was made before anybody knew
    assert b"PATH-OR-HUB-ID" not in published
    with pytest.raises(HubError, match="published as it is"):
        published_files(read_model_folder(run), "me/x", licence="mit")
    assert command(str(run), "--overwrite") == 0
    assert "A line of my own." not in card.read_text()


@pytest.fixture
def calibrated(run: Path, tmp_path: Path) -> Path:
    write_jsonl(small_records(), tmp_path / "dev.jsonl")
    assert main(["calibrate", str(run), str(tmp_path / "dev.jsonl"), "--uncertainty", "entropy", "--share", "0.5"]) == 0
    return run


def test_the_calibration_is_on_the_card(calibrated: Path) -> None:
    report = json.loads((calibrated / "calibration.json").read_text())
    record = read_model_folder(calibrated)
    card = make_card(record)
    text = section(card, "Calibration")
    assert "(calibration.png)" in text
    assert {"calibration.json", "calibration.png"} < set(published_files(record, "me/x"))
    for name, value in report["strategies"].items():
        bold = "**" if name == report["strategy"] else ""
        assert f"| {bold}{name}{bold} | {100 * value:.1f} |\n" in text
    assert "| **entropy** | " in text
    for name, found in report["reliability"].items():
        assert f"| {name} | {found['ece']:.3f} |\n" in text
    assert f"At the threshold {report['threshold']['threshold']:.3g}" in text
    assert "Uncertainty is measured as `entropy`." in section(card, "Members")
    assert f"temperature {report['temperature']:.3g}." in section(card, "Members")


def test_thresholds_of_labels_are_on_the_card(run: Path) -> None:
    model = HybridNerModel.from_pretrained(run)
    model.config.review_threshold = FixedThreshold(0.5, {"Place": 0.25, "State": 0.75})
    model.save_pretrained(run)
    said = "an uncertainty above 0.5 is marked for review (Place: 0.25, State: 0.75)."
    assert said in section(make_card(read_model_folder(run)), "Members").replace("\n", " ")


def test_a_calibration_of_other_settings_is_not_shown(calibrated: Path) -> None:
    model = HybridNerModel.from_pretrained(calibrated)
    model.config.review_threshold = FixedThreshold(0.99)
    model.save_pretrained(calibrated)
    with pytest.raises(ModelError, match=r"calibration\.json was measured on other.*run `hybridner calibrate`"):
        read_model_folder(calibrated)
    (calibrated / "calibration.json").unlink()
    assert not {"calibration.json", "calibration.png"} & set(published_files(read_model_folder(calibrated), "me/x"))


def test_emissions_are_estimated_from_what_the_user_states(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(str(run), "--output", "-", "--watts", "200", "--grams-per-kwh", "480") == 0
    card = ModelCard(capsys.readouterr().out)
    emissions = card.data.to_dict()["co2_eq_emissions"]
    assert emissions["emissions"] == 4.0  # 150 s at 200 W, 480 g/kWh
    assert emissions["hardware_used"] == "NVIDIA X1"
    assert "About 4.0 g of CO2 equivalents (estimate: 2.5 minutes at 200 W and 480 g/kWh)" in section(card, "Training")
    with pytest.raises(ModelError, match="needs both"):
        command(str(run), "--output", "-", "--watts", "200")
    tiny_member("spanner").save_pretrained(tmp_path / "bare")
    with pytest.raises(ModelError, match="no record of its training"):
        make_card(read_model_folder(tmp_path / "bare"), energy_use=EnergyUse(200, 480))


def test_figures_that_cannot_be_replaced_stay(run: Path, tmp_path: Path) -> None:
    write_jsonl(small_records(), tmp_path / "gold.jsonl")
    command(str(run), "--data", str(tmp_path / "gold.jsonl"))
    before = (run / "evaluation.json").read_text()
    write_jsonl([Record("俄罗斯", (Span(0, 3, "Planet"),))], tmp_path / "other.jsonl")
    with pytest.raises(DataError, match="labels Planet"):
        command(str(run), "--overwrite", "--data", str(tmp_path / "other.jsonl"))
    assert (run / "evaluation.json").read_text() == before


def test_without_matplotlib_there_is_no_picture(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(small_records(), tmp_path / "gold.jsonl")
    (run / "evaluation.png").write_bytes(b"an old picture")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    command(str(run), "--data", str(tmp_path / "gold.jsonl"))
    assert not (run / "evaluation.png").exists()
    assert "evaluation.png" not in (run / "README.md").read_text()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: shutil.rmtree(folder), "no folder"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 40), "is damaged"),
        (
            lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'),
            "neither a composite nor one of its members",
        ),
        (lambda folder: (folder / "training.json").write_text("{"), "cannot read"),
    ],
)
def test_a_folder_that_is_no_whole_model_is_refused(damage: Any, problem: str, run: Path) -> None:
    damage(run)
    with pytest.raises(ModelError, match=problem):
        read_model_folder(run)


@pytest.mark.parametrize(
    "metadata",
    [
        "license: [",
        "model-index:\n- name: x\n  results:\n  - task: {}",
        "base_model: /home/me/encoder",
        "base_model: [bert-base-chinese, a/b/c]",
        "base_model: bert-base-chinese\nbase_model_relation: grandchild",
    ],
)
def test_metadata_that_the_hub_would_refuse_are_refused_here(metadata: str) -> None:
    with pytest.raises(ModelError, match="metadata that the Hub does not accept"):
        checked(f"---\n{metadata}\n---\n# x\n")


def test_the_command_takes_another_template_and_standard_output(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = tmp_path / "own.md.j2"
    template.write_text("---\n{{ card_data }}\n---\n{{ title }} has {{ members | length }} members\n")
    assert command(str(run), "--template", str(template), "--output", "-", "--repo-id", "me/name") == 0
    assert capsys.readouterr().out.endswith("name has 4 members\n")
    assert not (run / "README.md").exists()
    template.write_text("{{ title")
    for unusable in (template, tmp_path / "none"):
        with pytest.raises(ModelError, match="cannot use the template"):
            command(str(run), "--template", str(unusable))


def test_the_template_shown_to_users_is_the_one_in_use() -> None:
    shown = Path(__file__).parents[2] / "model_cards" / TEMPLATE.name
    assert shown.read_bytes() == TEMPLATE.read_bytes()


def test_the_interval_narrows_with_more_texts_and_vanishes_when_all_are_alike() -> None:
    mixed = np.array([[2, 2, 2], [0, 1, 2]] * 10)
    few, many = bootstrap(mixed)[2], bootstrap(np.tile(mixed, (25, 1)))[2]
    f1 = 2 * 20 / (30 + 40)
    assert few[0] < many[0] < f1 < many[1] < few[1]
    assert bootstrap(np.array([[1, 2, 4]] * 30)) == [(0.5, 0.5), (0.25, 0.25), (1 / 3, 1 / 3)]
    assert bootstrap(np.zeros((5, 3), dtype=int)) == [(0.0, 0.0)] * 3


def test_reliability_compares_scores_with_what_was_right() -> None:
    measured = reliability([0.95, 0.95, 1.0, 0.25], np.array([1.0, 1.0, 0.0, 1.0]))
    assert [(b["from"], b["entities"], b["correct"]) for b in measured["bins"]] == [(0.2, 1, 1.0), (0.9, 3, 2 / 3)]
    assert measured["ece"] == pytest.approx((0.75 * 1 + 3 * (2.9 / 3 - 2 / 3)) / 4)
    assert reliability([], np.array([])) == {"bins": [], "ece": 0.0}


def test_the_threshold_curve_counts_what_lies_above() -> None:
    curve = {p["threshold"]: p for p in threshold_curve([0.02, 0.15, 0.35, 0.9], np.array([1.0, 1.0, 0.0, 0.0]))}
    assert (curve[0.3]["doubtful"], curve[0.3]["errors_caught"], curve[0.3]["kept_precision"]) == (0.5, 1.0, 1.0)
    assert (curve[0.4]["doubtful"], curve[0.4]["errors_caught"], curve[0.4]["kept_precision"]) == (0.25, 0.5, 2 / 3)
    assert all(point["doubtful"] == 0.0 for point in threshold_curve([], np.array([])))


@pytest.mark.parametrize(
    ("domain", "word"), [("儿科医学", "患者"), ("卫星导航对抗", "俄罗斯"), ("电网运维", "写一句话"), ("", "写一句话")]
)
def test_the_example_is_of_the_models_own_domain(
    composite_folder: Path, domain: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = read_model_folder(composite_folder)
    labels = replace(record.config.labels, domain=domain)
    monkeypatch.setattr(type(record.config), "labels", property(lambda _: labels))
    (example,) = re.findall(r'for entity in ner\("(.*)"\):', str(make_card(record)))
    assert word in example
    assert example.endswith("。")


def test_a_model_that_knows_what_it_knows_says_so(composite_folder: Path) -> None:
    record = read_model_folder(composite_folder)
    assert "ood_score" not in str(make_card(record))
    assert "less typical than 95 % of those it knows" in str(make_card(read_model_folder(BUNDLED_FOLDER)))
