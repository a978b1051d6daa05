"""A composite that learned what it knows: foreign texts stand out, wherever it goes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModel

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.calibration.ood import fit_direction, fit_ood, nonsense
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.errors import DataError, ModelError
from hybridner.export import export_onnx
from hybridner.hybrid import CompositeModel
from hybridner.hybrid.states import mean_states
from hybridner.spans import Record
from tests.support.known import BACKGROUND, FOREIGN, known_texts, taught_composite
from tests.support.tiny import small_records


@pytest.fixture(scope="module")
def taught() -> HybridNerModel:
    return taught_composite()


def scores(model: CompositeModel, texts: list[str]) -> list[float]:
    return [prediction.ood_score for prediction in model.predict(texts)]  # type: ignore[misc]


def test_foreign_texts_stand_out_and_known_ones_do_not(taught: HybridNerModel) -> None:
    new = np.array(scores(taught, known_texts(100, 2)))
    assert abs(new.mean() - 0.5) < 0.1
    assert np.mean(new > 0.9) < 0.2
    assert min(scores(taught, FOREIGN)) > 0.9


def test_entities_of_foreign_texts_are_to_be_reviewed(taught: HybridNerModel) -> None:
    pipe = HybridNerPipeline(taught)
    # The tiny tagger finds something everywhere; a threshold of 1 doubts nothing.
    found = pipe([FOREIGN[0], known_texts(1, 3)[0]], threshold=1.0)
    assert found[0].ood_score > 0.95
    assert found[0]
    assert all(entity["needs_review"] and entity["ood_score"] > 0.9 for entity in found[0])
    assert not all(entity["needs_review"] for entity in found[1])
    json.dumps(found)


def test_a_text_is_as_strange_alone_as_in_a_batch_and_in_windows(taught: HybridNerModel) -> None:
    long = "".join(known_texts(30, 4))
    texts = [long, FOREIGN[0], "", *known_texts(5, 5)]
    together = [prediction.ood_score for prediction in taught.predict(texts)]
    assert together[2] is None
    alone = [taught.predict([text])[0].ood_score for text in texts]
    assert together[3:] == pytest.approx(alone[3:], abs=0.02)
    assert together[:2] == pytest.approx(alone[:2], abs=0.02)


def test_saved_and_exported_it_says_the_same(taught: HybridNerModel, tmp_path: Path) -> None:
    texts = [FOREIGN[0], *known_texts(40, 6)]
    expected = scores(taught, texts)
    taught.save_pretrained(tmp_path / "torch")
    assert scores(AutoModel.from_pretrained(tmp_path / "torch"), texts) == expected
    export_onnx(taught, tmp_path / "onnx")
    assert scores(AutoModel.from_pretrained(tmp_path / "onnx"), texts) == pytest.approx(expected, abs=0.02)
    export_onnx(taught, tmp_path / "int8", int8=True)
    assert scores(AutoModel.from_pretrained(tmp_path / "int8"), texts) == pytest.approx(expected, abs=0.2)


def test_a_composite_that_was_never_taught_has_none(composite: HybridNerModel) -> None:
    (prediction,) = composite.predict([FOREIGN[0]])
    assert prediction.ood_score is None
    assert all(candidate.ood_score is None and not candidate.is_unfamiliar for candidate in prediction.candidates)
    found = HybridNerPipeline(composite)(FOREIGN[0])
    assert found.ood_score is None
    assert all("ood_score" not in entity for entity in found)


def test_teaching_again_gives_the_same(taught: HybridNerModel) -> None:
    before = taught.config.ood
    fit_ood(taught, known_texts(120, 0), known_texts(60, 1), BACKGROUND)
    assert taught.config.ood == before


def test_too_few_texts_are_refused(composite: HybridNerModel) -> None:
    with pytest.raises(DataError, match="too few"):
        fit_ood(composite, known_texts(100, 0)[:5] * 20)
    with pytest.raises(DataError, match="background"):
        fit_ood(composite, known_texts(100, 0), background=["别的话"] * 30)
    assert composite.config.ood is None


def test_a_detector_of_another_encoder_is_refused(taught: HybridNerModel, tmp_path: Path) -> None:
    taught.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["ood"]["direction"] = config["ood"]["direction"][:-1]
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match="15 dimensions"):
        AutoModel.from_pretrained(tmp_path)


def test_the_direction_leads_from_known_to_other() -> None:
    dice = np.random.default_rng(0)
    known, other = dice.normal(size=(200, 5)), dice.normal(size=(30, 5)) + np.eye(5)[0] * 3
    direction = fit_direction(known, other, other[:10])
    assert np.argmax(np.abs(direction)) == 0
    assert (other @ direction).mean() > (known @ direction).mean()
    assert (known @ direction).std() == pytest.approx(1)


def test_what_other_texts_differ_in_anyhow_counts_little() -> None:
    """Known texts are all of one style; of the others some are and some are not."""
    dice = np.random.default_rng(0)
    topic, style = np.eye(4)[:2] * 4
    known = dice.normal(size=(300, 4))
    other = dice.normal(size=(600, 4)) + topic + style * dice.choice([-1, 3], size=(600, 1))
    direction = fit_direction(known, other, other[:50])
    assert abs(direction[1]) < 0.25 * abs(direction[0])
    same_topic, same_style = (dice.normal(size=(200, 4)) + shift for shift in (3 * style, topic))
    assert (same_topic @ direction).mean() < (same_style @ direction).mean()


def test_mean_states_do_not_depend_on_the_batch(composite: HybridNerModel) -> None:
    texts = known_texts(70, 7)
    np.testing.assert_allclose(mean_states(composite, texts)[-3:], mean_states(composite, texts[-3:]), atol=1e-5)


def test_nonsense_is_made_of_the_same_characters() -> None:
    texts = known_texts(5, 8)
    assert {"".join(sorted(text)) for text in nonsense(texts)[:30]} == {"".join(sorted(text)) for text in texts}


def test_the_command_teaches_it(tmp_path: Path, composite: HybridNerModel, capsys: pytest.CaptureFixture[str]) -> None:
    composite.save_pretrained(tmp_path / "model")
    records = [Record(text, ()) for text in known_texts(50, 9)]
    write_jsonl([*small_records(), *records], tmp_path / "dev.jsonl")
    (tmp_path / "known.txt").write_text("\n".join(known_texts(60, 10)), encoding="utf-8")
    (tmp_path / "other.txt").write_text("\n".join(BACKGROUND[:50]), encoding="utf-8")
    files = ["--known", str(tmp_path / "known.txt"), "--background", str(tmp_path / "other.txt")]
    assert main(["calibrate", str(tmp_path / "model"), str(tmp_path / "dev.jsonl"), *files]) == 0
    assert "60 known texts" in capsys.readouterr().out
    assert scores(AutoModel.from_pretrained(tmp_path / "model"), FOREIGN[:1])[0] > 0.9
