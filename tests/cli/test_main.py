"""The front of the command line: what it imports, how it answers mistakes, and that it says the same as the library."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import hybridner
from hybridner.adaptation import AdaptationSettings
from hybridner.annotation import KINDS, AnnotationConfig, Fields
from hybridner.cli.commands import adapt, annotate, space
from hybridner.cli.main import SUMMARIES, command_parser, main
from hybridner.space.serving import MODEL_VARIABLE

#: Defines the arguments of every command, as its `--help` does, and prints what was imported for it.
ALL_ARGUMENTS = """
import sys
from hybridner.cli.main import SUMMARIES, command_parser
for name in SUMMARIES:
    command_parser(name).format_help()
print(sorted({"torch", "transformers", "datasets", "peft", "openai"} & set(sys.modules)))
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
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=600, check=False)


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
