"""`hybridner guidelines`: files, out-of-fold errors, and an LLM that puts them in better words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hybridner import HybridNerModel
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.ensemble import DecisionSettings, decide_predictions, select_entities
from hybridner.guidelines import find_habits, polish, write_guidelines
from hybridner.guidelines.polish import find_problem
from hybridner.hybrid import predict_records
from hybridner.llm import load_guidelines
from hybridner.spans import Span
from tests.guidelines.test_habits import first_only
from tests.llm.scripted_server import chat, verifier
from tests.support.tiny import small_records

NAMES = ("PER", "TIME")


def test_errors_out_of_fold_are_counted(composite: HybridNerModel) -> None:
    records = small_records()
    predictions = predict_records(composite, records)
    whole = find_habits(predictions)
    assert whole.out_of_fold
    found = {label.label: label for label in whole.labels}
    spurious = sum(count for label in whole.labels for _, count in label.false_starts)
    assert spurious > 0, "random weights call anything an entity"
    for label in found.values():
        for (wrong, right), _ in label.corrections:
            assert wrong != right
            assert right in {r.text[s.start : s.end] for r in records for s in r.entities if s.label == label.label}
    # Where what members say counts as right, there is no error.
    rows = decide_predictions(predictions, DecisionSettings())
    agreed = tuple(
        replace(record, entities=tuple(Span(c.start, c.end, c.label) for c in select_entities(row)))
        for record, row in zip(records, rows, strict=True)
    )
    for label in find_habits(replace(predictions, records=agreed)).labels:
        assert (label.false_starts, label.corrections, label.confused) == ((), (), ())


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_the_command(form: str, composite: HybridNerModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, output = tmp_path / f"data.{form}", tmp_path / "new" / "guidelines.txt"
    if form == "jsonl":
        write_jsonl(small_records(), data)
    else:
        predict_records(composite, small_records()).save(data)
    assert main(["guidelines", str(data), "--output", str(output)]) == 0
    assert "48 entities of 24 texts" in capsys.readouterr().out
    assert "Place：24 处" in load_guidelines(output, "zh")
    assert "Place: 24 entities" in load_guidelines(output, "en")


def test_a_plan_of_polishing_asks_nothing_and_writes_nothing(
    serve: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict] = []

    def answers(body: dict, number: int) -> object:
        asked.append(body)
        return chat("PER")

    monkeypatch.setenv("OPENAI_API_KEY", "none")
    write_jsonl(small_records(), tmp_path / "data.jsonl")
    (tmp_path / "llm.yaml").write_text(f"verifier: {{model: some-model, base_url: '{serve(answers).url}'}}\n")
    command = ["guidelines", str(tmp_path / "data.jsonl"), "--output", str(tmp_path / "guidelines.txt"), "--dry-run"]
    assert main([*command, "--polish", str(tmp_path / "llm.yaml")]) == 0
    assert re.fullmatch(r"2 calls, about [\d,]+ tokens in and at most [\d,]+ out, price unknown\n", capsys.readouterr().out)
    assert not asked
    assert not (tmp_path / "guidelines.txt").exists()
    assert main(command) == 1
    assert "give one with --polish" in capsys.readouterr().err


def test_polishing_keeps_what_is_right_and_refuses_what_is_made_up(serve: Callable, refused: str) -> None:
    text = write_guidelines(find_habits(first_only()))
    good = "PER\n- 职务不标入（12）。\nTIME\n- 只标到年（12）。"

    def answers(body: dict, number: int) -> object:
        return chat(good if "归纳" in body["messages"][0]["content"] else "PER and TIME: “new words”.")

    with pytest.warns(UserWarning, match=r"\[en\] stays as it was counted: the LLM made up the example 'new words'"):
        polished = polish(text, NAMES, verifier(serve(answers)))
    assert f"[zh]\n{good}\n" in polished
    assert polished.split("[en]")[1].strip() == text.split("[en]")[1].strip()
    assert polished.startswith("# ")
    with pytest.warns(UserWarning, match="stays as it was counted"):
        assert polish(text, NAMES, verifier(refused, max_retries=0)).split() == text.split()


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        ("PER：不标“部长”（12）。", "left out TIME"),
        ("PER TIME “局长”", "example '局长'"),
        ("PER TIME 13", "number '13'"),
        ("# PER TIME", "lines that begin with"),
        ("PER TIME “部长” 12", ""),
    ],
)
def test_problems_of_polished_text(after: str, problem: str) -> None:
    assert problem in find_problem("PER：“部长”12。TIME：12。", after, NAMES)
    assert bool(find_problem("PER：“部长”12。TIME：12。", after, NAMES)) == bool(problem)
