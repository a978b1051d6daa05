"""Uploaded files, downloads, and the texts that are analyzed at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hybridner.space.errors import VisitorError
from hybridner.space.limits import Limits, check_text
from hybridner.space.session_files import new_session_file
from hybridner.space.texts import LANGUAGES, page_texts
from hybridner.space.uploads import UploadedText, decode, read_uploaded_reviews, read_uploaded_texts
from hybridner.spans import LabelSet

SMALL = Limits(characters=10, file_bytes=200, file_texts=3, file_characters=20)


def reason(error: pytest.ExceptionInfo[VisitorError]) -> str:
    """Why, after making sure that both languages can say it."""
    for language in LANGUAGES:
        assert page_texts(language)(f"problems.{error.value.key}", **error.value.values)
    return error.value.key


def texts_of(path: Path) -> list[str]:
    return [one.text for one in read_uploaded_texts(path, SMALL)]


def written(folder: Path, content: str | bytes, name: str = "texts.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_lines_are_texts_in_the_encodings_people_have(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "俄罗斯\r\n\n 北约 \n".encode(encoding))
    assert texts_of(path) == ["俄罗斯", " 北约 "]


def test_separators_inside_a_line_do_not_cut_it(tmp_path: Path) -> None:
    assert texts_of(written(tmp_path, "甲\u2028乙\x0b丙\n丁")) == ["甲\u2028乙\x0b丙", "丁"]


def test_json_lines_are_read(tmp_path: Path) -> None:
    assert texts_of(written(tmp_path, '{"text": "俄罗斯"}\n{"text": " "}\n', "a.JSONL")) == ["俄罗斯"]


@pytest.mark.parametrize(
    "content",
    [
        '{"text": "俄罗斯"}\n{"text": "北约"}',
        '[{"text": "俄罗斯"}, {"text": "北约"}]',
        '{"data": [\n {"text": "俄罗斯", "label": {}},\n {"text": "北约"}\n]}',
    ],
)
def test_json_is_read_however_it_is_arranged(tmp_path: Path, content: str) -> None:
    assert texts_of(written(tmp_path, content, "a.json")) == ["俄罗斯", "北约"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_ids_are_kept_and_suggestions_known(tmp_path: Path, name: str) -> None:
    suggested = '{"id": 7, "text": "甲", "entities": [{"start": 0, "end": 1, "label": "A", "uncertainty": 0.4}]}'
    lines = [suggested, '{"id": "x-1", "text": "乙"}', '{"id": true, "text": "丙"}']
    path = written(tmp_path, "\n".join(lines), name)
    assert read_uploaded_texts(path, SMALL) == [UploadedText("甲", "7", True), UploadedText("乙", "x-1"), UploadedText("丙")]


def test_reviews_in_a_file_are_found(tmp_path: Path) -> None:
    labels = LabelSet.of(["LOC"])
    judged = '{"text": "北京", "complete": true, "entities": [{"start": 0, "end": 2, "label": "LOC", "review": "accepted"}]}'
    (review,) = read_uploaded_reviews(written(tmp_path, judged, "a.jsonl"), labels)
    assert (review.text, review.complete, review.entities[0].review) == ("北京", True, "accepted")
    assert read_uploaded_reviews(written(tmp_path, '{"text": "北京"}', "b.jsonl"), labels) == []
    assert read_uploaded_reviews(written(tmp_path, "北京"), labels) == []
    with pytest.raises(VisitorError) as error:
        read_uploaded_reviews(written(tmp_path, judged.replace("LOC", "PER"), "c.jsonl"), labels)
    assert reason(error) == "bad_review"


def test_halves_of_characters_are_replaced(tmp_path: Path) -> None:
    for name in ("a.json", "a.jsonl"):
        assert texts_of(written(tmp_path, '{"text": "北\\ud83d约"}', name)) == ["北\ufffd约"]


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ("", "a.txt", "empty_file"),
        ('{"text": 1}', "a.json", "bad_json"),
        ("甲", "a.docx", "file_type"),
        ("甲", "nothing", "file_type"),
        ("x" * 201, "a.txt", "big_file"),
        ("甲\n乙\n丙\n丁", "a.txt", "many_texts"),
        ("甲" * 10 + "\n" + "乙" * 10 + "\n丙", "a.txt", "many_characters"),
        ("甲\n" + "乙" * 11, "a.txt", "long_line"),
        (b"\x80\xff\x00", "a.txt", "unreadable_file"),
        (b"a\0b", "a.txt", "unreadable_file"),
        ('{"text": 1}', "a.jsonl", "bad_json_line"),
        ("[" * 150, "a.jsonl", "bad_json_line"),
        ('["text"]', "a.jsonl", "bad_json_line"),
        ("{}", "a.jsonl", "bad_json_line"),
    ],
)
def test_files_beyond_the_limits_are_refused(tmp_path: Path, content: str | bytes, name: str, expected: str) -> None:
    with pytest.raises(VisitorError) as error:
        read_uploaded_texts(written(tmp_path, content, name), SMALL)
    assert reason(error) == expected


def test_no_file_is_told() -> None:
    with pytest.raises(VisitorError) as error:
        read_uploaded_texts(None, SMALL)
    assert reason(error) == "no_file"


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(VisitorError, match="Line 2 "):
        read_uploaded_texts(written(tmp_path, '{"text": "a"}\nnothing', "a.jsonl"), SMALL)


def test_a_byte_order_mark_is_no_character() -> None:
    assert decode("\ufeff甲".encode()) == "甲"


def test_results_have_unguessable_names_and_old_ones_go(tmp_path: Path) -> None:
    def result(name: str) -> Path:
        path = new_session_file(tmp_path, name, 60)
        path.write_text(name)
        return path

    old, young = result("entities.jsonl"), result("feedback.jsonl")
    os.utime(old, (0, 0))
    new = result("entities.jsonl")
    assert not old.parent.exists()
    assert (young.read_text(), new.read_text()) == ("feedback.jsonl", "entities.jsonl")
    assert len({old.parent.name, young.parent.name, new.parent.name}) == 3


@pytest.mark.parametrize(
    ("text", "expected"), [("", "empty_text"), (" \n", "empty_text"), (None, "empty_text"), ("甲" * 11, "long_text")]
)
def test_texts_that_are_not_read(text: object, expected: str) -> None:
    with pytest.raises(VisitorError) as error:
        check_text(text, SMALL)
    assert reason(error) == expected


def test_a_text_of_just_the_limit_is_read() -> None:
    assert check_text("甲" * 10, SMALL) == "甲" * 10
