"""An LLM's reliability, learned from a file of its answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModel

from hybridner import HybridNerModel
from hybridner.calibration.answers import learn_from_file
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.errors import DataError
from tests.support.tiny import small_records


def write_answers(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def the_answers() -> list[dict]:
    """Of each record: its first entity rightly, its second one missed, and a span that is none taken for one."""
    rows = []
    for record in small_records():
        first, second = record.entities
        rows += [
            {"text": record.text, "start": first.start, "end": first.end, "answer": first.label, "kind": "entity"},
            {"text": record.text, "start": second.start, "end": second.end, "answer": "Non-Entity", "kind": "lost"},
            {"text": record.text, "start": 0, "end": 1, "answer": "Place", "kind": "near_miss"},
        ]
    return [*rows, {"text": "别的文字", "start": 0, "end": 1, "answer": "Place"}]


def test_accuracy_by_kind_and_label(composite: HybridNerModel, tmp_path: Path) -> None:
    path = write_answers(tmp_path / "answers.jsonl", the_answers())
    try:
        report = learn_from_file(composite, path, small_records(), "some-llm")
        known = composite.config.llm_answers
    finally:
        composite.config.llm_answers = None
    assert report["answers"] == 72
    assert report["accuracy"] == pytest.approx(1 / 3)
    assert report["kind"] == {"entity": 1.0, "lost": 0.0, "near_miss": 0.0}
    assert report["label"] == {"O": 0.0, "Place": 0.0, "State": 1.0}
    assert known == {"some-llm": [["O", "Place", 24], ["Place", "O", 24], ["State", "State", 24]]}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"text": "a"}, "line 1"),
        ({"text": small_records()[0].text, "start": 0, "end": 1, "answer": "Ship"}, "Ship"),
        ({"text": "别的", "start": 0, "end": 1, "answer": "Place"}, "same texts"),
        ({"text": "别的", "start": "0", "end": 1, "answer": "Place"}, "whole numbers"),
    ],
)
def test_what_is_wrong_is_said(composite: HybridNerModel, tmp_path: Path, row: dict, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        learn_from_file(composite, write_answers(tmp_path / "answers.jsonl", [row]), small_records(), "some-llm")


def test_the_command_learns_them(composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(small_records(), tmp_path / "dev.jsonl")
    answers = write_answers(tmp_path / "answers.jsonl", the_answers())
    command = ["calibrate", str(composite_folder), str(tmp_path / "dev.jsonl"), "--output", str(tmp_path / "out")]
    assert main([*command, "--answers", answers, "--answers-of", "some-llm"]) == 0
    assert "some-llm: 72 answers, 33.3 %" in capsys.readouterr().out
    assert list(AutoModel.from_pretrained(tmp_path / "out").config.llm_answers) == ["some-llm"]
    assert main([*command, "--answers", answers]) != 0
