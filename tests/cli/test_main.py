"""The front of the command line: what it imports, how it answers mistakes, and that it says the same as the library."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import hybridner
from hybridner.adaptation import AdaptationSettings
from hybridner.annotation import KINDS, AnnotationConfig, Fields
from hybridner.bundled import BUNDLED_FOLDER
from hybridner.cli.commands import adapt, annotate, space
from hybridner.cli.main import SUMMARIES, command_parser, main
from hybridner.data import write_jsonl
from hybridner.space.serving import MODEL_VARIABLE
from tests.support.tiny import small_records

#: Defines the arguments of every command, as its `--help` does, and prints what was imported for it.
ALL_ARGUMENTS = """
import sys
from hybridner.cli.main import SUMMARIES, command_parser
for name in SUMMARIES:
    command_parser(name).format_help()
print(sorted({"torch", "transformers", "datasets", "peft", "openai", "scipy.stats"} & set(sys.modules)))
"""
#: Runs a command line that ends by itself, and prints what was imported for it.
FRONT = """
import sys
from hybridner.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    print(sorted({"torch", "transformers", "numpy", "rich"} & set(sys.modules)))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("argument", ["--help", "--version", "no-such-command"])
def test_the_front_imports_nothing_heavy(argument: str) -> None:
    assert run("-c", FRONT, argument).stdout.endswith("[]\n")


def test_arguments_import_nothing_heavy() -> None:
    assert run("-c", ALL_ARGUMENTS).stdout == "[]\n"


def test_the_module_is_the_command() -> None:
    assert run("-m", "hybridner", "--version").stdout == f"hybridner {hybridner.__version__}\n"
    assert run("-m", "hybridner", "push", "--help").stdout.startswith("usage: hybridner push ")


def test_every_module_is_a_command_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(str(import_module("hybridner.cli.commands").__file__)).parent
    assert {path.stem.replace("_", "-") for path in folder.glob("[a-z]*.py")} == set(SUMMARIES)
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("  -")] == list(SUMMARIES)
    assert max(map(len, lines[3:])) <= 95


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("trian", "there is no command 'trian'; did you mean 'train'?"),
        ("evaluation", "did you mean 'evaluate'?"),
        ("xyz", "there is no command 'xyz'; `hybridner --help` lists them"),
    ],
)
def test_a_mistyped_command_is_answered_with_the_nearest(typed: str, answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([typed, "--seed", "3"])
    assert end.value.code == 2
    assert answer in capsys.readouterr().err


@pytest.mark.parametrize(("rank", "where"), [(None, ""), ("0", ""), ("3", "process 3: ")])
def test_each_process_says_what_went_wrong_with_it(
    rank: str | None, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    assert main(["compare", "/no/such/run.json", "--output", "out"]) == 1
    assert capsys.readouterr().err.startswith(f"hybridner: error: {where}/no/such/run.json: cannot be read")


def test_what_is_written_in_place_of_an_import_is_true() -> None:
    assert annotate._KINDS == KINDS
    assert space._MODEL_VARIABLE == MODEL_VARIABLE
    options = command_parser("annotate").parse_args(["model", "input", "--output", "out"])
    assert (options.batch_size, options.longest) == (AnnotationConfig.batch_size, Fields.longest)
    defaults = AdaptationSettings()
    text = " ".join(command_parser("adapt").format_help().split())
    for name in set(adapt._SETTINGS) - {"epochs"}:
        described = text.split(f" --{name.replace('_', '-')} ")[-1].split(" --")[0]
        assert f"({getattr(defaults, name)})" in described, name


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + bytes(100), b"null", b"[" * 100_000 + b"]" * 100_000])
def test_damaged_files_end_in_a_message(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(content)
    for command in (
        ["calibrate", str(BUNDLED_FOLDER), str(damaged), "--output", str(tmp_path / "out")],
        ["merge", str(damaged), "--output", str(tmp_path / "out")],
        ["compare", str(damaged), "--output", str(tmp_path / "out")],
        ["data", "check", str(damaged)],
    ):
        assert main(command) == 1
        assert "hybridner: error: " in capsys.readouterr().err


def test_an_output_that_is_a_file_stays(composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    for target in (tmp_path / "file", tmp_path / "file" / "inside", Path("/proc/x/y")):
        assert main(["compact", str(composite_folder), "--output", str(target)]) == 1
        assert f"{target}: cannot be written" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_leaves_the_model_as_it_was(
    composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, gold = tmp_path / "model", tmp_path / "gold.jsonl"
    shutil.copytree(composite_folder, folder)
    write_jsonl(small_records(), gold)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, limit[1]))
    try:
        assert main(["calibrate", str(folder), str(gold)]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "cannot be written" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.joinpath("model").rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
