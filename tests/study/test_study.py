"""From stored predictions and recorded answers to the tables, by the two commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hybridner.cli.main import main
from hybridner.ensemble import Predictions
from hybridner.errors import DataError
from hybridner.evaluation import Run, score_spans
from hybridner.evaluation.runs import CEILING
from hybridner.study import Study, find_turns, hybrid_runs, members_run, read_answers, read_extractions
from hybridner.study.hybrid import LLM_ALONE
from tests.support.predictions import made_up_predictions

QUALITY = (0.6, 0.55, 0.5, 0.6)
STUDY = """\
encoder: made-up
sets:
  small: {data: Small, split: dev}
  other: {data: Other, split: test, answered: 60}
caveats: [The LLM may have read these texts.]
"""


def predictions(count: int, seed: int) -> Predictions:
    """With a text of its own for each record, as answers are found by text."""
    made = made_up_predictions(count, QUALITY, seed=seed)
    records = tuple(replace(record, text=f"甲乙丙丁戊己{row}") for row, record in enumerate(made.records))
    return replace(made, records=records)


def wrong(label: str) -> str:
    return "PER" if label != "PER" else "LOC"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets: one with folds and two seeds, one with fresh sentences; and an LLM that is always right about every candidate
    of `small`, and always wrong about those of `other`."""
    path = tmp_path_factory.mktemp("study")
    (path / "study.yaml").write_text(STUDY, encoding="utf-8")
    for seed in (1, 2):
        predictions(90, 100).save(path / f"small-{seed}-test.parquet")
        for fold in range(2):
            predictions(120, 10 * seed + fold).save(path / f"small-{seed}-fold{fold}.parquet")
    predictions(90, 101).save(path / "other-1-test.parquet")
    predictions(120, 31).save(path / "other-1-fresh.parquet")
    predictions(30, 32).save(path / "other-1-dev.parquet")
    report = {"records": {"train": 800, "dev": 9}, "device": "A card", "versions": {"torch": "2"}, "seconds": 1.0}
    (path / "training.json").write_text(json.dumps({"small-1": {"a": report}, "small-2": {"a": report}}), encoding="utf-8")
    answers, extractions = [], []
    for name, right in (("small", True), ("other", False)):
        test = Predictions.load(path / f"{name}-1-test.parquet")
        for (row, start, end), gold in zip(test.ballot.spans.tolist(), test.gold.tolist(), strict=True):
            label = test.labels[gold] if right else wrong(test.labels[gold])
            answer = "Non-Entity" if label == "O" else label
            text = test.records[row].text
            answers.append({"set": name, "seed": 1, "text": text, "start": start, "end": end, "answer": answer, "more": 1})
        for record in test.records[:40]:
            entities = [span._asdict() for span in record.entities]
            extractions.append({"set": name, "split": "test", "text": record.text, "entities": entities})
        extractions.append({"set": name, "split": "train", "text": test.records[80].text, "entities": []})
    for file, lines in (("answers.jsonl", answers), ("whole.jsonl", extractions)):
        (path / file).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def f1(run: Run, system: str) -> float:
    return score_spans(run.gold, run.systems[system]).micro.f1


def test_files_are_found_by_their_names(folder: Path) -> None:
    turns = find_turns(Study.load(folder / "study.yaml"), folder)
    assert [(turn.name, turn.seed) for turn in turns] == [("small", 1), ("small", 2), ("other", 1)]
    assert [path.name for path in turns[0].fitting_parts] == ["small-1-fold0.parquet", "small-1-fold1.parquet"]
    assert [path.name for path in turns[2].fitting_parts] == ["other-1-fresh.parquet"]
    small, other = turns[0].metadata(), turns[2].metadata()
    assert (small.data, small.split, small.train_size, small.hardware) == ("Small", "dev", 800, "A card")
    assert small.fitted_on == "240 out-of-fold training sentences"
    assert other.fitted_on == "120 dev sentences that early stopping did not read"
    assert (other.train_size, other.hardware) == (None, "unknown")
    about = replace(turns[2].test, about={"records": {"train": 700}})
    about.save(folder / "other-1-test.parquet")
    (*_, again) = find_turns(Study.load(folder / "study.yaml"), folder)
    assert again.metadata().train_size == 700


def test_a_digest_changes_with_what_a_run_depends_on(folder: Path, tmp_path: Path) -> None:
    study = Study.load(folder / "study.yaml")
    (turn, *_) = find_turns(study, folder)
    (again, *_) = find_turns(study, folder)
    assert turn.digest() == again.digest()
    assert len({turn.digest(), turn.digest("svm"), replace(turn, study=Study(encoder="b", sets=study.sets)).digest()}) == 3


def test_members_and_combiners_of_a_turn(folder: Path) -> None:
    (turn, *_) = find_turns(Study.load(folder / "study.yaml"), folder)
    run = members_run(turn)
    assert {"a", "spanner", "strategy:majority", "strategy:class_f1", "strategy:score", "strategy:pool"} < set(run.systems)
    assert run.gold == tuple(record.entities for record in turn.test.records)
    assert run.documents is not None
    assert len(set(run.documents)) == 30


def test_answers_that_are_right_or_wrong(folder: Path) -> None:
    answers, whole = read_answers(folder / "answers.jsonl"), read_extractions(folder / "whole.jsonl")
    small, _, other = find_turns(Study.load(folder / "study.yaml"), folder)
    everywhere, sample = hybrid_runs(small, answers["small", 1], whole["small"])
    assert f1(everywhere, "hybrid:pool, replace") == f1(everywhere, "hybrid:score, replace") == f1(everywhere, CEILING) == 1.0
    assert f1(everywhere, "hybrid:pool, bayes") > f1(everywhere, "strategy:pool") + 0.1
    assert (sample.about.split, f1(sample, LLM_ALONE), len(sample.gold)) == ("dev, sample of 40", 1.0, 40)
    misled, _ = hybrid_runs(other, answers["other", 1], whole["other"])
    assert (misled.about.split, len(misled.gold)) == ("test, first 60", 60)
    assert f1(misled, "hybrid:pool, replace") == 0.0
    # An LLM that is never right is as good as one that always is, once its confusion matrix is known.
    assert f1(misled, "hybrid:pool, bayes") > f1(misled, "strategy:pool")


def test_no_record_is_judged_by_a_matrix_that_has_seen_its_document(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridner.study import hybrid

    (turn, *_) = find_turns(Study.load(folder / "study.yaml"), folder)
    found = [{0: (row, row)} for row in range(len(turn.test))]
    monkeypatch.setattr(hybrid, "_pairs", lambda test, found, rows: [rows])
    monkeypatch.setattr(hybrid.ConfusionMatrix, "fit", lambda pairs, labels: pairs[0].tolist())
    for row, fitted_on in enumerate(hybrid._matrices(turn.test, found)):
        mine = turn.test.records[row].group
        assert mine not in {turn.test.records[other].group for other in fitted_on}  # type: ignore[attr-defined]
        assert len(fitted_on) > len(turn.test) / 2  # type: ignore[arg-type]


def test_the_commands(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    given = [str(folder / "study.yaml"), "--predictions", str(folder)]
    assert main(["report", "members", *given, "--stacker", "forest", "--output", str(tmp_path / "members")]) == 0
    text = (tmp_path / "members" / "comparison.md").read_text(encoding="utf-8")
    assert "`forest`" in text
    assert "seeds 1, 2" in text
    assert "n = 90 of 30 documents" in text
    assert "may have read" not in text
    kept = sorted((tmp_path / "members" / "runs").iterdir())
    assert len(kept) == 3
    times = [path.stat().st_mtime_ns for path in kept]
    assert main(["report", "members", *given, "--stacker", "forest", "--output", str(tmp_path / "members")]) == 0
    assert [path.stat().st_mtime_ns for path in kept] == times
    files = ["--answers", str(folder / "answers.jsonl"), "--extractions", str(folder / "whole.jsonl")]
    assert main(["report", "hybrid", *given, *files, "--output", str(tmp_path / "hybrid")]) == 0
    text = (tmp_path / "hybrid" / "comparison.md").read_text(encoding="utf-8")
    assert "**The LLM may have read these texts.**" in text
    assert "ceiling: every answer right" in text
    assert "pool, bayes (LLM)" in text


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "is no JSON"),
        ('{"set": "small", "seed": 1, "text": "a", "start": -1, "end": 2, "answer": "LOC"}', "start"),
        ('{"set": "small", "text": "a", "start": 0, "end": 2, "answer": "LOC"}', "seed: missing"),
        ('["small"]', "expected a mapping"),
    ],
)
def test_answers_that_cannot_be_read_say_where(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=problem) as error:
        read_answers(path)
    assert "line 2" in str(error.value)


def test_answers_that_do_not_belong(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (turn, *_) = find_turns(Study.load(folder / "study.yaml"), folder)
    line = {"set": "small", "seed": 1, "text": "elsewhere", "start": 0, "end": 2, "answer": "LOC"}
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="about no candidate"):
        hybrid_runs(turn, read_answers(path)["small", 1])
    path.write_text(json.dumps({**line, "answer": "LOCATION"}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="labels that the predictions do not have: LOCATION"):
        hybrid_runs(turn, read_answers(path)["small", 1])
    path.write_text(json.dumps({**line, "seed": 7}) + "\n", encoding="utf-8")
    given = ["report", "hybrid", str(folder / "study.yaml"), "--predictions", str(folder), "--output", str(tmp_path / "out")]
    assert main([*given, "--answers", str(path)]) == 1
    assert "small-7" in capsys.readouterr().err
    assert main(given) == 1
    assert "--answers" in capsys.readouterr().err


def test_fitting_parts_go_with_the_test_part(folder: Path, tmp_path: Path) -> None:
    predictions(90, 100).save(tmp_path / "small-1-test.parquet")
    study, path = Study.load(folder / "study.yaml"), tmp_path / "small-1-fold0.parquet"
    predictions(60, 1).reorder_labels(("O", "PER", "ORG", "LOC")).save(path)
    (turn,) = find_turns(study, tmp_path)
    assert turn.fitting.labels == turn.test.labels
    np.testing.assert_array_equal(turn.fitting.gold, predictions(60, 1).gold)
    replace(predictions(60, 1), members=("a", "b", "c", "d")).save(path)
    (turn,) = find_turns(study, tmp_path)
    with pytest.raises(DataError, match="do not go with"):
        _ = turn.fitting


def test_studies_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no predictions of small, other"):
        find_turns(Study.load(folder / "study.yaml"), tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        find_turns(Study.load(folder / "study.yaml"), tmp_path / "nowhere")
    bad = tmp_path / "study.yaml"
    bad.write_text("encoder: a\nsets:\n  small: {data: Small, split: dev, decoding: flatt}\n", encoding="utf-8")
    with pytest.raises(DataError, match="did you mean 'flat'"):
        Study.load(bad)
    bad.write_text("encoder: [", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as YAML"):
        Study.load(bad)
