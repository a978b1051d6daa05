from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.ensemble import ABSTAIN, DecisionSettings, Predictions, concat_predictions, decide_predictions
from hybridner.errors import DataError
from hybridner.spans import Record, Span
from tests.support.predictions import made_up_predictions


def assert_same(a: Predictions, b: Predictions) -> None:
    assert a.records == b.records
    assert [record.group for record in a.records] == [record.group for record in b.records]
    assert (a.labels, a.members, a.ballot.scorer) == (b.labels, b.members, b.ballot.scorer)
    np.testing.assert_array_equal(a.folds, b.folds)
    np.testing.assert_array_equal(a.ballot.spans, b.ballot.spans)
    np.testing.assert_array_equal(a.ballot.votes, b.ballot.votes)
    np.testing.assert_allclose(a.ballot.logits, b.ballot.logits, rtol=1e-6)
    np.testing.assert_allclose(a.ballot.probabilities, b.ballot.probabilities, rtol=1e-6)


def test_what_is_saved_comes_back(predictions: Predictions, tmp_path: Path) -> None:
    predictions.save(tmp_path / "deep" / "oof.parquet")
    assert_same(Predictions.load(tmp_path / "deep" / "oof.parquet"), predictions)
    assert Predictions.stored_in(tmp_path / "deep" / "oof.parquet")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["oof.parquet"]


def test_where_nobody_proposed_anything_that_comes_back_too(predictions: Predictions, tmp_path: Path) -> None:
    silent = replace(predictions, ballot=predictions.ballot.select_candidates(np.arange(0)))
    silent.save(tmp_path / "oof.parquet")
    assert_same(Predictions.load(tmp_path / "oof.parquet"), silent)


def test_a_saved_file_is_a_data_set_for_everybody(predictions: Predictions, tmp_path: Path) -> None:
    from datasets import load_dataset

    predictions.save(tmp_path / "oof.parquet")
    rows = load_dataset("parquet", data_files=str(tmp_path / "oof.parquet"), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows[5]["text"] == predictions.records[5].text
    assert rows[5]["start"] == [0, 4]
    assert np.shape(rows[5]["logits"]) == (2, 4)


def test_a_file_without_predictions_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["甲"]}), tmp_path / "records.parquet")
    assert not Predictions.stored_in(tmp_path / "records.parquet")
    with pytest.raises(DataError, match="hybridner crossval"):
        Predictions.load(tmp_path / "records.parquet")
    with pytest.raises(DataError, match="cannot be read"):
        Predictions.load(tmp_path / "missing.parquet")


@given(st.permutations(range(12)))
def test_parts_in_any_order_make_the_same_whole(order: list[int]) -> None:
    whole = made_up_predictions(12)
    parts = [whole.select_records(order[:5]), whole.select_records(order[5:6]), whole.select_records(order[6:])]
    assert_same(concat_predictions(parts).select_records(np.argsort(order)), whole)
    np.testing.assert_array_equal(concat_predictions(parts).gold, whole.select_records(order).gold)


def test_parts_of_other_members_do_not_go_together(predictions: Predictions) -> None:
    with pytest.raises(DataError, match="do not go with"):
        concat_predictions([predictions, made_up_predictions(5, (0.9, 0.8))])


def test_labels_in_another_order(predictions: Predictions) -> None:
    order = ("O", "PER", "LOC", "ORG")
    moved = predictions.reorder_labels(order)
    assert moved.labels == order
    for old, new in zip(predictions.ballot.votes.ravel().tolist(), moved.ballot.votes.ravel().tolist(), strict=True):
        assert old == new == ABSTAIN or predictions.labels[old] == order[new]
    assert [order[number] for number in moved.gold] == [predictions.labels[number] for number in predictions.gold]
    for settings in (DecisionSettings("score"), DecisionSettings("mean")):
        before, after = decide_predictions(predictions, settings), decide_predictions(moved, settings)
        assert [[(c.start, c.end, c.label, c.is_entity) for c in row] for row in before] == [
            [(c.start, c.end, c.label, c.is_entity) for c in row] for row in after
        ]
    back = moved.reorder_labels(predictions.labels)
    np.testing.assert_array_equal(back.ballot.probabilities, predictions.ballot.probabilities)
    with pytest.raises(DataError, match="only one side has ORG, TIME"):
        predictions.reorder_labels(("O", "PER", "LOC", "TIME"))


def test_a_label_that_the_members_do_not_know_is_named_with_its_text(predictions: Predictions) -> None:
    odd = Record("俄罗斯部署了。", (Span(0, 3, "国家"),), "r7")
    changed = replace(predictions, records=(odd, *predictions.records[1:]))
    with pytest.raises(DataError, match=r"record r7: label '国家' of '俄罗斯' is none of the model's: .*rename it"):
        _ = changed.gold
