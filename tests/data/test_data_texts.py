"""Bare texts out of files of every kind, whatever their names."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridner.data import ReadOptions, RepairLog
from hybridner.data.texts import iter_texts
from hybridner.errors import DataError
from tests.data.test_data_formats import CONTAINERS, TEXT, VARIANTS


@pytest.mark.parametrize("container", list(CONTAINERS))
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_the_texts_of_labelled_files(write, variant, container):
    _, item = VARIANTS[variant]
    if isinstance(item, list) and container.startswith("pretty objects"):
        pytest.skip("two arrays one after the other are no file of pairs")
    assert list(iter_texts(write("x.txt", CONTAINERS[container](item)))) == [TEXT, TEXT]


def test_lines_stay_lines(write):
    lines = ["第一行", "", "[注] 这不是 JSON", "血型 O", '{"看起来像": 但不是}']
    assert list(iter_texts(write("x.json", *lines))) == lines


def test_sentences_of_tagged_tokens(write):
    assert list(iter_texts(write("x.txt", "王 B-PER", "五 I-PER", "", "说 O"))) == ["王五", "说"]


def test_columns_of_parquet(tmp_path):
    pq.write_table(pa.table({"n": [1, 2], "content": ["甲", "乙"]}), tmp_path / "x")
    assert list(iter_texts(tmp_path / "x")) == ["甲", "乙"]
    pq.write_table(pa.table({"n": [1], "body": ["甲"]}), tmp_path / "y")
    with pytest.raises(DataError, match="no column 'text'; it has n, body"):
        list(iter_texts(tmp_path / "y"))
    assert list(iter_texts(tmp_path / "y", ReadOptions(text_field="body"))) == ["甲"]
    (tmp_path / "z").write_bytes(b"PAR1 but nothing else")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        list(iter_texts(tmp_path / "z"))


def test_halves_of_characters_are_counted(write):
    log = RepairLog()
    assert list(iter_texts(write("x.jsonl", json.dumps({"text": "a\ud83d"})), ReadOptions(log))) == ["a\ufffd"]
    assert dict(log.counts) == {"lone_surrogate": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"title": "x"}', "line 1: .*no `text`"),
        ('{"text": "x"}\n{"text": ', "line 2: not JSON"),
        ('{"text": 5}', "line 1: the text must be a string, not int"),
    ],
)
def test_what_holds_no_text_is_said(write, content, message):
    with pytest.raises(DataError, match=message):
        list(iter_texts(write("x.jsonl", content)))
