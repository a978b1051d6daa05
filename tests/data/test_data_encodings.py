"""Files in other encodings than UTF-8, and files that are no text."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner.data import ReadOptions, RepairLog, iter_annotated, read_records
from hybridner.data.decoding import detect_encoding_of
from hybridner.data.texts import iter_texts
from hybridner.errors import DataError
from hybridner.spans import Record, Span

SIMPLIFIED = ["俄罗斯在叙利亚部署了克拉苏哈干扰机。", "演习期间，北约的无人机失去了卫星导航信号。", "王五说：“天气很好！”"]
TRADITIONAL = ["衛星訊號受到干擾，導航終端失鎖。", "他在臺北工作了三年，最近才回來。", "國防部長說：「演習如期舉行。」"]
ENCODINGS = [(SIMPLIFIED, e) for e in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "gbk")]
ENCODINGS += [(TRADITIONAL, e) for e in ("utf-8", "big5", "utf-16")]


@pytest.mark.parametrize(("texts", "encoding"), ENCODINGS)
@pytest.mark.parametrize("form", ["lines", "array", "conll", "plain"])
def test_every_encoding_gives_the_same_texts(tmp_path, texts, encoding, form):
    objects = [{"text": text, "entities": [{"start": 0, "end": 2, "label": "A"}]} for text in texts]
    content = {
        "lines": "\n".join(json.dumps(item, ensure_ascii=False) for item in objects),
        "array": json.dumps(objects, ensure_ascii=False),
        "conll": "\n\n".join(
            "\n".join(f"{c} {'B-A' if n == 0 else 'I-A' if n == 1 else 'O'}" for n, c in enumerate(t)) for t in texts
        ),
        "plain": "\n".join(texts),
    }[form]
    path = tmp_path / "file"
    path.write_bytes(content.encode(encoding))
    assert list(iter_texts(path)) == texts
    if form == "plain":
        return
    log = RepairLog()
    assert [(r.text, r.entities) for r in read_records(path, repairs=log)] == [(text, (Span(0, 2, "A"),)) for text in texts]
    assert dict(log.counts) == ({} if encoding.startswith("utf-8") else {"recoded": 1})


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_utf8_is_always_known_as_utf8(text):
    data = text.encode()
    if data.startswith((b"PK", b"%PDF", b"{\\rtf", b"BZh", b"Rar!", b"SQLite", b"7z")):
        return
    assert detect_encoding_of(data) in ("utf-8", "utf-8-sig")


def test_an_encoding_can_be_named(tmp_path):
    path = tmp_path / "a.bio"
    path.write_bytes("王 B-PER\n".encode("gbk"))
    assert [a.record for a in iter_annotated(path, options=ReadOptions(encoding="gbk"))] == [
        Record("王", (Span(0, 1, "PER"),), "a-0")
    ]
    with pytest.raises(DataError, match="not utf-8 throughout"):
        list(iter_annotated(path, options=ReadOptions(encoding="utf-8")))
    with pytest.raises(DataError, match="unknown encoding 'klingon'; examples are utf-8"):
        list(iter_annotated(path, options=ReadOptions(encoding="klingon")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\n\t\n", "the file is empty"),
        (b"\xef\xbb\xbf\n", "the file is empty"),
        (b"PK\x03\x04rest", "a ZIP archive or an Office document"),
        (b"%PDF-1.7", "a PDF; extract its text first"),
        (b"\x1f\x8brest", "compressed with gzip; unpack it first"),
        (bytes(range(256)) * 4, "it holds null bytes"),
        (("中文" * 50).encode() + b"\n\xff\n" + ("中文" * 50).encode(), r"line 2: not UTF-8 at byte 301 .*though the rest is"),
        (b"\xff\xfe\xfd\x81\x82\x20\x90", "is not text|utf-16"),
    ],
)
@pytest.mark.parametrize("read", [read_records, lambda path: list(iter_texts(path))])
def test_what_is_no_text_is_said_in_one_line(tmp_path, content, message, read):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)
