from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from transformers import pipeline

from hybridner import HybridNerModel
from hybridner.calibration import CalibrationConfig, EvaluatedCandidates, Target, calibrate, cross_fit, evaluate, fit_settings
from hybridner.calibration.threshold import curve
from hybridner.cli.commands.calibrate import print_report
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.ensemble import COMBINERS, FixedThreshold, Predictions, decide_predictions, find_doubtful, select_entities
from hybridner.errors import ModelError
from hybridner.hybrid.engine import predict_records
from tests.support.predictions import LABELS, made_up_predictions
from tests.support.reading import candidates_of
from tests.support.tiny import small_records, tiny_member

MEMBERS = ("a", "b", "c", "spanner")
#: Share of right votes of members that err often.
_WEAK = (0.65, 0.6, 0.55, 0.6)


def a_composite() -> HybridNerModel:
    """A composite over the members and labels of the made-up predictions."""
    types = ("bert-bilstm-crf", "roberta-bigru-crf", "bert-bilstm-crf", "spanner")
    return HybridNerModel.assemble(
        {name: tiny_member(kind, seed, labels=LABELS[1:]) for seed, (name, kind) in enumerate(zip(MEMBERS, types, strict=True))}
    )


@pytest.fixture(scope="module")
def predictions() -> Predictions:
    return made_up_predictions(240)


def test_all_strategies_work_after_calibration_and_survive_saving(predictions: Predictions, tmp_path: Path) -> None:
    model = a_composite()
    report = calibrate(model, predictions, CalibrationConfig(strategy="best", uncertainty="best", stackers=("forest", "xgboost")))
    assert set(report["strategies"]) == set(COMBINERS) - {"svm"}
    assert report["strategies"][model.config.strategy] == max(report["strategies"].values())
    model.save_pretrained(tmp_path)
    again = HybridNerModel.from_pretrained(tmp_path)
    texts = [record.text for record in small_records()]
    for strategy in report["strategies"]:
        assert candidates_of(again, texts, batch_size=8, strategy=strategy) == candidates_of(
            model, texts, batch_size=8, strategy=strategy
        )
    assert again.config.temperature == pytest.approx(report["temperature"])
    # Calibrated once more without stackers, their files go.
    calibrate(again, predictions, CalibrationConfig())
    again.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("stacker-*"))


def test_figures_are_by_weights_that_did_not_see_the_fold(predictions: Predictions) -> None:
    """A forest knows its own training data by heart: figures from it would be near 1 even where gold is noise."""
    dice = np.random.default_rng(1)
    noise = replace(
        predictions,
        records=tuple(
            replace(record, entities=tuple(s._replace(label=LABELS[dice.integers(1, 4)]) for s in record.entities))
            for record in predictions.records
        ),
    )
    honest = evaluate(cross_fit(noise, ("forest",)), "forest")
    whole = fit_settings(noise, ("forest",))
    flattered = evaluate([(noise, whole)], "forest")

    def right(evaluated: EvaluatedCandidates) -> float:
        return float(np.mean([correct for _, correct in evaluated.entities()]))

    assert right(honest) < 0.55 < 0.75 < right(flattered)
    folds = cross_fit(predictions)
    assert sorted(record.id for part, _ in folds for record in part.records) == sorted(r.id for r in predictions.records)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_a_share_is_kept(predictions: Predictions, share: float) -> None:
    model = a_composite()
    report = calibrate(model, predictions, CalibrationConfig(target=Target(share=share)))
    assert report["threshold"]["routed_spans"] <= share * report["threshold"]["entities"] + 1
    assert model.config.review_threshold.value() == report["threshold"]["threshold"]
    if share == 0.5:
        routed = report["threshold"]["routed_entities"] / report["threshold"]["entities"]
        assert report["threshold"]["error_recall"] > routed > 0, "uncertain entities are wrong more often than others"


def test_the_promise_to_catch_errors_holds_on_other_texts() -> None:
    """Conformal: on fresh predictions at least the promised share of wrong entities is routed, up to chance."""
    caught = []
    for seed in range(4):
        report_model = a_composite()
        calibrate(
            report_model,
            made_up_predictions(150, _WEAK, seed=seed),
            CalibrationConfig(strategy="pool", uncertainty="score", target=Target(error_recall=0.8)),
        )
        fresh = made_up_predictions(500, _WEAK, seed=100 + seed)
        config = report_model.config
        rows = decide_predictions(fresh, report_model.decision_settings)
        for row, record in zip(rows, fresh.records, strict=True):
            known = {(s.start, s.end, s.label) for s in record.entities}
            wrong = [c for c in select_entities(row) if (c.start, c.end, c.label) not in known]
            caught += find_doubtful(wrong, config.review_threshold)
    assert len(caught) > 300
    assert np.mean(caught) > 0.8 - 0.05


def test_thresholds_by_label_and_for_the_best_expected_f1(predictions: Predictions) -> None:
    model = a_composite()
    calibrate(model, predictions, CalibrationConfig(target=Target(error_recall=0.9, by_label=True)))
    assert set(model.config.review_threshold.by_label) <= set(LABELS[1:])
    perfect = calibrate(model, predictions, CalibrationConfig(target=Target(accuracy=1.0)))
    useless = calibrate(model, predictions, CalibrationConfig(target=Target(accuracy=0.25)))
    assert perfect["threshold"]["threshold"] < useless["threshold"]["threshold"] == 1.0


def test_the_curve_falls(predictions: Predictions) -> None:
    points = curve(evaluate(cross_fit(predictions), "score"))
    assert [p["routed"] for p in points] == sorted((p["routed"] for p in points), reverse=True)
    assert points[-1]["routed"] == 0.0
    assert points[0]["error_recall"] > 0.95


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({}, "give one target"),
        ({"share": 0.1, "error_recall": 0.9}, "give one target"),
        ({"error_recall": 1.0}, "between 0 and 1"),
        ({"share": 0.1, "by_label": True}, "go with the target error_recall"),
        ({"calls": -1}, "negative"),
    ],
)
def test_targets_that_make_no_sense(target: dict, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        Target(**target)


def test_predictions_of_other_members_are_refused(predictions: Predictions) -> None:
    with pytest.raises(ModelError, match="predictions of b, c, spanner"):
        calibrate(a_composite(), made_up_predictions(20, (0.9, 0.8, 0.7)), CalibrationConfig())
    with pytest.raises(ModelError, match="strategy must be one of"):
        calibrate(a_composite(), predictions, CalibrationConfig(strategy="svm"))


def test_the_command_calibrates_on_a_labelled_file(
    composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(small_records(), tmp_path / "dev.jsonl")
    arguments = [
        "calibrate",
        str(composite_folder),
        str(tmp_path / "dev.jsonl"),
        "--output",
        str(tmp_path / "out"),
        "--calls",
        "100",
    ]
    assert main([*arguments, "--strategy", "pool"]) == 0
    assert "cross-fitted F1 on 24 records" in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "calibration.json").read_text(encoding="utf-8"))
    assert report["strategy"] == "pool"
    assert (tmp_path / "out" / "calibration.png").stat().st_size > 10_000
    pipe = pipeline("hybrid-ner", model=str(tmp_path / "out"), device="cpu")
    assert pipe.model.config.strategy == "pool"
    assert len(pipe(["俄罗斯在叙利亚。", "北约"])) == 2


def test_the_command_reads_stored_predictions(composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = HybridNerModel.from_pretrained(composite_folder)
    predict_records(model, small_records()).save(tmp_path / "oof.parquet")
    assert main(["calibrate", str(composite_folder), str(tmp_path / "oof.parquet"), "--output", str(tmp_path / "out")]) == 0
    assert main(["calibrate", str(composite_folder), str(tmp_path / "missing.parquet"), "--output", str(tmp_path / "out")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_the_pipeline_heeds_thresholds_of_labels() -> None:
    """What is in doubt follows the label's own τ; a threshold in the call overrides all."""
    model = a_composite()
    texts = ["俄罗斯在叙利亚部署了干扰机。" * 3, "北约的无人机在加里宁格勒失去了GPS信号，，！"]
    pipe = pipeline("hybrid-ner", model=model, device="cpu")
    found = {e["entity_group"] for row in pipe(texts) for e in row}
    assert len(found) > 1
    special = sorted(found)[0]
    model.config.review_threshold = FixedThreshold(1.0, {special: 0.0})
    for row in pipe(texts):
        assert all(e["needs_review"] == (e["entity_group"] == special and e["uncertainty"] > 0) for e in row)
    assert not any(e["needs_review"] for row in pipe(texts, threshold=1.0) for e in row)


def test_a_report_without_an_error_has_no_figures_that_are_none(predictions: Predictions) -> None:
    report = calibrate(a_composite(), predictions, CalibrationConfig(target=Target(share=0.2)))
    for found in report["uncertainties"].values():
        found["wrong"] |= {"auroc": float("nan"), "aupr": float("nan")}
    report["threshold"]["wrong"] = 0
    output = io.StringIO()
    print_report(Console(file=output, width=200), report)
    assert "nan" not in output.getvalue()
    assert "no entity is wrong in these predictions" in output.getvalue()
