"""Files cut into pieces and read back: nothing lost, nothing doubled, whatever is in them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridner.annotation import Fields, FileSource
from hybridner.annotation.records import Item, Reject
from hybridner.errors import DataError

BAD = {
    "not JSON": b'{"text": "\xe4\xb8\xad"',
    "not UTF-8 at byte 10": b'{"text": "\xff\xfe"}',
    "a JSON list": b'["text"]',
    "no field 'text'": b'{"texte": "x"}',
    "the text is NoneType": b'{"text": null}',
    "the text is int": b'{"text": 5}',
    "more than 20; split it": json.dumps({"text": "x" * 21}).encode(),
    "recursion": b"[" * 100_000,
}


def everything(source: FileSource, processes: int) -> list[Item | Reject]:
    """All that the processes together read, in the order of pieces."""
    found = [pair for process in range(processes) for pair in source.pieces(process, processes, lambda key: None)]
    assert len({piece.key for piece, _ in found}) == len(found)
    found.sort(key=lambda pair: pair[0].key)
    return [record for _, records in found for record in records]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=8), max_size=30),
    last=st.booleans(),
    per_piece=st.integers(1, 7),
    chunk=st.integers(1, 40),
    piece_bytes=st.integers(5, 200),
    processes=st.integers(1, 4),
)
def test_every_line_is_read_once_and_knows_its_number(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[str],
    last: bool,
    per_piece: int,
    chunk: int,
    piece_bytes: int,
    processes: int,
) -> None:
    monkeypatch.setattr("hybridner.annotation.cutting.CHUNK", chunk)
    monkeypatch.setattr("hybridner.annotation.cutting._PIECE_BYTES", piece_bytes)
    path = tmp_path / "a.txt"
    path.write_bytes(("\n".join(lines) + ("\n" if last else "")).encode())
    source = FileSource([path], None, Fields(), per_piece)
    content = path.read_bytes().decode()
    bare = ((n, line.removeprefix("\ufeff").removesuffix("\r")) for n, line in enumerate(content.split("\n")))
    expected = [(n, line) for n, line in bare if line.strip()]
    assert [(item.offset, item.text) for item in everything(source, processes)] == expected
    assert source.total == content.count("\n") + bool(content and not content.endswith("\n"))
    assert all(source.size(piece.key) == piece.records <= per_piece for piece, _ in source.pieces(0, 1, lambda key: None))


def test_what_is_wrong_with_a_record_is_said_and_the_others_come_through(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    lines = [b'{"text": "\xe4\xb8\xad"}', b""]
    for bad in BAD.values():
        lines += [bad, b'{"text": ""}']
    path.write_bytes(b"\n".join(lines))
    found = everything(FileSource([path], None, Fields(longest=20), 4), 2)
    good = [record for record in found if isinstance(record, Item)]
    bad = [record for record in found if isinstance(record, Reject)]
    assert [(item.id, item.text) for item in good] == [
        ("posts-0", "中"),
        *((f"posts-{n}", "") for n in range(3, 3 + 2 * len(BAD), 2)),
    ]
    assert [reject.offset for reject in bad] == list(range(2, 2 + 2 * len(BAD), 2))
    for reason, reject in zip(BAD, bad, strict=True):
        assert reason in reject.reason
        assert reject.record


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybridner.annotation.pieces._LONGEST_LINE", 50)
    path = tmp_path / "a.txt"
    path.write_text("好\n" + "x" * 400 + "\n" + "y" * 49 + "\n" + "z" * 120, encoding="utf-8")
    first, second, third, fourth = everything(FileSource([path], None, Fields(), 10), 1)
    assert (first.text, third.text, third.offset) == ("好", "y" * 49, 2)
    assert "more than 50 bytes" in second.reason
    assert "more than 50 bytes" in fourth.reason


@pytest.mark.parametrize(("group", "per_piece", "rows"), [(7, 3, 5), (4, 100, 2), (100, 9, 1024)])
def test_parquet_is_read_across_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int, per_piece: int, rows: int
) -> None:
    monkeypatch.setattr("hybridner.annotation.pieces._ROWS", rows)
    texts = [None if n == 5 else f"第{n}句" for n in range(40)]
    table = pa.table({"other": range(40), "body": pa.array(texts, pa.large_string()), "key": range(100, 140)})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=group)
    source = FileSource([path], None, Fields("body", "key"), per_piece)
    found = everything(source, 3)
    assert [record.offset for record in found] == list(range(40))
    assert [record.text if isinstance(record, Item) else None for record in found] == texts
    assert [record.id for record in found if isinstance(record, Item)] == [str(100 + n) for n in range(40) if n != 5]
    assert source.total == 40


def test_the_description_changes_with_the_content_and_only_with_that(tmp_path: Path) -> None:
    def described(name: str, texts: list[str]) -> object:
        path = tmp_path / name
        if name.endswith("txt"):
            path.write_text("\n".join(texts), encoding="utf-8")
        else:
            pq.write_table(pa.table({"text": texts}), path)
        return FileSource([path], None, Fields(), 10).describe()

    for name in ("a.txt", "a.parquet"):
        assert described(name, ["一", "二"]) == described(name, ["一", "二"]) != described(name, ["一", "三"])


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"text\nx\n", "known endings"),
        ("a.jsonl", b'{"sentence": "x"}\n' * 300, "none of the first 100 records can be read.*no field 'text'"),
        ("a.txt", "中文\n".encode("utf-16"), "in utf-16; convert it"),
        ("a.txt", b"PK\x03\x04 and more", "a ZIP archive or an Office document"),
        ("a.json", b'[{"text": "x"},\n{"text": "y"}]', "not one object a line; make it so with `hybridner data convert"),
        ("a.json", b'{\n "text": "x"\n}', "not one object a line"),
        ("a.parquet", b"PAR1 no", "cannot be read as parquet"),
        ("missing.txt", None, "cannot be read"),
    ],
)
def test_an_input_that_is_something_else_is_refused_at_once(
    tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=problem):
        FileSource([tmp_path / name], None, Fields(), 10)


@pytest.mark.parametrize("encoding", ["gb18030", "cp950"])
def test_other_encodings_of_chinese_are_read(tmp_path: Path, encoding: str) -> None:
    texts = ["天氣很好，北京的天空一片湛藍。", "他在上海工作了三年，最近才回來。", "衛星信號受到干擾"] * 3
    (tmp_path / "a.txt").write_bytes("\n".join(texts).encode(encoding))
    assert [item.text for item in everything(FileSource([tmp_path / "a.txt"], None, Fields(), 2), 2)] == texts


def test_halves_of_characters_are_replaced_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a\\ud83db\\ude00"}\n{"text": "\\ud83d\\ude00"}\n')
    first, second = everything(FileSource([tmp_path / "a.jsonl"], None, Fields(), 10), 1)
    assert (first.text, first.halves) == ("a\ufffdb\ufffd", 2)
    assert (second.text, second.halves) == ("😀", 0)


def test_a_parquet_file_without_the_column_names_those_it_has(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no column 'text'; it has body"):
        FileSource([tmp_path / "a.parquet"], None, Fields(), 10)
