"""`hybridner bootstrap`, with a real HTTP server as the LLM."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hybridner import HybridNerModel
from hybridner.bootstrap import Bootstrap, BootstrapSettings
from hybridner.bootstrap.job import OOF, REPORT, REVIEW, SAMPLE, SILVER
from hybridner.bootstrap.sampling import diverse_sentences
from hybridner.cli.main import main
from hybridner.data import read_records, write_jsonl
from hybridner.data.labels import as_label_set
from hybridner.ensemble import Predictions
from hybridner.llm import LlmSettings, as_verifier
from tests.llm.scripted_server import Reply, ScriptedServer, chat, problem
from tests.support.tiny import save_tiny_encoder, small_records

TEXTS = [record.text.replace("干扰机", f"{chr(0x7532 + n)}型机") for n, record in enumerate(small_records())]


def annotator(body: dict, number: int) -> Reply:
    """Marks states and places; asked in English, it leaves the places of two texts out."""
    chinese = "专家" in body["messages"][0]["content"]
    text = re.findall("“(.*?)”", body["messages"][-1]["content"])[-1]
    lines = [f"State: {word}" for word in ("俄罗斯", "北约") if word in text]
    if chinese or TEXTS.index(text) > 1:
        lines += [f"Place: {word}" for word in ("叙利亚", "加里宁格勒") if word in text]
    return chat("\n".join(lines) or "Non-Entity")


@pytest.fixture
def files(tmp_path: Path, tiny_encoder: Path) -> list[str]:
    """Arguments of the command but for the LLM."""
    (tmp_path / "labels.yaml").write_text("labels: [{name: State, title: 国家}, Place]", encoding="utf-8")
    (tmp_path / "raw.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    named = {"labels": tmp_path / "labels.yaml", "text": tmp_path / "raw.txt", "llm": tmp_path / "llm.yaml"}
    sizes = {"sentences": 24, "review": 5, "epochs": 1}
    more = {**named, "encoder": tiny_encoder, "output": tmp_path / "run", **sizes}
    return ["bootstrap", *(part for name, value in more.items() for part in (f"--{name}", str(value)))]


def use(server: ScriptedServer | str, folder: Path, settings: str = "{}") -> None:
    url = server if isinstance(server, str) else server.url
    (folder / "llm.yaml").write_text(
        f"verifier: {{model: some-model, base_url: '{url}', max_retries: 0}}\nsettings: {settings}\n", encoding="utf-8"
    )


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def tiny_encoder(tmp_path: Path) -> Path:
    save_tiny_encoder(tmp_path / "encoder", "".join(sorted(set("".join(TEXTS)))))
    return tmp_path / "encoder"


def test_from_raw_text_to_a_model_a_queue_and_a_better_model(
    files: list[str], serve: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server, run = serve(annotator), tmp_path / "run"
    use(server, tmp_path)
    # Nothing is asked before the plan was seen.
    assert main(files) == 0
    assert not server.requests
    shown = capsys.readouterr().out
    assert shown.count("24 calls (and 0 without one)") == 2
    assert "give --yes" in shown

    assert main([*files, "--yes"]) == 0
    assert len(server.requests) == 48
    silver = lines(run / SILVER)
    assert {row["text"] for row in silver} == set(TEXTS)
    unsure = {row["text"] for row in silver if row["unsure"]}
    assert unsure == set(TEXTS[:2])
    assert all(len(row["entities"]) == 2 for row in silver)
    report = json.loads((run / REPORT).read_text(encoding="utf-8"))
    assert report["agreement"]["same"] == 46
    predictions = Predictions.load(run / OOF)
    assert [record.text for record in predictions.records] == [row["text"] for row in silver]
    assert set(predictions.folds.tolist()) == {0, 1, 2, 3, 4}
    model = HybridNerModel.from_pretrained(run / "composite")
    assert model.config.labels.names == ("State", "Place")
    queue = lines(run / REVIEW)
    assert len(queue) == 5
    assert all({"start", "end", "label", "uncertainty"} == set(entity) for row in queue for entity in row["entities"])

    # Once reviewed, the same command makes a better model, and `learn` takes the same file.
    for row in queue:
        row["complete"] = True
        row["entities"] = [{**entity, "review": "accepted"} for entity in row["entities"]]
    reviewed = tmp_path / "reviewed.jsonl"
    reviewed.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in queue), encoding="utf-8")
    capsys.readouterr()
    assert main([*files, "--yes", "--reviewed", str(reviewed)]) == 0
    assert len(server.requests) == 48, "answers are kept"
    assert "model with 5 reviewed sentences" in capsys.readouterr().out
    assert len(list(run.glob("composite-*/config.json"))) == 1
    assert {r.text: r.entities for r in read_records(run / SILVER)}.keys() == set(TEXTS)


def test_a_job_goes_on_after_an_llm_that_died(
    files: list[str], serve: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dying = serve(lambda body, number: annotator(body, number) if number < 30 else problem(401, "no such key"))
    use(dying, tmp_path)
    assert main([*files, "--yes"]) != 0
    assert "Start again to ask about the others; answers are kept" in capsys.readouterr().err
    assert not (tmp_path / "run" / SILVER).exists()
    better = serve(annotator)
    use(better, tmp_path, "{budget: {calls: 48}}")
    settings = BootstrapSettings(str(tmp_path / "encoder"), sentences=24, review=5, epochs=1)
    job = Bootstrap(tmp_path / "run", as_label_set(tmp_path / "labels.yaml"), TEXTS, settings)
    silver = job.annotate(as_verifier({"model": "some-model", "base_url": better.url, "max_retries": 0}), LlmSettings())
    assert len(silver) == 24


def test_files_that_lie_beside_the_llms_own_are_shown_to_it(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def tokens(settings: str = "{}") -> int:
        use("http://127.0.0.1:9/v1", tmp_path, settings)
        assert main(files) == 0
        return int(re.findall(r"about (\d+) tokens in", capsys.readouterr().out)[0])

    plain = tokens()
    (tmp_path / "habits.txt").write_text("- 国名后的军队标入。\n", encoding="utf-8")
    guided = tokens("{guidelines: habits.txt}")
    write_jsonl(small_records(), tmp_path / "gold.jsonl")
    assert plain < guided < tokens("{guidelines: habits.txt}\nexamples: gold.jsonl")


def test_what_cannot_work_is_said_before_anything_is_asked(
    files: list[str], serve: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(annotator)
    use(server, tmp_path)
    assert main([*files[: files.index("--sentences")], "--sentences", "5"]) != 0
    assert "take at least 20" in capsys.readouterr().err
    assert main(files) == 0
    assert main([*files, "--seed", "7"]) != 0
    assert "other labels, texts or settings" in capsys.readouterr().err
    assert main([*files, "--encoder", str(tmp_path / "none" / "there")]) != 0
    assert "there is no folder" in capsys.readouterr().err
    sample = tmp_path / "run" / SAMPLE
    about = json.loads(sample.read_text(encoding="utf-8"))["about"]
    spoilt = {"": "delete it", "[" * 100_000: "nested too deeply", "[]": "no mapping", json.dumps({"about": about}): "sentences"}
    for content, complaint in spoilt.items():
        sample.write_text(content, encoding="utf-8")
        assert main(files) == 1
        assert complaint in capsys.readouterr().err
    (tmp_path / "raw.txt").write_text("太短。\n" * 100, encoding="utf-8")
    assert main([*files, "--output", str(tmp_path / "other")]) != 0
    assert "0 different sentences" in capsys.readouterr().err
    assert not server.requests


def test_a_sample_is_diverse_and_the_same_for_the_same_seed() -> None:
    alike = [f"俄罗斯在叙利亚部署了第{n}台干扰机。" for n in range(30)]
    others = ["北约的无人机失去了卫星信号。", "今天的天气非常好，适合出门。", "研究人员提出了一种新的算法。"]
    chosen = diverse_sentences([*alike, *others, "短。", "长" * 300], 4, 1)
    assert set(others) < set(chosen)
    assert len(chosen) == 4
    many = [f"{a}在{b}说了{c}件事情。" for a in "甲乙丙丁戊己庚" for b in "东西南北" for c in "一二三四五"]
    assert diverse_sentences(many, 5, 3) == diverse_sentences(many, 5, 3)
    assert diverse_sentences(["第一句话说的是天气。第二句话说的是人们。"], 9, 1) == [
        "第一句话说的是天气。",
        "第二句话说的是人们。",
    ]
