"""What a run is trained and measured on is checked before it begins."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.data import write_jsonl
from hybridner.errors import DataError
from hybridner.spans import LabelSet, Record, Span
from hybridner.training import TrainingData, recipe_from_dict
from hybridner.training.data import hold_out, load_data
from hybridner.training.recipe import DataSection, Recipe
from tests.support.tiny import small_records

SECTION = DataSection(train="train.jsonl")


def recipe(folder: Path, train: list[Record], dev: list[Record] | None = None, **data: object) -> Recipe:
    write_jsonl(train, folder / "train.jsonl")
    files = {"train": str(folder / "train.jsonl")}
    if dev is not None:
        write_jsonl(dev, folder / "dev.jsonl")
        files["dev"] = str(folder / "dev.jsonl")
    return recipe_from_dict(
        {
            "data": {**files, **data},
            "members": {"s": {"type": "spanner", "encoder": {"model_type": "bert"}}},
            "training": {"output": str(folder / "run")},
        }
    )


def sentences(count: int, documents: int = 0) -> list[Record]:
    """Different sentences with an entity each, of so many documents of equal length."""
    groups = [f"d{number * documents // count}" if documents else "" for number in range(count)]
    return [Record(f"北约部署了第{n}台。", (Span(0, 2, "State"),), str(n), group) for n, group in enumerate(groups)]


@pytest.mark.parametrize("records", [sentences(100, 1), sentences(40, 2), sentences(9, 3)], ids=["one", "two", "three"])
def test_documents_that_are_too_large_are_cut_with_a_warning(records: list[Record]) -> None:
    with pytest.warns(UserWarning, match="drawn inside of documents"):
        train, dev = hold_out(records, SECTION, 42)
    assert len(dev) == max(1, round(0.1 * len(records)))
    assert sorted([*train, *dev], key=lambda r: int(r.id)) == records
    assert {record.group for record in dev} <= {record.group for record in records}, "documents keep their names"


def test_sentences_without_entities_are_held_out_in_the_same_share() -> None:
    records = [Record(r.text, r.entities if number % 2 else (), r.id, r.group) for number, r in enumerate(sentences(100, 1))]
    with pytest.warns(UserWarning, match="drawn inside of documents"):
        _, dev = hold_out(records, SECTION, 42)
    assert [len(dev), sum(bool(record.entities) for record in dev)] == [10, 5]


def test_whole_documents_are_held_out_without_a_word_where_they_fit() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train, dev = hold_out(sentences(40, 20), SECTION, 42)
        assert not {r.group for r in train} & {r.group for r in dev}
        assert len(dev) == 4
        # Without documents there is nothing to be said about them.
        assert [len(part) for part in hold_out(sentences(3), SECTION, 42)] == [2, 1]


@given(st.lists(st.booleans(), max_size=12), st.integers(0, 5))
def test_both_parts_hold_entities_or_one_line_says_what_to_give(labelled: list[bool], seed: int) -> None:
    records = [Record(f"北约{n}", (Span(0, 2, "State"),) if has else ()) for n, has in enumerate(labelled)]
    if sum(labelled) < 2:
        with pytest.raises(DataError, match=r"give data\.dev"):
            hold_out(records, SECTION, seed)
        return
    train, dev = hold_out(records, SECTION, seed)
    assert any(r.entities for r in train)
    assert any(r.entities for r in dev)
    assert sorted(train + dev, key=lambda r: records.index(r)) == records
    assert len(dev) <= len(records) / 2


def test_copies_of_one_text_are_no_two_parts() -> None:
    with pytest.raises(DataError, match="too few to hold out"):
        hold_out([Record("北约", (Span(0, 2, "State"),), str(n)) for n in range(20)], SECTION, 42)


def test_train_or_dev_without_entities_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    bare = [Record("没有实体。", id=str(number)) for number in range(5)]
    for train, dev, problem in (
        (bare, small_records(), r"data\.train \(.*train\.jsonl\) holds no entity"),
        (small_records(), bare, r"data\.dev \(.*dev\.jsonl\) holds no entity"),
    ):
        with pytest.raises(DataError, match=problem):
            load_data(recipe(tmp_path, train, dev))
    for train, dev in ((bare, small_records()), (small_records(), bare), (small_records(), [])):
        with pytest.raises(DataError, match="holds no"):
            TrainingData(train, dev, LabelSet.of(["State", "Place"]))


def test_labels_that_only_dev_has_are_told(tmp_path: Path) -> None:
    dev = [Record("部署了干扰机。", (Span(3, 6, "System"),), "x")]
    with pytest.warns(UserWarning, match="labels System occur in dev but not in train"):
        data = load_data(recipe(tmp_path, small_records(), dev))
    assert data.labels.names == ("Place", "State", "System")


def test_limits_draw_records_in_their_old_order(tmp_path: Path) -> None:
    data = load_data(recipe(tmp_path, sentences(50), sentences(30), max_train_records=20, max_dev_records=10))
    for records, size in ((data.train, 20), (data.dev, 10)):
        numbers = [int(record.id) for record in records]
        assert numbers == sorted(numbers)
        assert len(set(numbers)) == size
        assert numbers != list(range(size)), "drawn, not the first"
