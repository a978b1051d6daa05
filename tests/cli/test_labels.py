"""`--labels`: an LLM alone finds entities, in `predict` and `annotate`; a real HTTP server on loopback is the LLM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridner.cli.main import main
from hybridner.data import read_records
from tests.llm.scripted_server import KEY, Reply, ScriptedServer, chat, problem
from tests.support.annotation import rejects, rows
from tests.support.patience import PATIENCE

TEXTS = ["俄罗斯在叙利亚部署了干扰机。", "北约的干扰机失灵。", "这句话没有实体。"]
FOUND = [[(0, 3, "国家"), (10, 13, "武器")], [(3, 6, "武器")], []]

pytestmark = pytest.mark.filterwarnings("ignore:.*were not answered in whole")


def reply(body: dict[str, Any]) -> Reply:
    return chat("国家: 俄罗斯\n武器: 干扰机" if "干扰机" in body["messages"][-1]["content"] else "非实体")


class Llm:
    """A server, and the files that describe it."""

    def __init__(self, folder: Path) -> None:
        self.answer: Callable[[dict[str, Any]], Reply] = reply
        self.server = ScriptedServer(lambda body, _: self.answer(body))
        self.labels, self.texts, self.file = (str(folder / name) for name in ("labels.yaml", "texts.txt", "llm.yaml"))
        Path(self.labels).write_text("labels: [{name: 国家, description: 有主权的国家}, 武器]\n", encoding="utf-8")
        Path(self.texts).write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
        self.describe()

    def describe(self, **settings: Any) -> None:
        verifier = {"model": "some-model", "base_url": self.server.url, "max_retries": 0, "concurrency": 1, "timeout": PATIENCE}
        content = {"verifier": verifier, "settings": {"template": "zh", **settings}}
        Path(self.file).write_text(yaml.safe_dump(content), encoding="utf-8")

    @property
    def asked(self) -> int:
        return len(self.server.requests)


@pytest.fixture
def llm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Llm]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Llm(tmp_path)
    yield running
    running.server.stop()


def places(entities: list[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return [(e["start"], e["end"], e.get("entity_group") or e["label"]) for e in entities]


def test_predict_with_labels_alone(llm: Llm, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["predict", "--labels", llm.labels, "--llm", llm.file]
    assert main([*arguments, "--file", llm.texts, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("3 sentences in 3 calls")
    assert llm.asked == 0
    assert main([*arguments, "--file", llm.texts, "--json"]) == 0
    shown = capsys.readouterr()
    lines = [json.loads(line) for line in shown.out.splitlines()]
    assert [line["text"] for line in lines] == TEXTS
    assert [places(line["entities"]) for line in lines] == FOUND
    assert "3 texts, 3 calls" in shown.err
    assert "left out: 1 entities that are not in their text" in shown.err
    # Without a model the first argument is a text as well.
    assert main([*arguments, "--json", TEXTS[1], TEXTS[0]]) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == [TEXTS[1], TEXTS[0]]
    assert main([*arguments, TEXTS[1]]) == 0
    assert "干扰机  武器  [3, 6)" in capsys.readouterr().out


def test_predict_tells_texts_that_were_not_answered(llm: Llm, capsys: pytest.CaptureFixture[str]) -> None:
    llm.answer = lambda body: problem(400, "too bold") if "北约" in body["messages"][-1]["content"] else reply(body)
    assert main(["predict", "--labels", llm.labels, "--llm", llm.file, "--file", llm.texts, "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [places(line["entities"]) for line in lines] == [FOUND[0], [], []]
    assert ["error" in line for line in lines] == [False, True, False]
    assert "too bold" in lines[1]["error"]


def test_annotate_with_labels_alone(llm: Llm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["annotate", "--labels", llm.labels, "--llm", llm.file, llm.texts, "--output", str(out)]
    arguments += ["--records-per-shard", "2"]
    assert main([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("3 calls")
    assert llm.asked == 0
    assert not out.exists()
    for _ in range(2):
        assert main(arguments) == 0
        assert "3 texts, 3 entities (0 to review), 0 records set aside" in capsys.readouterr().out
        assert llm.asked == 3, "what is done is not asked about again"
    assert [places(row["entities"]) for row in rows(out)] == FOUND
    assert [record.text for path in sorted(out.glob("data/*")) for record in read_records(path)] == TEXTS
    assert main([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("0 calls")
    Path(llm.labels).write_text("labels: [国家]\n", encoding="utf-8")
    assert main(arguments) == 1
    assert "this folder holds another job: job.labels" in capsys.readouterr().err


def test_annotate_goes_on_with_a_larger_budget(llm: Llm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["annotate", "--labels", llm.labels, "--llm", llm.file, llm.texts, "--output", str(out)]
    llm.describe(budget={"calls": 2})
    assert main([*arguments, "--dry-run"]) == 0
    assert "2 calls" in (shown := capsys.readouterr().out)
    assert "1 spans or pieces of text over budget" in shown
    assert main(arguments) == 1
    assert "1 of the next 3 texts were not answered: not asked: the budget is used up" in (shown := capsys.readouterr().err)
    assert "with a larger `budget`" in shown
    assert llm.asked == 2
    llm.describe(budget={"calls": 3})
    assert main([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("1 calls")
    assert main(arguments) == 0
    assert llm.asked == 3, "answers are kept"
    assert [places(row["entities"]) for row in rows(out)] == FOUND


def test_a_text_that_stands_there_twice_is_planned_and_asked_about_once(
    llm: Llm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(llm.texts).write_text("".join(f"{text}\n" for text in TEXTS * 2), encoding="utf-8")
    arguments = ["annotate", "--labels", llm.labels, "--llm", llm.file, llm.texts, "--output", str(tmp_path / "out")]
    arguments += ["--records-per-shard", "2"]
    assert main([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("3 calls")
    assert main(arguments) == 0
    assert llm.asked == 3
    assert [places(row["entities"]) for row in rows(tmp_path / "out")] == FOUND * 2


def test_annotate_keeps_what_was_read_of_an_answer_that_was_cut(
    llm: Llm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    llm.answer = lambda body: chat("国家: 俄罗斯\n武", "length")
    arguments = ["annotate", "--labels", llm.labels, "--llm", llm.file, llm.texts, "--output", str(tmp_path / "out")]
    with pytest.warns(UserWarning, match="not answered in whole: the answer was cut at the token limit"):
        assert main(arguments) == 0
    kept = rows(tmp_path / "out")
    assert [row["text"] for row in kept] == [text for text in TEXTS if "俄罗斯" in text]
    assert all(entity["needs_review"] for row in kept for entity in row["entities"])
    assert f"({len(kept)} to review), {3 - len(kept)} records set aside" in capsys.readouterr().out
    with pytest.warns(UserWarning, match="cut"):
        assert main(["predict", "--labels", llm.labels, "--llm", llm.file, TEXTS[0], "--json"]) == 1
    shown = capsys.readouterr()
    (line,) = map(json.loads, shown.out.splitlines())
    assert "; 1 answers cut at the token limit" in shown.err
    assert "cut at the token limit" in line["error"]
    assert places(line["entities"]) == [(0, 3, "国家")]


def test_annotate_sets_aside_what_is_not_answered(llm: Llm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    llm.answer = lambda body: problem(400, "too bold") if "北约" in body["messages"][-1]["content"] else reply(body)
    arguments = ["annotate", "--labels", llm.labels, "--llm", llm.file, llm.texts, "--output"]
    assert main([*arguments, str(tmp_path / "out")]) == 0
    assert "2 texts, 2 entities (0 to review), 1 records set aside" in capsys.readouterr().out
    assert [row["text"] for row in rows(tmp_path / "out")] == [TEXTS[0], TEXTS[2]]
    (reject,) = rejects(tmp_path / "out")
    assert (reject["offset"], "the LLM failed on it" in reject["reason"]) == (1, True)
    # Where it answers about nothing at all, nothing is written that would pass for done.
    llm.answer = lambda _: problem(401, "no such key")
    assert main([*arguments, str(tmp_path / "dead")]) == 1
    assert "3 of the next 3 texts were not answered" in capsys.readouterr().err
    assert not list((tmp_path / "dead").glob("data/*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "--labels", "LABELS", TEXTS[0]], "--labels: is of use only with an LLM; give --llm as well"),
        (["predict", "bundled", "--labels", "LABELS", "--llm", "LLM"], "bundled: give either a model or --labels"),
        (["predict", "--labels", "LABELS", "--llm", "LLM", "--threshold", "0.3", "x"], "--threshold: concerns a model"),
        (["predict", "x", "--dry-run"], "--dry-run: is of use only with an LLM"),
        (["annotate", "--labels", "LABELS", "FILE", "--output", "OUT"], "--labels: is of use only with an LLM"),
        (
            ["annotate", "bundled", "FILE", "--labels", "LABELS", "--llm", "LLM", "--output", "OUT"],
            "give either a model or --labels",
        ),
        (
            ["annotate", "--labels", "LABELS", "--llm", "LLM", "--strategy", "pool", "FILE", "--output", "OUT"],
            "--strategy: concerns",
        ),
        (["annotate", "bundled", "--output", "OUT"], "INPUT: name the files"),
        (["annotate", "bundled", "FILE", "--output", "OUT", "--dry-run"], "--dry-run: is of use only with an LLM"),
    ],
)
def test_what_does_not_go_together(
    arguments: list[str], message: str, llm: Llm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"LABELS": llm.labels, "LLM": llm.file, "FILE": llm.texts, "OUT": str(tmp_path / "out")}
    assert main([known.get(word, word) for word in arguments]) == 1
    assert message in capsys.readouterr().err
    assert llm.asked == 0
