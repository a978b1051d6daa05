"""JSON formats: our own, CLUENER, CMeEE, Doccano and bare texts."""

import json

import pytest

from hybridner.data import RepairLog, detect_format, iter_records, read_records, write_cluener, write_jsonl
from hybridner.data.formats import json_stream as module
from hybridner.errors import DataError
from hybridner.spans import Record, Span

TEXT = "俄军在叙利亚部署干扰机。"
SPANS = (Span(0, 2, "STATE"), Span(3, 6, "LOC"), Span(8, 11, "OFFSYS"))

OWN = {"id": 7, "group": "d", "text": TEXT, "entities": [{"start": s, "end": e, "label": y} for s, e, y in reversed(SPANS)]}
CLUENER = {"text": TEXT, "label": {"STATE": {"俄军": [[0, 1]]}, "LOC": {"叙利亚": [[3, 5]]}, "OFFSYS": {"干扰机": [[8, 10]]}}}
CMEEE = {
    "text": TEXT,
    "entities": [{"start_idx": s, "end_idx": e - 1, "type": label, "entity": TEXT[s:e]} for s, e, label in SPANS],
}
DOCCANO = {
    "id": 1,
    "text": TEXT,
    "entities": [{"id": 4, "label": label, "start_offset": s, "end_offset": e} for s, e, label in SPANS],
    "relations": [],
    "Comments": [],
}
DOCCANO_LISTS = {"text": TEXT, "label": [[s, e, label] for s, e, label in SPANS]}
FORMS = [("jsonl", OWN), ("cluener", CLUENER), ("cmeee", CMEEE), ("doccano", DOCCANO), ("doccano", DOCCANO_LISTS)]


def line(item):
    return json.dumps(item, ensure_ascii=False)


@pytest.mark.parametrize(("name", "item"), FORMS)
@pytest.mark.parametrize("container", ["lines", "array"])
def test_every_form_gives_the_same_spans_and_is_detected(write, name, item, container):
    content = line(item) if container == "lines" else json.dumps([item], ensure_ascii=False, indent=1)
    path = write("some.file", content)
    (record,) = read_records(path)
    assert detect_format(path).format == name
    assert (record.text, record.entities) == (TEXT, SPANS)
    assert read_records(path, name) == [record]


def test_own_form_keeps_id_and_group_and_others_are_numbered(write):
    (own,) = read_records(write("a.jsonl", line(OWN)))
    assert (own.id, own.group) == ("7", "d")
    first, second = read_records(write("dev.json", line(CLUENER), "", line(CLUENER)))
    assert (first.id, second.id) == ("dev-0", "dev-1")


def test_records_without_entities_do_not_hide_the_format(write):
    empty = {"text": "无。", "entities": []}
    path = write("x.json", json.dumps([empty, empty, CMEEE], ensure_ascii=False))
    assert detect_format(path).format == "cmeee"
    assert [len(record.entities) for record in read_records(path)] == [0, 0, 3]


def test_bare_texts_are_read_without_entities_but_not_mixed_with_annotated_ones(write):
    assert read_records(write("test.json", line({"id": 0, "text": TEXT}))) == [Record(TEXT, (), "0")]
    mixed = write("mixed.json", line({"text": TEXT}), line(CLUENER))
    with pytest.raises(DataError, match=r"mixed\.json, line 1: no annotations here: `label`.* is missing"):
        read_records(mixed)
    with pytest.raises(DataError, match=r"mixed\.json, line 2: `label` in a file"):
        read_records(mixed, "texts")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"text": TEXT, "label": {"LOC": {"叙利亚": [[3, 6]]}}}, r"label\.LOC\.叙利亚: the text at \[3, 7\) is '叙利亚部'"),
        ({"text": TEXT, "label": {"LOC": {"叙利亚": [3, 5]}}}, r"expected \[first, last\], not 3"),
        ({"text": TEXT, "label": {"LOC": ["叙利亚"]}}, r"label\.LOC: expected \{word"),
        ({"text": 5, "label": {"LOC": {}}}, "`text` must be a string, not int"),
        ({"text": TEXT, "entities": [{"start": 0, "end": 99, "label": "A"}]}, r"entity 0: span \[0, 99\) does not fit"),
        ({"text": TEXT, "entities": [{"start": 0, "label": "A"}]}, "entity 0: `end` is missing"),
        ({"text": TEXT, "entities": [{"start": "0", "end": 1, "label": "A"}]}, "must be whole numbers"),
        ({"text": TEXT, "entities": [{"start": 0, "end": 1, "label": ""}]}, "`label` must be a non-empty string"),
        ({"text": TEXT, "entities": [{"start_idx": 0, "end_idx": 1, "type": "A", "entity": "俄国"}]}, "not '俄国'"),
        ({"text": TEXT, "entities": [{"start_idx": 0, "end_idx": None, "type": "A"}]}, "whole numbers, not 0 and None"),
        ({"text": TEXT, "entities": [{"start_idx": 5, "end_idx": 3, "type": "A"}]}, r"\[5, 4\) does not fit"),
        ({"text": TEXT, "entities": [{"start_offset": -1, "end_offset": 2, "label": "A"}]}, r"\[-1, 2\) does not fit"),
        ({"text": TEXT, "entities": [{"from": 0, "to": 1}]}, "unknown format"),
        ({"text": TEXT, "label": [[0, 1]]}, "unknown format: `label` looks like annotations"),
        ({"text": TEXT, "label": [[0, 1, "A"], [0, 1]]}, r"entity 1: expected \[start, end, label\]"),
        ({"Satz": TEXT}, "unknown format: an object with the fields Satz but no `text`"),
    ],
)
def test_what_no_rule_covers_stops_with_file_line_and_field(write, item, message):
    with pytest.raises(DataError, match=rf"a\.json, line 1.*{message}"):
        read_records(write("a.json", line(item)))


def test_an_entity_in_another_form_later_in_the_file_is_an_error(write):
    with pytest.raises(DataError, match="line 2: `entities` is of another form"):
        read_records(write("a.json", line(OWN), line(CMEEE)))


@pytest.mark.parametrize(
    ("item", "rule", "kept"),
    [
        ({"text": "感冒。", "entities": [{"start_idx": 2, "end_idx": 1, "type": "A", "entity": ""}]}, "empty_span", []),
        ({"text": "感冒。", "entities": [{"start_offset": 1, "end_offset": 9, "label": "A"}]}, "out_of_range", []),
        ({"text": "感 冒 。", "entities": [{"start_offset": 1, "end_offset": 4, "label": "A"}]}, "edge_space", [Span(2, 3, "A")]),
        ({"text": "感 　冒", "entities": [{"start_offset": 1, "end_offset": 3, "label": "A"}]}, "only_space", []),
        ({"text": "感冒。", "entities": [{"start": 0, "end": 2, "label": "A"}] * 2}, "duplicate_entity", [Span(0, 2, "A")]),
    ],
)
def test_known_defects_are_repaired_counted_and_errors_when_strict(write, item, rule, kept):
    path = write("a.json", line(item))
    log = RepairLog()
    (record,) = read_records(path, repairs=log)
    assert list(record.entities) == kept
    assert dict(log.counts) == {rule: 1}
    assert f"{rule}: 1 times" in str(log)
    assert "a.json, line 1, entity" in str(log)
    with pytest.raises(DataError, match=rf"a\.json, line 1, entity \d: {rule}"):
        read_records(path, repairs=RepairLog(strict=True))


def test_repairs_without_a_log_are_said_aloud(write, caplog):
    read_records(write("a.json", line({"text": "感冒。", "entities": [{"start_offset": 1, "end_offset": 9, "label": "A"}]})))
    assert "out_of_range: 1 times" in caplog.text


def test_offsets_out_of_range_in_our_own_form_are_never_repaired(write):
    item = {"text": "感冒", "entities": [{"start": 0, "end": 3, "label": "A"}]}
    with pytest.raises(DataError, match="does not fit a text of 2 characters"):
        read_records(write("a.jsonl", line(item)))


def test_label_map_renames_leaves_out_and_knows_every_label(write):
    path = write("a.jsonl", line(DOCCANO))
    log = RepairLog(strict=True)
    mapping = {"STATE": "side", "LOC": None, "OFFSYS": "weapon"}
    (record,) = read_records(path, label_map=mapping, repairs=log)
    assert record.entities == (Span(0, 2, "side"), Span(8, 11, "weapon"))
    assert dict(log.counts) == {"unmapped_label": 1}  # our choice, so no error even when strict
    with pytest.raises(DataError, match="line 1: unknown label 'LOC'"):
        read_records(path, label_map={"STATE": "side"})


def test_labels_of_one_span_mapped_to_one_name_become_one_entity(write):
    item = {"text": "感冒", "label": [[0, 2, "A"], [0, 2, "B"]]}
    log = RepairLog(strict=True)
    (record,) = read_records(write("a.jsonl", line(item)), label_map={"A": "X", "B": "X"}, repairs=log)
    assert record.entities == (Span(0, 2, "X"),)
    assert dict(log.counts) == {"merged_by_map": 1}


def test_doccano_relations_are_left_out_and_counted(write):
    log = RepairLog()
    relation = {"id": 0, "from_id": 4, "to_id": 4, "type": "x"}
    read_records(write("a.jsonl", line({**DOCCANO, "relations": [relation]})), repairs=log)
    assert log.counts["relations_left_out"] == 1


def test_nested_and_doubly_labelled_spans_are_kept(write):
    entities = [{"start_idx": s, "end_idx": e, "type": t} for s, e, t in ((0, 3, "sym"), (0, 0, "bod"), (0, 3, "dis"))]
    (record,) = read_records(write("a.json", json.dumps([{"text": "肺内病变", "entities": entities}])))
    assert record.entities == (Span(0, 1, "bod"), Span(0, 4, "dis"), Span(0, 4, "sym"))


def test_written_files_read_back_the_same(tmp_path, write):
    records = [Record(TEXT, SPANS, "a", "g"), Record("平安。\u2028\n😀", (Span(0, 2, "X"), Span(5, 6, "Y")), "b")]
    assert write_jsonl(records, tmp_path / "own.jsonl") == 2
    back = read_records(tmp_path / "own.jsonl")
    assert back == records
    assert [record.group for record in back] == ["g", ""]
    assert write_cluener(records, tmp_path / "clue.json") == 2
    assert read_records(tmp_path / "clue.json", "cluener") == records


def test_cluener_ends_are_inclusive_in_the_written_file(tmp_path):
    write_cluener([Record("曼联和曼联", (Span(0, 2, "org"), Span(3, 5, "org")), "1")], tmp_path / "x.json")
    written = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert written == {"id": "1", "text": "曼联和曼联", "label": {"org": {"曼联": [[0, 1], [3, 4]]}}}


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_an_array_is_read_the_same_whatever_the_chunk(write, monkeypatch, size):
    items = [{"text": f'第{n}号病例"[{{]}},', "entities": [{"start_idx": 0, "end_idx": 2, "type": "A"}]} for n in range(10, 30)]
    path = write("a.json", json.dumps(items, ensure_ascii=False, indent=2))
    monkeypatch.setattr(module, "_CHUNK", size)
    assert [record.text for record in iter_records(path)] == [item["text"] for item in items]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a", "entities": []}', r"record 1 \(line 2\): the file ends inside its JSON array"),
        ('[{"text": "a", "entities": []}\n{"text": "b", "entities": []}]', r"record 1 \(line 2\): not JSON: expected ','"),
        ('[\n{"text": "a", "entities": []},\n{"text": x}]', r"record 1 \(line 3\): not JSON"),
        ('[{"text": "a", "entities": []}, 5]', "record 1 .*expected a JSON object, not int"),
        ('{"text": "a", "entities": []}\n{"text": ', "line 2: not JSON at column"),
    ],
)
def test_broken_json_is_named_with_its_place(write, content, message):
    with pytest.raises(DataError, match=rf"a\.json, {message}"):
        read_records(write("a.json", content), "jsonl")


def test_an_empty_array_holds_no_record(write):
    with pytest.raises(DataError, match="holds no record"):
        read_records(write("a.json", "[ ]"))
