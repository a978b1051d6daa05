"""What people's files look like: every arrangement of one record is read as the same record, or refused by name."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hybridner.data import ReadOptions, RepairLog, detect_format, iter_annotated, read_records
from hybridner.data.offsets import OFFSETS, to_characters
from hybridner.errors import DataError
from hybridner.spans import Record, Span
from tests.support.annotated import records

_TMP = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXT = "李明在上海工作，王芳在北京。"
SPANS = (Span(0, 2, "PER"), Span(3, 5, "LOC"), Span(8, 10, "PER"), Span(11, 13, "LOC"))


def objects(start="start", end="end", label="label", word="", last=0, text=TEXT, spans=SPANS):
    return [{start: s, end: e - last, label: name, **({word: text[s:e]} if word else {})} for s, e, name in spans]


def task(text=TEXT, spans=SPANS, field="text", control="label", **annotation):
    regions = [
        {
            "from_name": control,
            "to_name": field,
            "type": "labels",
            "id": str(s),
            "value": {"start": s, "end": e, "text": text[s:e], "labels": [y]},
        }
        for s, e, y in spans
    ]
    return {"id": 7, "data": {field: text}, "annotations": [{"id": 1, "result": regions, "was_cancelled": False, **annotation}]}


def by_label():
    labels = {}
    for s, e, label in SPANS:
        labels.setdefault(label, {}).setdefault(TEXT[s:e], []).append([s, e - 1])
    return labels


TAGS = ["O"] * len(TEXT)
for s, e, y in SPANS:
    TAGS[s:e] = [f"B-{y}"] + [f"I-{y}"] * (e - s - 1)

#: What JSON-MIN has beside the fields of an annotated task.
DONE = {"annotator": 1, "annotation_id": 1, "lead_time": 2.5, "created_at": "2024-01-01", "updated_at": "2024-01-01"}
LISTS = [[s, e, label] for s, e, label in SPANS]
V1 = {
    "text": TEXT,
    "tokens": list(TEXT),
    "prediction": None,
    "annotation": [[y, s, e] for s, e, y in SPANS],
    "status": "Validated",
}

#: (name of the format, an object in it)
VARIANTS = {
    "own": ("jsonl", {"text": TEXT, "entities": objects()}),
    "predicted": ("jsonl", {"text": TEXT, "entities": objects(label="entity_group", word="word")}),
    "transformers": ("jsonl", {"text": TEXT, "entities": objects(label="entity", word="word")}),
    "annotations": ("jsonl", {"text": TEXT, "annotations": objects()}),
    "annotation": ("jsonl", {"text": TEXT, "annotation": objects()}),
    "empty label beside entities": ("jsonl", {"text": TEXT, "label": [], "entities": objects()}),
    "unknown field": ("jsonl", {"text": TEXT, "marks": objects()}),
    "CCKS": ("jsonl", {"originalText": TEXT, "entities": objects("start_pos", "end_pos", "label_type")}),
    "length": ("jsonl", {"text": TEXT, "entities": [{"offset": s, "length": e - s, "category": y} for s, e, y in SPANS]}),
    "prodigy": (
        "prodigy",
        {"text": TEXT, "spans": objects(), "tokens": [{"text": "李", "start": 0, "end": 1, "id": 0}], "answer": "accept"},
    ),
    "spaCy ents": ("prodigy", {"text": TEXT, "ents": objects(), "title": None}),
    "spaCy pairs": ("doccano", [TEXT, {"entities": LISTS}]),
    "doccano label": ("doccano", {"id": 1, "text": TEXT, "label": LISTS}),
    "doccano labels": ("doccano", {"id": 1, "text": TEXT, "labels": LISTS, "meta": {}}),
    "doccano data": ("doccano", {"id": 1, "data": TEXT, "label": LISTS}),
    "doccano entities": ("doccano", {"doc_id": 1, "text": TEXT, "entities": LISTS, "username": "u"}),
    "doccano offsets": (
        "doccano",
        {"text": TEXT, "entities": objects("start_offset", "end_offset"), "relations": [], "Comments": []},
    ),
    "doccano with words": ("doccano", {"text": TEXT, "label": [[s, e, y, TEXT[s:e]] for s, e, y in SPANS]}),
    "cluener": ("cluener", {"text": TEXT, "label": by_label()}),
    "cmeee": ("cmeee", {"text": TEXT, "entities": objects("start_idx", "end_idx", "type", "entity", last=1)}),
    "label studio": ("label-studio", task()),
    "label studio, other names": ("label-studio", task(field="内容", control="实体")),
    "label studio, older": ("label-studio", {"data": {"text": TEXT}, "completions": task()["annotations"]}),
    "json-min": (
        "label-studio-min",
        {"id": 3, "text": TEXT, "实体": [{"start": s, "end": e, "text": TEXT[s:e], "labels": [y]} for s, e, y in SPANS], **DONE},
    ),
    "argilla 2": (
        "argilla",
        {"id": "a", "fields": {"text": TEXT}, "responses": {"实体": [{"value": objects(), "user_id": "u"}]}, "suggestions": {}},
    ),
    "argilla, server": (
        "argilla",
        {
            "fields": {"文本": TEXT},
            "responses": [{"values": {"q": {"value": objects()}}, "status": "submitted"}],
            "suggestions": [],
        },
    ),
    "argilla, flat": (
        "argilla",
        {"text": TEXT, "q.responses": [objects()], "q.responses.status": ["submitted"], "q.suggestion": None},
    ),
    "argilla 1": ("argilla", V1),
    "tokens": ("token-tags", {"tokens": list(TEXT), "ner_tags": TAGS}),
    "characters": ("token-tags", {"text": TEXT, "labels": TAGS}),
}

CONTAINERS = {
    "lines": lambda item: json.dumps(item, ensure_ascii=False) + "\n" + json.dumps(item),
    "array": lambda item: json.dumps([item, item]),
    "pretty array": lambda item: json.dumps([item, item], indent=2, ensure_ascii=False),
    "pretty objects": lambda item: "\n".join([json.dumps(item, indent=4)] * 2),
    "wrapped": lambda item: json.dumps({"version": "1", "data": [item, item]}),
    "pretty wrapped": lambda item: json.dumps({"data": [item, item], "total": 2}, indent=1),
    "marks inside": lambda item: "\ufeff" + json.dumps(item) + "\n\ufeff" + json.dumps(item),
}


@pytest.mark.parametrize("container", list(CONTAINERS))
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_every_arrangement_gives_the_same_record(write, variant, container):
    name, item = VARIANTS[variant]
    if isinstance(item, list) and container.startswith("pretty objects"):
        pytest.skip("two arrays one after the other are no file of pairs")
    path = write("file.data", CONTAINERS[container](item))
    found = detect_format(path)
    assert found.format == name, found.why
    log = RepairLog(strict=True)
    assert [(record.text, record.entities) for record in read_records(path, repairs=log)] == [(TEXT, SPANS)] * 2
    assert not log.counts


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"text": TEXT, "spans": [{"from": 0, "to": 2, "label": "PER"}]}, "`spans` looks like annotations, but of no known form"),
        ({"text": TEXT, "marks": [{"from": 0, "to": 2, "kind": "PER"}]}, "`marks` looks like annotations"),
        ({"text": TEXT, "label": ["positive"]}, "`label` looks like annotations"),
        ({"text": TEXT, "entities": [{"start": 0, "label": "PER"}]}, "`end` is missing"),
        ({"text": TEXT, "spans": objects(), "entities": objects()}, "both `spans` and `entities` hold annotations"),
        ({"train": [{"text": TEXT}], "dev": [{"text": TEXT}]}, "several lists: train, dev"),
        ({"text": TEXT, "entities": objects(word="word", text="另" * 20)}, r"the text at \[0, 2\) is '李明', not '另另'"),
        ({"tokens": list(TEXT), "ner_tags": ["B-PER"]}, r"`tokens` has 14 and `ner_tags` 1 entries"),
        ({**task(), "annotations": [{"result": [{"value": {"start": "x", "end": 2, "labels": ["A"]}}]}]}, "whole numbers"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(write, item, message):
    with pytest.raises(DataError, match=message):
        read_records(write("a.json", json.dumps(item, ensure_ascii=False)))


def test_an_annotated_record_among_bare_texts_is_refused(write):
    path = write("a.jsonl", json.dumps({"text": TEXT}), json.dumps({"text": TEXT, "spans": objects()}))
    with pytest.raises(DataError, match=r"line 1: no annotations here"):
        read_records(path)
    with pytest.raises(DataError, match=r"line 2: `spans` in a file whose first records have no entities"):
        read_records(path, "texts")


def test_label_studio_tasks_without_a_decision_are_left_out_and_counted(write):
    annotations = task()["annotations"]
    second = task(spans=SPANS[:1])["annotations"]
    tasks = [
        {"id": 1, "data": {"text": TEXT}, "annotations": [], "predictions": annotations},
        {"id": 2, "data": {"text": TEXT}, "annotations": [{**annotations[0], "was_cancelled": True}]},
        {"id": 3, "data": {"text": TEXT}, "annotations": [{**annotations[0], "ground_truth": True}, *second]},
        {"id": 4, "data": {"text": TEXT}, "annotations": [{"result": []}]},
    ]
    log = RepairLog()
    found = read_records(write("a.json", json.dumps(tasks)), repairs=log)
    assert [(record.id, len(record.entities)) for record in found] == [("3", 4), ("4", 0)]
    assert dict(log.counts) == {"unlabeled_task": 1, "rejected_task": 1, "several_annotations": 1}
    proposed = [one.record for one in iter_annotated(write("b.json", json.dumps(tasks)), options=ReadOptions(predictions=True))]
    assert [(record.id, record.entities) for record in proposed] == [("1", SPANS)]


def test_json_min_tells_unlabeled_tasks_from_those_without_entities(write):
    done = {"annotator": 1, "annotation_id": 4, "lead_time": 1.0}
    items = [VARIANTS["json-min"][1], {"id": 1, "text": TEXT}, {"id": 2, "text": TEXT, **done}]
    log = RepairLog()
    assert [record.id for record in read_records(write("a.json", json.dumps(items)), repairs=log)] == ["3", "2"]
    assert dict(log.counts) == {"unlabeled_task": 1}


def test_doccano_label_numbers_get_their_names_from_its_label_file(write):
    item = {
        "id": 1,
        "text": TEXT,
        "annotations": [{"id": 1, "label": 4, "start_offset": 0, "end_offset": 2, "user": 1}],
        "meta": {},
    }
    path, log = write("all.jsonl", json.dumps(item)), RepairLog()
    assert read_records(path, repairs=log)[0].entities == (Span(0, 2, "4"),)
    assert dict(log.counts) == {"label_numbers": 1}
    assert read_records(path, label_map={"4": "PER"}, repairs=log)[0].entities == SPANS[:1]
    write("label_config.json", json.dumps([{"id": 4, "text": "PER"}]))
    log = RepairLog()
    assert read_records(path, repairs=log)[0].entities == SPANS[:1]
    assert not log.counts
    write("label_config.json", json.dumps([{"id": 5, "text": "PER"}]))
    with pytest.raises(DataError, match=r"label number 4 is not in label_config\.json"):
        read_records(path)


def test_the_field_of_the_text_can_be_named(write):
    path = write("a.jsonl", json.dumps({"正文": TEXT, "entities": objects()}))
    with pytest.raises(DataError, match="--text-field"):
        read_records(path)
    (found,) = iter_annotated(path, options=ReadOptions(text_field="正文"))
    assert (found.record.text, found.record.entities) == (TEXT, SPANS)


def test_entities_that_a_review_deleted_are_no_gold(write):
    entities = objects()
    entities[0]["review"], entities[1]["review"] = "deleted", "accepted"
    log = RepairLog()
    assert read_records(write("a.jsonl", json.dumps({"text": TEXT, "entities": entities})), repairs=log)[0].entities == SPANS[1:]
    assert dict(log.counts) == {"deleted_entity": 1}


# How offsets are counted


def counted(text, span, offsets):
    """A span's offsets in another way of counting, by an independent calculation."""
    if offsets == "utf-16":
        return tuple(len(text[:place].encode("utf-16-le")) // 2 for place in span[:2])
    return {
        "exclusive": (span.start, span.end),
        "inclusive": (span.start, span.end - 1),
        "one-based": (span.start + 1, span.end),
    }[offsets]


@_TMP
@given(records(), st.sampled_from(OFFSETS))
def test_offsets_are_translated_from_every_way_of_counting(tmp_path_factory, record, offsets):
    for span in record.entities:
        assert to_characters(record.text, *counted(record.text, span, offsets), offsets) == (span.start, span.end)
    path = tmp_path_factory.mktemp("x") / "a.jsonl"
    entities = [
        dict(zip(("start", "end", "label"), (*counted(record.text, s, offsets), s.label), strict=True)) for s in record.entities
    ]
    path.write_text(json.dumps({"text": record.text, "entities": entities}), encoding="utf-8")
    (found,) = read_records(path, offsets=offsets)
    assert (found.text, found.entities) == (record.text, record.entities)


@_TMP
@given(records(), st.sampled_from(OFFSETS))
# Counted as characters, the same word stands there but for the space behind it.
@example(Record("俄罗斯😀 ", (Span(0, 4, "PER"),)), "utf-16")
def test_with_words_beside_them_offsets_are_never_read_as_other_words(tmp_path_factory, record, offsets):
    path = tmp_path_factory.mktemp("x") / "a.jsonl"
    entities = []
    for span in record.entities:
        start, end = counted(record.text, span, offsets)
        entities.append({"start": start, "end": end, "label": span.label, "word": record.text[span.start : span.end]})
    path.write_text(json.dumps({"text": record.text, "entities": entities}), encoding="utf-8")
    log = RepairLog()
    try:
        (found,) = read_records(path, repairs=log)
    except DataError as error:
        # The remedy that the message names works.
        assert offsets in ("inclusive", "one-based")
        named = str(error).partition("--offsets ")[2].split()[0].rstrip("`")
        (found,) = read_records(path, offsets=named)
    words = sorted((record.text[s.start : s.end].split(), s.label) for s in record.entities)
    assert sorted((found.text[s.start : s.end].split(), s.label) for s in found.entities) == words
    assert offsets != "utf-16" or found.entities == record.entities


def test_utf16_offsets_without_words_are_doubted_or_proven(write):
    text = "😀李明在上海"
    certain = {"text": text, "label": [[2, 4, "PER"], [5, 7, "LOC"]]}
    doubtful = {"text": text, "label": [[2, 4, "PER"]]}
    before = {"text": "李明😀", "label": [[0, 2, "PER"]]}
    log = RepairLog()
    found = read_records(write("a.jsonl", *map(json.dumps, (certain, doubtful, before))), repairs=log)
    assert [[record.text[s.start : s.end] for s in record.entities] for record in found] == [["李明", "上海"], ["明在"], ["李明"]]
    assert dict(log.counts) == {"utf16_offsets": 1, "uncertain_offsets": 1}
    log = RepairLog()
    (record,) = read_records(write("b.jsonl", json.dumps(doubtful)), offsets="utf-16", repairs=log)
    assert record.text[1:3] == "李明" == record.text[record.entities[0].start : record.entities[0].end]
    assert not log.counts
    with pytest.raises(DataError, match="cuts a character in two"):
        read_records(write("c.jsonl", json.dumps({"text": text, "label": [[1, 3, "PER"]]})), offsets="utf-16")


def test_unknown_ways_of_counting_are_refused(write):
    with pytest.raises(DataError, match="offsets must be one of exclusive, inclusive, one-based, utf-16"):
        read_records(write("a.jsonl", json.dumps({"text": TEXT, "entities": []})), offsets="bytes")


@_TMP
@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=()), min_size=1))
def test_halves_of_characters_keep_their_place(tmp_path_factory, before, word):
    path = tmp_path_factory.mktemp("x") / "a.jsonl"
    # json.dumps would write two halves that happen to fit as one character.
    item = '{"text": "%s", "entities": [{"start": %d, "end": %d, "label": "A"}]}'
    escaped = "".join(f"\\u{ord(c):04x}" if c <= "\uffff" else c for c in before + word)
    text = json.loads(f'"{escaped}"')
    path.write_text(item % (escaped, 0, len(text)), encoding="utf-8")
    log = RepairLog()
    (record,) = read_records(path, repairs=log)
    assert record.entities == (Span(0, len(text), "A"),)
    halves = [c for c in text if "\ud800" <= c <= "\udfff"]
    assert record.text == "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    assert log.counts["lone_surrogate"] == len(halves)


# brat


def brat(folder, text, *lines):
    folder.mkdir(exist_ok=True)
    (folder / "d.txt").write_text(text, encoding="utf-8", newline="")
    (folder / "d.ann").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_brat_folders_and_files(tmp_path):
    text = "李明在上\r\n海工作。"
    folder = brat(tmp_path / "b", text, "T1\tPER 0 2\t李明", "T2\tLOC 3 7\t上 海", "R1\tat Arg1:T1 Arg2:T2", "#1\tNote T1\tx")
    log = RepairLog()
    expected = [Record(text, (Span(0, 2, "PER"), Span(3, 7, "LOC")), "d")]
    for path in (folder, folder / "d.ann", folder / "d.txt"):
        assert detect_format(path).format == "brat"
        assert read_records(path, repairs=log) == expected
    assert log.counts["relations_left_out"] == 6


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("T1\tPER 0 1;3 4\t李上", r"the entity T1 \(PER 0 1;3 4\) is discontinuous"),
        ("T1\tPER 0 2\t王芳", "entity T1: the text at .* is '李明', not '王芳'"),
        ("T1 PER 0 2", "expected `T1<tab>LABEL START END<tab>WORD`"),
        ("X1\tPER 0 2\t李明", "expected `T1<tab>"),
    ],
)
def test_what_is_wrong_in_brat_is_named(tmp_path, line, message):
    with pytest.raises(DataError, match=message):
        read_records(brat(tmp_path / "b", "李明在上海", line))


def test_a_missing_text_of_brat_is_named(tmp_path):
    (tmp_path / "a.ann").touch()
    with pytest.raises(DataError, match=r"brat keeps it in a\.txt beside it"):
        read_records(tmp_path)
