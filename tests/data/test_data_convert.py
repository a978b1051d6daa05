"""Records into the forms of annotation tools and back, and a model's entities through a review."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hybridner.data import (
    WRITABLE,
    ReadOptions,
    RepairLog,
    convert,
    detect_format,
    iter_annotated,
    read_records,
    write_jsonl,
    write_records,
)
from hybridner.data.feedback import read_feedback
from hybridner.data.formats.base import AnnotatedRecord, EntityScore
from hybridner.errors import DataError, OutputError
from hybridner.spans import LabelSet, Record, Span
from tests.support.annotated import records

_TMP = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
#: Formats that hold every record of ours; the others are told below what they leave out.
WHOLE = ("jsonl", "cluener", "doccano", "label-studio", "prodigy", "argilla")


def contents(read):
    return [(record.text, record.entities) for record in read]


@_TMP
@given(st.lists(records(spaces=False), min_size=1, max_size=4), st.sampled_from(WHOLE))
def test_what_is_written_reads_back_the_same(tmp_path_factory, written, name):
    path = tmp_path_factory.mktemp("x") / "file"
    log = RepairLog()
    assert write_records(written, path, name, repairs=log) == len(written)
    assert contents(read_records(path, name)) == contents(written)
    assert not log.counts
    if any(record.entities for record in written):
        assert detect_format(path).format == name
        assert contents(read_records(path)) == contents(written)


@_TMP
@given(st.lists(records(spaces=False, labels=st.sampled_from(["PER", "装备"])), min_size=1, max_size=4))
@example(written=[Record("\ufeff甲"), Record("\ufeff")])
def test_brat_holds_everything_but_labels_with_spaces(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("x") / "brat"
    write_records([Record(r.text, r.entities, f"文档 {n}/x") for n, r in enumerate(written)], folder, "brat")
    assert contents(read_records(folder)) == contents(written)
    first = min(folder.glob("*.ann"))
    assert contents(read_records(first)) == contents(read_records(first.with_suffix(".txt"))) == contents(written)[:1]


@_TMP
@given(st.lists(records(flat=True), min_size=1, max_size=4))
@example(written=[Record("\ufeff甲"), Record("\ufeff")])
@example(written=[Record("\ufeff", group="一")])
def test_conll_holds_flat_entities(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("x") / "file"
    write_records(written, path, "conll")
    assert contents(read_records(path, "conll")) == contents(written)


@_TMP
@given(records(), st.sampled_from(["\n", "\r\n", "\t"]))
def test_what_conll_cannot_hold_is_counted_and_nothing_else_changes(tmp_path_factory, record, line_break):
    path, log = tmp_path_factory.mktemp("x") / "file", RepairLog()
    text = record.text + line_break + "终"
    write_records([Record(text, record.entities)], path, "conll", repairs=log)
    (back,) = read_records(path, "conll")
    assert back.text == record.text + " " * len(line_break) + "终"
    assert set(back.entities) <= set(record.entities)
    assert len(record.entities) - len(back.entities) == log.counts["overlap_left_out"]
    assert log.counts["line_break_written"] == len(line_break)


scores = st.floats(0, 1, allow_nan=False)


@_TMP
@given(st.lists(records(spaces=False), min_size=1, max_size=3), st.data())
def test_a_model_s_scores_go_through_label_studio(tmp_path_factory, found, data):
    folder = tmp_path_factory.mktemp("x")
    annotated = [
        AnnotatedRecord(
            record,
            {span: EntityScore(data.draw(scores), data.draw(scores), data.draw(st.booleans())) for span in record.entities},
        )
        for record in found
    ]
    write_records(annotated, folder / "model.jsonl", "jsonl")
    convert(folder / "model.jsonl", folder / "tasks.json", "label-studio", options=ReadOptions(predictions=True))
    back = list(iter_annotated(folder / "tasks.json", options=ReadOptions(predictions=True)))
    assert [(one.record.text, one.record.entities, one.scores) for one in back] == [
        (one.record.text, one.record.entities, one.scores) for one in annotated
    ]
    # Nobody has decided anything yet.
    assert read_records(folder / "tasks.json", repairs=RepairLog()) == []
    for task in json.loads((folder / "tasks.json").read_text(encoding="utf-8")):
        (prediction,) = task["predictions"]
        assert "annotations" not in task
        units = task["data"]["text"].encode("utf-16-le")
        for region in prediction["result"]:
            value = region["value"]
            # Label Studio counts as JavaScript does.
            assert units[2 * value["start"] : 2 * value["end"]].decode("utf-16-le") == value["text"]
        if prediction["result"]:
            assert prediction["score"] == min(region["score"] for region in prediction["result"])
            assert task["data"]["uncertainty"] == max(region["meta"]["uncertainty"] for region in prediction["result"])


TEXT = "😀俄军在叙利亚部署干扰机。"
FOUND = (Span(1, 3, "STATE"), Span(4, 6, "LOC"), Span(7, 9, "X"))
RIGHT = (Span(1, 3, "STATE"), Span(4, 7, "LOC"), Span(9, 12, "OFFSYS"))
LABELS = LabelSet.of(["STATE", "LOC", "OFFSYS", "X"])
VERDICTS = [("accepted", None), ("corrected", Span(4, 6, "LOC")), ("added", None), ("deleted", None)]


def review_label_studio(path):
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for task in tasks:
        kept, cut, gone = task["predictions"][0]["result"]
        cut["value"] |= {"end": 8, "text": "叙利亚"}
        new = {**gone, "value": {"start": 10, "end": 13, "text": "干扰机", "labels": ["OFFSYS"]}}
        task["annotations"] = [{"result": [kept, cut, new], "was_cancelled": False}]
        task["predictions"] = json.loads(path.read_text(encoding="utf-8"))[0]["predictions"]
    path.write_text(json.dumps(tasks), encoding="utf-8")


def review_argilla(path):
    items = json.loads(path.read_text(encoding="utf-8"))
    for item in items:
        value = [span._asdict() for span in RIGHT]
        item["responses"] = {"entities": [{"value": value, "user_id": "u", "status": "submitted"}]}
    path.write_text(json.dumps(items), encoding="utf-8")


@pytest.mark.parametrize(("tool", "review"), [("label-studio", review_label_studio), ("argilla", review_argilla)])
def test_predictions_are_reviewed_in_a_tool_and_come_back_as_feedback(tmp_path, tool, review):
    model = AnnotatedRecord(Record(TEXT, FOUND, "r1"), {span: EntityScore(0.5, 0.5, True) for span in FOUND})
    write_records([model], tmp_path / "entities.jsonl", "jsonl")
    with pytest.raises(DataError, match=r"nothing that says that somebody reviewed them"):
        read_feedback(tmp_path / "entities.jsonl", LABELS)
    convert(tmp_path / "entities.jsonl", tmp_path / "tasks.json", tool)
    with pytest.raises(DataError, match="holds no review"):
        read_feedback(tmp_path / "tasks.json", LABELS)
    review(tmp_path / "tasks.json")
    (found,) = read_feedback(tmp_path / "tasks.json", LABELS)
    assert (found.text, found.complete, found.record.entities) == (TEXT, True, RIGHT)
    # The label X lay inside the place that became part of the corrected one.
    assert sorted((entity.review, entity.was) for entity in found.entities) == sorted(VERDICTS, key=lambda v: v[0])
    assert read_records(tmp_path / "tasks.json", repairs=RepairLog()) == [Record(TEXT, RIGHT, "r1")]


def test_answered_prodigy_tasks_are_feedback_and_others_are_left_out(tmp_path):
    span = {"start": 1, "end": 3, "label": "STATE"}
    lines = [
        {"text": TEXT, "spans": [{**span, "score": 0.9}, {"start": 4, "end": 7, "label": "LOC"}], "answer": "accept"},
        {"text": TEXT, "spans": [span], "answer": "reject"},
        {"text": TEXT, "answer": "accept"},
    ]
    path = tmp_path / "reviewed.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    log = RepairLog()
    assert [len(record.entities) for record in read_records(path, repairs=log)] == [2, 0]
    assert dict(log.counts) == {"rejected_task": 1}
    first, second = read_feedback(path, LABELS)
    assert [entity.review for entity in first.entities] == ["accepted", "added"]
    assert (second.complete, second.entities) == (True, ())


def test_feedback_with_labels_of_another_model_is_refused(tmp_path):
    write_records([Record(TEXT, FOUND)], tmp_path / "x.jsonl", "doccano")
    with pytest.raises(DataError, match="the label 'STATE' is none of LOC"):
        read_feedback(tmp_path / "x.jsonl", LabelSet.of(["LOC", "X"]))


@pytest.mark.parametrize("name", WRITABLE)
def test_nothing_is_lost_when_the_records_break_off(tmp_path, name):
    def broken():
        yield Record("甲乙", (Span(0, 1, "A"),), "a")
        raise DataError("broken off")

    path = tmp_path / "out"
    if name != "brat":
        path.write_text("the old content", encoding="utf-8")
    with pytest.raises(DataError, match="broken off"):
        write_records(broken(), path, name)
    assert [file.name for file in tmp_path.iterdir()] == ([] if name == "brat" else ["out"])
    assert name == "brat" or path.read_text(encoding="utf-8") == "the old content"


def test_halves_of_characters_are_written_as_replacements(tmp_path, caplog):
    write_jsonl([Record("a\ud83d", (Span(0, 2, "X"),)), Record("b")], tmp_path / "x.jsonl")
    assert "lone_surrogate: 1 times" in caplog.text
    assert contents(read_records(tmp_path / "x.jsonl")) == [("a\ufffd", (Span(0, 2, "X"),)), ("b", ())]


def test_what_cannot_be_written_is_said(tmp_path):
    record = [Record("甲乙", (Span(0, 1, "Adversary States"),), "a")]
    with pytest.raises(DataError, match="can only be read; these can be written: jsonl"):
        write_records(record, tmp_path / "x", "cmeee")
    with pytest.raises(DataError, match="brat's labels hold no spaces: rename 'Adversary States'"):
        write_records(record, tmp_path / "x", "brat")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").touch()
    with pytest.raises(DataError, match="exists already"):
        write_records(record, tmp_path / "full", "brat")
    with pytest.raises(OutputError, match="it is a folder"):
        write_records(record, tmp_path / "full", "jsonl")
    write_jsonl(record, tmp_path / "a.jsonl")
    with pytest.raises(DataError, match="is the source itself"):
        convert(tmp_path / "a.jsonl", tmp_path / "a.jsonl", "conll")
