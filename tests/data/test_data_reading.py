"""Formats found from the content, splits found in folders, and tables."""

import datasets
import pytest

from hybridner.data import (
    collect_labels,
    detect_format,
    iter_records,
    read_records,
    read_splits,
    split_files,
    split_records,
    split_sentences,
)
from hybridner.errors import DataError
from hybridner.spans import Record, Span


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("只有文字，没有标注。", r"a, line 1: unknown format: the first line is '只有文字"),
        ("  \n\n", "a: the file is empty"),
        ("[\tO\n1\tB-X", None),
    ],
)
def test_unknown_content_is_said_to_be_unknown(write, content, message):
    path = write("a", content)
    if message is None:
        assert detect_format(path).format == "conll"  # a bracket can be a token
        return
    with pytest.raises(DataError, match=message):
        read_records(path)


def test_wrong_format_names_missing_files_and_folders(tmp_path, write):
    with pytest.raises(DataError, match="unknown format 'csv'; known formats: jsonl"):
        read_records(write("a", "x"), "csv")
    with pytest.raises(DataError, match="no such file"):
        read_records(tmp_path / "missing")
    with pytest.raises(DataError, match="no such file"):
        read_records(tmp_path / "missing", "jsonl")
    with pytest.raises(DataError, match="no single saved data set"):
        read_records(tmp_path)


def test_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "a.bio"
    path.write_bytes("\ufeff王 B-PER\r\n五 I-PER\r\n\r\n说 O\r\n".encode())
    assert read_records(path) == [Record("王五", (Span(0, 2, "PER"),), "a-0"), Record("说", (), "a-1")]
    path.write_bytes('\ufeff[{"text": "王", "entities": []}]'.encode())
    assert [record.text for record in read_records(path)] == ["王"]


ROWS = [
    {"id": "d:0", "text": "王五说。", "entities": [{"start": 0, "end": 2, "label": 1}]},
    {"id": "d:4", "text": "无。", "entities": []},
    {"id": "e", "text": "北京", "entities": [{"start": 0, "end": 2, "label": 0}]},
]
RECORDS = [Record("王五说。", (Span(0, 2, "PER"),), "d:0"), Record("无。", (), "d:4"), Record("北京", (Span(0, 2, "LOC"),), "e")]
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "text": datasets.Value("string"),
        "entities": datasets.List(
            {"start": datasets.Value("int32"), "end": datasets.Value("int32"), "label": datasets.ClassLabel(names=["LOC", "PER"])}
        ),
    }
)


@pytest.fixture
def table():
    return datasets.Dataset.from_list(ROWS, features=FEATURES)


def test_saved_and_parquet_data_sets_are_read_with_label_names_and_groups(table, tmp_path):
    table.save_to_disk(tmp_path / "saved")
    table.to_parquet(tmp_path / "x.parquet")
    assert (detect_format(tmp_path / "saved").format, detect_format(tmp_path / "x.parquet").format) == ("saved", "parquet")
    for path in (tmp_path / "saved", tmp_path / "x.parquet"):
        records = read_records(path)
        assert records == RECORDS
        assert [record.group for record in records] == ["d", "d", ""]


def test_label_names_in_place_of_numbers_and_wrong_numbers(tmp_path):
    named = [{**row, "entities": [{**e, "label": ["LOC", "PER"][e["label"]]} for e in row["entities"]]} for row in ROWS]
    datasets.Dataset.from_list(named).to_parquet(tmp_path / "named.parquet")
    assert read_records(tmp_path / "named.parquet") == RECORDS
    datasets.Dataset.from_list(ROWS).to_parquet(tmp_path / "bare.parquet")
    with pytest.raises(DataError, match=r"bare\.parquet, row 0: label number 1 has no name"):
        read_records(tmp_path / "bare.parquet")
    datasets.Dataset.from_list([{"words": ["a"]}]).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="expected the columns id, text and entities, found words"):
        read_records(tmp_path / "other.parquet")


def test_splits_of_a_saved_dictionary(table, tmp_path):
    datasets.DatasetDict({"train": table, "dev": table}).save_to_disk(tmp_path)
    assert read_splits(tmp_path) == {"train": RECORDS, "validation": RECORDS}


@pytest.mark.parametrize(
    "names",
    [
        ("train.txt", "dev.txt", "test.txt"),
        ("msra_train_bio", "msra_dev_bio", "msra_test_bio"),
        ("CMeEE_train.json", "x-val", "test"),
    ],
)
def test_splits_are_found_by_file_name(write, tmp_path, names):
    for name in (*names, "README.md", "example_gold.json", "trainer_log"):
        write(name, "王 B-PER")
    assert {split: path.name for split, path in split_files(tmp_path).items()} == dict(
        zip(("train", "validation", "test"), names, strict=True)
    )


def test_two_files_for_a_split_and_none_at_all(write, tmp_path):
    with pytest.raises(DataError, match="no file named train, dev or test"):
        split_files(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        split_files(tmp_path / "missing")
    write("train.txt", "王 O")
    write("train.json", "王 O")
    with pytest.raises(DataError, match=r"both train\.json and train\.txt look like the train split"):
        split_files(tmp_path)


def test_reading_is_lazy(write):
    path = write("a.jsonl", '{"text": "甲", "entities": [{"start": 0, "end": 1, "label": "A"}]}', "broken")
    records = iter_records(path)
    assert next(records).text == "甲"
    with pytest.raises(DataError, match="line 2"):
        next(records)


def test_labels_of():
    assert collect_labels(RECORDS, "news").names == ("LOC", "PER")
    assert collect_labels(RECORDS, "news").domain == "news"
    with pytest.raises(DataError, match="at least one label"):
        collect_labels([Record("无")])


GROUPED = [Record(f"文本{n}", (), str(n), f"d{n // 4}") for n in range(80)]
FREE = [Record(f"文本{n % 90}", (), str(n)) for n in range(100)]


def test_a_split_keeps_documents_and_equal_texts_together():
    for records, key in ((GROUPED, lambda r: r.group), (FREE, lambda r: r.text)):
        rest, held = split_records(records, 0.2, 42)
        assert sorted(rest + held, key=lambda r: int(r.id)) == list(records)
        assert not {key(r) for r in rest} & {key(r) for r in held}
        assert len(held) == round(0.2 * len(records))


def test_a_split_depends_on_the_seed_and_not_on_the_order():
    held = split_records(FREE, 0.1, 42)[1]
    assert held == split_records(FREE, 0.1, 42)[1]
    assert {r.id for r in held} == {r.id for r in split_records(FREE[::-1], 0.1, 42)[1]}
    assert held != split_records(FREE, 0.1, 43)[1]
    # Written down, so that another version or machine cannot change the cut of a published data set unnoticed.
    assert {r.group for r in split_records(GROUPED, 0.1, 42)[1]} == {"d7", "d15"}


def test_split_bounds():
    assert split_records(FREE, 0, 1) == (FREE, [])
    assert split_records(FREE, 1, 1) == ([], FREE)
    with pytest.raises(ValueError, match="fraction must lie between 0 and 1"):
        split_records(FREE, 1.5, 1)


def test_sentences_keep_their_offsets_and_entities():
    text = " 甲说：“走。”乙走了！！\n丙在A。B公司？末句"
    spans = (Span(1, 2, "P"), Span(text.index("A。B"), text.index("A。B") + 5, "ORG"), Span(text.index("末"), len(text), "X"))
    parts = list(split_sentences(Record(text, spans, "doc7")))
    assert [part.text for part in parts] == ["甲说：“走。”", "乙走了！！", "丙在A。B公司？", "末句"]
    assert {part.group for part in parts} == {"doc7"}
    found = []
    for part in parts:
        offset = int(part.id.removeprefix("doc7:"))
        assert text[offset : offset + len(part.text)] == part.text
        found += [Span(span.start + offset, span.end + offset, span.label) for span in part.entities]
    assert tuple(found) == spans
