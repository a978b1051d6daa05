"""Whatever a file holds, reading it gives records whose spans are right, or an error that names the file."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridner.data import ReadOptions, iter_annotated
from hybridner.data.formats import FORMATS
from hybridner.data.texts import iter_texts
from hybridner.errors import DataError

_TMP = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

KEYS = st.sampled_from(
    [
        "id",
        "text",
        "data",
        "fields",
        "entities",
        "spans",
        "ents",
        "label",
        "labels",
        "annotations",
        "annotation",
        "predictions",
        "responses",
        "suggestions",
        "result",
        "value",
        "start",
        "end",
        "start_idx",
        "end_idx",
        "start_offset",
        "end_offset",
        "type",
        "word",
        "entity",
        "score",
        "answer",
        "tokens",
        "ner_tags",
        "status",
        "group",
        "review",
        "completions",
        "q.responses",
        "q.suggestion",
        "prediction",
        "annotation_id",
        "lead_time",
        "to_name",
        "was_cancelled",
        "uncertainty",
        "length",
        "offset",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 6),
    st.floats(-1, 3),
    st.sampled_from(["李明在上海", "李明", "PER", "B-PER", "O", "", "accept", "labels"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)), max_leaves=12
)
ITEMS = st.one_of(
    st.dictionaries(KEYS, VALUES, max_size=5),
    st.dictionaries(KEYS, VALUES, max_size=4).map(lambda item: {"text": "李明在上海", **item}),
    VALUES,
)
TEXTS = [name for name in FORMATS if name not in ("parquet", "saved")]


def check(path, format=None, options=None):
    assert str(path) in problem_of(lambda: list(map(check_record, iter_annotated(path, format, options or ReadOptions()))), path)
    assert str(path) in problem_of(lambda: [text.encode() for text in iter_texts(path)], path)


def problem_of(read, default):
    """What the error says, if there is one; else the default."""
    try:
        read()
    except DataError as error:
        return str(error)
    return str(default)


def check_record(annotated):
    record = annotated.record
    record.text.encode()
    assert all(0 <= s.start < s.end <= len(record.text) and s.label for s in record.entities)
    assert set(annotated.scores) <= set(record.entities)


@_TMP
@given(
    st.lists(ITEMS, min_size=1, max_size=3),
    st.sampled_from(["lines", "array", "wrapped"]),
    st.sampled_from([None, *TEXTS]),
    st.booleans(),
)
def test_any_json(tmp_path_factory, items, arrangement, format, predictions):
    path = tmp_path_factory.mktemp("x") / "file"
    content = {"lines": "\n".join(map(json.dumps, items)), "array": json.dumps(items), "wrapped": json.dumps({"data": items})}
    path.write_text(content[arrangement], encoding="utf-8")
    check(path, format, ReadOptions(predictions=predictions))


@_TMP
@given(
    st.text(st.sampled_from(list("李明 \t\n\r\ufeff0123B-IOESMLU_PER{}[]|#>\"':,。doc;T")), max_size=60),
    st.sampled_from([None, *TEXTS]),
)
def test_any_text(tmp_path_factory, content, format):
    path = tmp_path_factory.mktemp("x") / "file"
    path.write_bytes(content.encode())
    check(path, format)


@_TMP
@given(st.binary(max_size=40), st.sampled_from([None, *TEXTS]))
def test_any_bytes(tmp_path_factory, content, format):
    path = tmp_path_factory.mktemp("x") / "file"
    path.write_bytes(content)
    check(path, format)


@_TMP
@given(st.binary(max_size=40))
def test_any_bytes_after_the_mark_of_parquet(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("x") / "file"
    path.write_bytes(b"PAR1" + content + b"PAR1")
    check(path)


@_TMP
@given(
    st.text(st.sampled_from(list("T1\t 025;李明PER\nRE#*")), max_size=40),
    st.text(st.sampled_from(list("李明在上海\r\n😀")), max_size=8),
)
def test_any_brat(tmp_path_factory, annotations, text):
    folder = tmp_path_factory.mktemp("x")
    (folder / "a.txt").write_bytes(text.encode())
    (folder / "a.ann").write_bytes(annotations.encode())
    assert str(folder) in problem_of(lambda: list(map(check_record, iter_annotated(folder))), folder)
