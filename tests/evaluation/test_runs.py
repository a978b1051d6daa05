from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from hybridner.errors import DataError
from hybridner.evaluation import Run, RunMetadata, collect_metadata, make_run
from hybridner.evaluation.runs import hash_of_texts
from hybridner.spans import Record, Span
from tests.evaluation.spans import PAIRS

ABOUT = RunMetadata("Made-up", "dev", "flat", "an-encoder", seed=1, train_size=50, hardware="a CPU", versions={"numpy": "2"})


def run_of(gold: list[list[Span]], predicted: list[list[Span]], surfaces: frozenset[str] | None = None) -> Run:
    records = [Record("俄罗斯在叙利亚部署了", tuple(spans), str(number)) for number, spans in enumerate(gold)]
    return make_run(ABOUT, records, {"member": predicted, "strategy:majority": gold}, surfaces)


@pytest.fixture
def run() -> Run:
    return run_of([[Span(0, 3, "A")], [Span(4, 7, "B"), Span(0, 1, "A")]], [[Span(0, 2, "A")], []], frozenset({"俄罗斯"}))


@given(PAIRS.filter(lambda pair: len(pair[0]) > 0))
def test_json_and_back(pair: tuple[list[list[Span]], list[list[Span]]]) -> None:
    for surfaces in (None, frozenset({"俄罗", "叙"})):
        run = run_of(*pair, surfaces)
        assert Run.from_dict(json.loads(json.dumps(run.to_dict()))) == run


def test_save_and_load(run: Run, tmp_path: Path) -> None:
    run.save(tmp_path / "new" / "run.json")
    assert Run.load(tmp_path / "new" / "run.json") == run
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run.json"]
    assert "俄罗斯" not in (tmp_path / "new" / "run.json").read_text(encoding="utf-8"), "texts of a data set do not travel"


def test_what_is_seen_is_kept(run: Run) -> None:
    assert run.seen == (frozenset({(0, 3)}), frozenset())
    assert run.entities == 3


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(data: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for name in parents:
            data = data[name]
        data[last] = value

    return apply


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (change("format", "something"), "run: holds no saved run"),
        (change("about", []), "run: about: expected a mapping"),
        (change("about.data", None), "run, about: data: expected a text, got None"),
        (change("about.seed", "42"), "run, about: seed: expected a whole number, got '42'"),
        (change("about.seed", True), "run, about: seed: expected a whole number"),
        (change("about.sed", 42), "run, about: sed: "),
        (change("about.entities", 4), "run, about.entities: says 4, but gold has 3"),
        (change("about.sentences", None), "run, about.sentences: says None, but gold has 2"),
        (change("texts", 5), "run: texts: expected a text, got 5"),
        (change("gold", "x"), "run: gold: expected a list, got 'x'"),
        (change("gold", []), "run: gold: .* at least 1 item"),
        (change("gold", [[[0, 3, "A"]], [[3, 3, "A"]]]), r"run: gold\.1\.0: expected \[start, end, label\].* got \[3, 3, 'A'\]"),
        (change("gold", [[[0, 3]], []]), r"run: gold\.0\.0: expected \[start, end, label\]"),
        (change("systems", {}), "run: systems: .* at least 1 item"),
        (change("systems.member", [[]]), r"run, systems\.member: has 1 texts, but gold has 2"),
        (change("systems.member", [[], [[0, True, "A"]]]), r"run: systems\.member\.1\.0: expected \[start, end, label\]"),
        (change("seen", [[[0, 3]]]), "run, seen: has 1 texts"),
        (change("seen", [[[0, 3]], [[-1, 3]]]), r"run: seen\.1\.0: expected \[start, end\]"),
        (change("strange", 1), "run: strange: unknown key"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(changed: Callable[[dict[str, Any]], None], problem: str, run: Run) -> None:
    data = json.loads(json.dumps(run.to_dict()))
    changed(data)
    with pytest.raises(DataError, match=problem):
        Run.from_dict(data)


def test_a_missing_field_is_said(run: Run) -> None:
    data = run.to_dict()
    del data["about"]["data"]
    with pytest.raises(DataError, match="about: data: missing"):
        Run.from_dict(data)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    for name, problem in (("no.json", "cannot be read"), ("bad.json", "not JSON"), ("list.json", "holds no saved run")):
        with pytest.raises(DataError, match=rf"{name}.*{problem}"):
            Run.load(tmp_path / name)


def test_runs_need_texts_and_systems_that_fit() -> None:
    record = Record("好", ())
    for records, systems in (([], {"a": []}), ([record], {}), ([record], {"a": []})):
        with pytest.raises(DataError):
            make_run(ABOUT, records, systems)


def test_texts_are_told_apart() -> None:
    assert hash_of_texts(["ab", "c"]) != hash_of_texts(["a", "bc"])
    assert hash_of_texts(["好", "\ud800"]) == hash_of_texts(["好", "\ud800"])


def report(encoder: object, seed: int = 42, layers: int | None = None, device: str = "NVIDIA X1") -> dict[str, Any]:
    """The part of a training report that counts here."""
    member = {"type": "spanner", "encoder": encoder, "num_hidden_layers": layers}
    recipe = {"members": {"spanner": member}, "training": {"seed": seed}}
    return {"recipe": recipe, "records": {"train": 1234}, "device": device}


def test_metadata_come_from_training() -> None:
    small = report("/home/me/secret/small-encoder", layers=4)
    about = collect_metadata({"spanner": small}, data="D", split="dev", decoding="flat")
    assert (about.encoder, about.seed, about.train_size) == ("small-encoder (4 layers)", 42, 1234)
    assert about.hardware.startswith("trained on NVIDIA X1; read on ")
    assert set(about.versions) >= {"torch", "transformers"}
    hub = collect_metadata({"spanner": report("hfl/chinese-macbert-base")}, data="D", split="dev", decoding="flat")
    assert hub.encoder == "hfl/chinese-macbert-base"


def test_what_members_do_not_share_is_not_claimed() -> None:
    reports = {"spanner": report("a", seed=1), "other": report({"hidden_size": 16}, seed=2)}
    reports["other"]["recipe"]["members"]["other"] = reports["other"]["recipe"]["members"].pop("spanner")
    about = collect_metadata(reports, data="D", split="dev", decoding="flat")
    assert (about.encoder, about.seed) == ("a / random weights", None)
    nothing = collect_metadata({}, data="D", split="dev", decoding="flat")
    assert (nothing.encoder, nothing.seed, nothing.train_size) == ("unknown", None, None)
    assert "trained" not in nothing.hardware
