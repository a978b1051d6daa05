from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from transformers import AutoModel, pipeline

from hybridner.cli.main import SUMMARIES, main
from hybridner.data import write_jsonl
from hybridner.evaluation.systems import SEQUENCE_VOTE
from hybridner.llm import AnswerCache, Budget, ConfusionMatrix
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import Record, Span
from tests.llm.scripted_server import KEY, ScriptedServer, chat
from tests.support.near import assert_same
from tests.support.patience import PATIENCE
from tests.support.tiny import TEXT, small_records, tiny_member


@pytest.fixture(scope="module")
def model(composite_folder: Path) -> str:
    return str(composite_folder)


@pytest.fixture
def gold(tmp_path: Path) -> str:
    path = tmp_path / "gold.jsonl"
    write_jsonl(small_records(), path)
    return str(path)


@pytest.mark.parametrize("command", SUMMARIES)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: hybridner {command}" in shown
    assert f"  hybridner {command}" in shown.partition("example")[2], "an example"


def test_predict_writes_json_lines(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", model, TEXT, "", "--json", "--device", "cpu"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == {"text": TEXT, "entities": pipeline("hybrid-ner", model=model, device="cpu")(TEXT)}
    assert second == {"text": "", "entities": []}


def test_predict_reads_files_and_standard_input(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("俄罗斯\r\n叙利亚\n", encoding="utf-8", newline="")
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "两\n行"}) + "\n", encoding="utf-8")
    files = ["--file", str(tmp_path / "a.txt"), "--file", str(tmp_path / "b.jsonl")]
    assert main(["predict", model, "--json", *files]) == 0
    texts = [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()]
    assert texts == ["俄罗斯", "叙利亚", "两\n行"]
    monkeypatch.setattr("sys.stdin", io.StringIO("北约\n"))
    assert main(["predict", model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "北约"


def test_predict_shows_entities_to_people(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", model, TEXT, "--threshold", "0"]) == 0
    shown = capsys.readouterr().out
    for entity in pipeline("hybrid-ner", model=model, device="cpu")(TEXT):
        assert f"{entity['entity_group']}  [{entity['start']}, {entity['end']})" in shown
    assert "needs review" in shown


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = ScriptedServer(lambda body, number: chat("State"))
    yield running
    running.stop()


def test_predict_asks_an_llm_about_doubtful_spans(
    model: str, server: ScriptedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["O", "State", "System", "Place"]
    rows = [[0.91 if row == column else 0.03 for column in names] for row in names]
    settings = {"kinds": ["entity"], "spans_per_call": 1, "budget": {"calls": 4}, "confusion": {"labels": names, "rows": rows}}
    verifier = {"model": "some-model", "base_url": server.url, "timeout": PATIENCE, "max_retries": 0}
    (tmp_path / "llm.yaml").write_text(yaml.safe_dump({"verifier": verifier, "settings": settings}))
    (tmp_path / "texts.txt").write_text(f"{TEXT}\n{TEXT[6:30]}\n", encoding="utf-8")
    arguments = ["predict", model, "--file", str(tmp_path / "texts.txt"), "--threshold", "0.6", "--device", "cpu"]
    arguments += ["--llm", str(tmp_path / "llm.yaml"), "--llm-cache", str(tmp_path / "answers.sqlite")]
    assert main([*arguments, "--json"]) == 0
    shown = capsys.readouterr()
    assert "4 calls" in shown.err
    assert len(server.requests) == 4
    lines = [json.loads(line) for line in shown.out.splitlines()]
    settings = {
        "kinds": ("entity",),
        "spans_per_call": 1,
        "budget": Budget(calls=0),
        "confusion": ConfusionMatrix(tuple(names), tuple(map(tuple, rows))),
    }
    cache = AnswerCache(tmp_path / "answers.sqlite")
    pipe = pipeline("hybrid-ner", model=model, device="cpu", threshold=0.6)
    expected = pipe([line["text"] for line in lines], llm=verifier, llm_settings=settings, llm_cache=cache)
    cache.close()
    kept = [{name: e[name] for name in e if name != "llm_status"} for line in lines for e in line["entities"]]
    assert_same(kept, [{name: e[name] for name in e if name != "llm_status"} for found in expected for e in found])
    assert [e["llm_status"] for line in lines for e in line["entities"]].count("asked") > 0
    assert any(e["source"] == "llm" for line in lines for e in line["entities"])
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "decided by the LLM" in shown.out
    assert len(server.requests) == 8, "what was answered is kept, and the budget is that of each run"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read as YAML"),
        ("verifier: {", "cannot be read as YAML"),
        ("model: some-model", "expected `verifier`"),
        ("{verifier: {model: x}, threshold: 0.3}", "expected `verifier`"),
        ("{verifier: {model: x, api_key: secret}}", "OPENAI_API_KEY"),
        ("{verifier: {model: x}, settings: [bayes]}", "`settings` must be a mapping"),
        ("{verifier: [x]}", "`verifier` must be a model's name or a mapping"),
        ("{verifier: {model: x}, examples: [a]}", "`examples` must be a file that `hybridner examples` made"),
        ("{verifier: {model: x}, examples: no-such-file.parquet}", "no-such-file.parquet"),
        ("{verifier: {model: x}, settings: {budget: {euros: 3}}}", "euros: unknown key"),
        ("{verifier: {model: x}, settings: {confusion: {rows: 3}}}", "a confusion matrix has"),
        ("{verifier: {model: x}, settings: {fusion: mix}}", "fusion: expected"),
    ],
)
@pytest.mark.parametrize("command", [["predict", "MODEL", TEXT], ["annotate", "MODEL", "FILE", "--output", "OUT"]])
def test_what_is_wrong_with_an_llm_is_said(
    command: list[str],
    content: str | None,
    problem: str,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    if content is not None:
        (tmp_path / "llm.yaml").write_text(content)
    known = {"MODEL": model, "FILE": str(tmp_path / "a.txt"), "OUT": str(tmp_path / "out")}
    assert main([*(known.get(word, word) for word in command), "--llm", str(tmp_path / "llm.yaml")]) == 1
    shown = capsys.readouterr()
    assert problem in shown.err
    assert "secret" not in shown.err


def test_a_cache_without_an_llm_is_a_mistake(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", model, TEXT, "--llm-cache", "answers.sqlite"]) == 1
    assert "give --llm as well" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["predict", "/no/such/model", "x"], "cannot load a model from '/no/such/model'"),
        (["predict", "MODEL", "--file", "/no/such/file"], "/no/such/file: no such file"),
        (["predict", "MODEL", "x", "--threshold", "7"], "from 0 to 1"),
        (["predict", "MODEL", "--file", "BAD"], "BAD.*line 2: .*the fields texte but no `text`"),
        (["evaluate", "MODEL", "/no/such/file"], "/no/such/file"),
        (["assemble", "MODEL", "--output", "OUT"], "not a member"),
        (["train", "/no/such/recipe.yaml"], "cannot read the recipe"),
        (["train", "RECIPE", "--set", "epochs"], "KEY=VALUE"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], problem: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "BAD.jsonl").write_text('{"text": "好"}\n{"texte": "坏"}\n', encoding="utf-8")
    known = {"MODEL": model, "OUT": str(tmp_path / "out"), "BAD": str(tmp_path / "BAD.jsonl"), "RECIPE": "recipes/cluener.yaml"}
    assert main([known.get(argument, argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("hybridner: error: ")
    assert error.count("\n") <= 2
    import re

    assert re.search(problem, error.replace("\n", " "))


def test_evaluate_agrees_with_the_pipeline(model: str, gold: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", model, gold, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["systems"]) == {*MEMBER_CLASSES, "strategy:score", "strategy:majority", "strategy:mean", SEQUENCE_VOTE}
    records = small_records()
    predicted = pipeline("hybrid-ner", model=model, device="cpu")([record.text for record in records])
    correct = sum(
        Span(e["start"], e["end"], e["entity_group"]) in record.entities
        for record, entities in zip(records, predicted, strict=True)
        for e in entities
    )
    micro = report["systems"]["strategy:score"]["micro"]
    assert micro["correct"] == correct
    assert micro["predicted"] == sum(map(len, predicted))
    assert micro["gold"] == sum(len(record.entities) for record in records)


def test_evaluate_shows_tables(model: str, gold: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", model, gold, "--strategy", "majority"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*MEMBER_CLASSES, "score", "majority", "micro", "macro", "Place"))


def test_assemble_makes_a_composite_of_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("bert-bilstm-crf", "spanner"):
        tiny_member(name).save_pretrained(tmp_path / name)
    output = str(tmp_path / "composite")
    arguments = ["assemble", str(tmp_path / "spanner"), f"tagger={tmp_path / 'bert-bilstm-crf'}", "--output", output]
    assert main([*arguments, "--strategy", "majority", "--threshold", "0.2"]) == 0
    assert "spanner, tagger" in capsys.readouterr().out
    composite = AutoModel.from_pretrained(output)
    assert composite.member_names == ("spanner", "tagger")
    assert (composite.config.strategy, composite.config.threshold) == ("majority", 0.2)
    assert main(["assemble", str(tmp_path / "spanner"), str(tmp_path / "spanner"), "--output", output]) == 1


def test_members_of_a_perfect_world_score_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Gold made of a model's own predictions: the figures have to come out as 1."""
    tiny_member("bert-bilstm-crf").save_pretrained(tmp_path / "member")
    pipe = pipeline("hybrid-ner", model=str(tmp_path / "member"), device="cpu")
    spans = tuple(sorted(Span(e["start"], e["end"], e["entity_group"]) for e in pipe(TEXT)))
    write_jsonl([Record(TEXT, spans, "0")], tmp_path / "gold.jsonl")
    assert main(["evaluate", str(tmp_path / "member"), str(tmp_path / "gold.jsonl"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["systems"]["bert-bilstm-crf"]["micro"]["f1"] == 1.0


def test_the_reader_of_our_output_may_leave(model: str) -> None:
    command = f"yes 俄罗斯在叙利亚 | head -400 | {sys.executable} -m hybridner predict {model} --json | head -1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert json.loads(result.stdout)["text"] == "俄罗斯在叙利亚"
    assert "Traceback" not in result.stderr
