"""The gazetteer as a member of a composite: it votes, travels, and is calibrated out of sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModel, pipeline

from hybridner import HybridNerModel
from hybridner.annotation import fingerprint
from hybridner.calibration import CalibrationConfig, calibrate
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.data.terms import Term
from hybridner.ensemble import ABSTAIN, Predictions
from hybridner.errors import DataError, ModelError
from hybridner.export import as_onnx
from hybridner.gazetteer import GAZETTEER, Gazetteer, add_cross_fitted, add_gazetteer, add_votes, build_gazetteer
from hybridner.hub import make_card
from hybridner.hub.model_folder import read_model_folder, weight_files
from hybridner.hub.model_repo import published_files
from hybridner.hybrid import predict_records
from hybridner.hybrid.compact import common_characters, compact
from hybridner.models import MEMBER_CLASSES
from tests.support.predictions import LABELS as MADE_UP
from tests.support.predictions import made_up_predictions
from tests.support.tiny import LABELS, TEXT, small_records, tiny_member

TERMS = [Term("俄羅斯", "State"), Term("加里宁格勒", "Place"), Term("GPS", "System")]


@pytest.fixture
def voting() -> HybridNerModel:
    """Four tiny members and a gazetteer."""
    model = HybridNerModel.assemble({name: tiny_member(name, seed) for seed, name in enumerate(MEMBER_CLASSES)})
    model.use_gazetteer(Gazetteer.from_terms(TERMS, LABELS))
    return model


def said(model: HybridNerModel, text: str = TEXT) -> dict[str, str]:
    """What the gazetteer says of each candidate that it knows."""
    (prediction,) = model.predict([text])
    return {text[c.start : c.end]: c.votes[GAZETTEER] for c in prediction.candidates if GAZETTEER in c.votes}


def test_its_terms_are_candidates_that_everybody_judges(voting: HybridNerModel) -> None:
    assert said(voting) == {"俄罗斯": "State", "加里宁格勒": "Place", "GPS": "System"}
    (prediction,) = voting.predict([TEXT])
    known = next(c for c in prediction.candidates if TEXT[c.start : c.end] == "GPS")
    assert set(known.votes) == {*voting.member_names, GAZETTEER}


def test_it_can_be_outvoted(voting: HybridNerModel) -> None:
    predictions = predict_records(voting, small_records())
    assert predictions.members == voting.voter_names
    hits = predictions.ballot.votes[-1] != ABSTAIN
    assert 0 < hits.sum() < len(hits)
    (prediction,) = voting.predict([TEXT], strategy="majority")
    outvoted = [c for c in prediction.candidates if c.votes.get(GAZETTEER, "O") not in ("O", c.label)]
    agreed = [c for c in prediction.candidates if c.votes.get(GAZETTEER) == c.label]
    assert outvoted or agreed
    for one in outvoted:
        assert list(one.votes.values()).count(one.label) >= 2


def test_without_a_term_in_the_text_nothing_changes(voting: HybridNerModel, composite: HybridNerModel) -> None:
    text = TEXT[10:20]
    assert said(voting, text) == {}
    assert voting.predict([text])[0].candidates == composite.predict([text])[0].candidates


def test_it_travels_with_the_composite(voting: HybridNerModel, tmp_path: Path) -> None:
    voting.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert loaded.predict([TEXT]) == voting.predict([TEXT])
    assert loaded.config.gazetteer["by_label"] == {"State": 1, "System": 1, "Place": 1}
    assert fingerprint(loaded) == fingerprint(voting)
    assert tmp_path / "gazetteer.parquet" in weight_files(tmp_path)
    ner = pipeline("hybrid-ner", model=str(tmp_path), device="cpu")
    assert {e["votes"].get(GAZETTEER) for e in ner(TEXT) if e["word"] == "加里宁格勒"} <= {"Place"}
    assert "gazetteer.parquet" in published_files(read_model_folder(tmp_path), "me/with-terms")
    card = str(make_card(read_model_folder(tmp_path)))
    assert "A gazetteer of 3 terms votes beside them where one occurs (Place 1, State 1, System 1)." in card
    assert "was not fitted" in card
    before = read_model_folder(tmp_path).fingerprint
    voting.use_gazetteer(Gazetteer.from_terms(TERMS[:1], LABELS))
    voting.save_pretrained(tmp_path)
    assert read_model_folder(tmp_path).fingerprint != before
    voting.use_gazetteer(None)
    voting.save_pretrained(tmp_path)
    assert not (tmp_path / "gazetteer.parquet").exists()
    assert AutoModel.from_pretrained(tmp_path).predict([TEXT]) == voting.predict([TEXT])


def test_other_forms_of_the_composite_keep_it(voting: HybridNerModel) -> None:
    small = compact(voting, common_characters())
    assert small.voter_names == voting.voter_names
    exported = as_onnx(voting)
    assert {TEXT[c.start : c.end] for c in exported.predict([TEXT])[0].candidates if GAZETTEER in c.votes} == set(said(voting))


def test_a_folder_without_its_terms_is_incomplete(voting: HybridNerModel, tmp_path: Path) -> None:
    voting.save_pretrained(tmp_path)
    (tmp_path / "gazetteer.parquet").unlink()
    for read in (AutoModel.from_pretrained, read_model_folder):
        with pytest.raises(ModelError, match=r"gazetteer\.parquet"):
            read(tmp_path)


def test_terms_of_strange_labels_are_refused(voting: HybridNerModel) -> None:
    with pytest.raises(DataError, match="has terms of City; the model's labels are State, System, Place"):
        voting.use_gazetteer(Gazetteer.from_terms([Term("北京", "City")], ["City"]))
    taken = HybridNerModel.assemble({GAZETTEER: tiny_member("spanner")})
    with pytest.raises(ModelError, match="is called 'gazetteer' already"):
        taken.use_gazetteer(Gazetteer.from_terms(TERMS, LABELS))


def test_votes_are_put_where_the_terms_are() -> None:
    predictions = made_up_predictions(3)
    places = np.array([[0, 0, 2], [1, 4, 6], [2, 1, 3]])
    probabilities = np.eye(4)[[1, 0, 2]]
    ballot = add_votes(predictions.ballot, places, probabilities)
    assert ballot.votes[-1].tolist() == [1, ABSTAIN, ABSTAIN, 0, ABSTAIN, ABSTAIN]
    np.testing.assert_array_equal(ballot.votes[:-1], predictions.ballot.votes)
    np.testing.assert_allclose(ballot.probabilities[-1].sum(axis=1), 1.0)
    nothing = add_votes(predictions.ballot, places[:0], probabilities[:0])
    assert (nothing.votes[-1] == ABSTAIN).all()


def test_fitting_sees_no_term_of_the_texts_themselves() -> None:
    predictions = made_up_predictions(60)
    # The texts are all alike, so that the words are terms from everywhere; their labels are drawn by lot.
    gazetteer = build_gazetteer(predictions.records, MADE_UP[1:])
    fitted = add_cross_fitted(predictions, gazetteer)
    assert fitted.members == (*predictions.members, GAZETTEER)
    alone = add_cross_fitted(predictions.select_records([0]), build_gazetteer(predictions.records[:1], MADE_UP[1:]))
    assert (alone.ballot.votes[-1] == ABSTAIN).all()
    plain = add_gazetteer(predictions.select_records([0]), build_gazetteer(predictions.records[:1], MADE_UP[1:]))
    gold = predictions.select_records([0]).gold
    assert ((plain.ballot.votes[-1] != ABSTAIN) == (gold > 0)).all()


def test_calibrating_weighs_it_and_teaches_a_list_how_far_it_can_be_trusted(predictions: Predictions) -> None:
    types = ("bert-bilstm-crf", "roberta-bigru-crf", "bert-bilstm-crf", "spanner")
    model = HybridNerModel.assemble(
        {
            name: tiny_member(kind, seed, labels=MADE_UP[1:])
            for seed, (name, kind) in enumerate(zip(predictions.members, types, strict=True))
        }
    )
    model.use_gazetteer(Gazetteer.from_terms([Term("甲乙", "LOC"), Term("戊己", "ORG")], MADE_UP[1:]))
    assert model.gazetteer.reliability.hits == 0
    report = calibrate(model, predictions, CalibrationConfig(strategy="pool"))
    assert model.gazetteer.reliability.hits == 2 * len(predictions)
    assert model.config.gazetteer["fitted_on"] == 2 * len(predictions)
    assert report["strategy"] == "pool"
    votes = {(c.start, c.end): c.votes for c in model.predict(["甲乙丙丁戊己"])[0].candidates}
    assert {votes[span][GAZETTEER] for span in ((0, 2), (4, 6))} == {"O"}, "both are entities of their label one time in six"
    fitted = model.combiner_weights
    model.use_gazetteer(None)
    assert model.config.strategy == "pool"
    np.testing.assert_array_equal(model.combiner_weights.f1, fitted.f1[:-1])
    assert model.predict(["甲乙丙丁戊己"])
    model.use_gazetteer(Gazetteer.from_terms([Term("甲乙", "LOC")], MADE_UP[1:]))
    assert model.combiner_weights.f1[-1] == pytest.approx(fitted.f1[:-1].mean()), "an average member until it is fitted"
    votes = {(c.start, c.end): c.votes for c in model.predict(["甲乙丙丁戊己"])[0].candidates}
    assert votes[0, 2][GAZETTEER] == "LOC"


def test_from_the_shell(voting: HybridNerModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    voting.use_gazetteer(None)
    voting.save_pretrained(tmp_path / "model")
    data, terms = tmp_path / "train.jsonl", tmp_path / "terms.parquet"
    write_jsonl(small_records(), data)
    (tmp_path / "list.csv").write_text("term,label\nGPS,System\n北约,Place\n", encoding="utf-8")
    assert main(["gazetteer", "build", str(data), "--terms", str(tmp_path / "list.csv"), "--output", str(terms)]) == 0
    shown = capsys.readouterr().out
    assert "terms: Place 3, State 2, System 1" in shown
    assert "北约: Place 0, State 12" in shown
    assert "wrong most often" in shown
    assert main(["gazetteer", "check", str(terms), str(data)]) == 0
    assert "北约 (Place): 0 of 12 right" in capsys.readouterr().out
    output = tmp_path / "with-terms"
    assert main(["calibrate", str(tmp_path / "model"), str(data), "--gazetteer", str(terms), "--output", str(output)]) == 0
    calibrated = AutoModel.from_pretrained(output)
    assert calibrated.voter_names[-1] == GAZETTEER
    assert said(calibrated)["北约"] == "State"
    forbidden = tmp_path / "never.txt"
    forbidden.write_text("北约\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["predict", str(output), TEXT, "--json", "--forbid", str(forbidden)]) == 0
    assert '"北约"' not in capsys.readouterr().out


def test_terms_that_a_model_finds_in_raw_text(composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw.txt").write_text(f"{TEXT}\n{TEXT[6:30]}\n", encoding="utf-8")
    arguments = ["gazetteer", "build", "--text", str(tmp_path / "raw.txt"), "--min-score", "0.2"]
    output = tmp_path / "found.parquet"
    assert main([*arguments, "--model", str(composite_folder), "--output", str(output)]) == 0
    found = Gazetteer.load(output)
    assert len(found) > 0
    assert found.reliability.hits == 0, "agreeing with itself is no evidence"
    assert main([*arguments, "--output", str(output)]) == 1
    assert "give --text and --model" in capsys.readouterr().err
