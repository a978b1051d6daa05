"""What comes from files and models is shown to people, never obeyed by their terminals."""

from __future__ import annotations

import ast
import json
import logging
import sys
import unicodedata
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

import hybridner.cli
from hybridner.cli.console import Terminal
from hybridner.cli.main import main
from hybridner.cli.terminal import print_json, say, visible, visible_messages
from tests.support.tiny import TEXT

#: Window title, a line rewritten, a C1 introducer, right-to-left override, isolates.
HOSTILE = "\x1b]0;mine\x07\x1b[2J\r\x9b31m\u202e\u2066\x00"
_HARMLESS = "\n\t"
_DIRECTIONS = ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI")


def assert_harmless(shown: str) -> None:
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in _HARMLESS]
    assert not [
        c for c in shown if unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI")
    ]


@given(st.text(st.one_of(st.characters(), st.sampled_from(HOSTILE))))
def test_controls_are_shown_and_the_rest_is_untouched(text: str) -> None:
    shown = visible(text)
    assert_harmless(shown)
    ordinary = "".join(c for c in text if visible(c) == c)
    assert visible(ordinary) == ordinary
    assert len(ordinary) == sum(visible(c) == c for c in text)


def test_chinese_text_line_ends_and_emoji_stay() -> None:
    text = "俄罗斯\n\t👩‍🚀 é"
    assert visible(text) == text


def test_every_way_of_telling_people_something_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    say(HOSTILE, error=True)
    console = Terminal()
    console.print(HOSTILE)
    table = Table(title=f"[bold]{HOSTILE}[/nothing]")
    table.add_column(HOSTILE)
    table.add_row(f"[/]{HOSTILE}[link=x]")
    console.print(table)
    with visible_messages():
        print(warnings.formatwarning(HOSTILE, UserWarning, "file.py", 1, HOSTILE), file=sys.stderr)
        record = logging.LogRecord("hybridner", logging.WARNING, "", 1, HOSTILE, None, None)
        assert logging.lastResort is not None
        logging.lastResort.handle(record)
    out = capsys.readouterr()
    assert_harmless(out.out + out.err)
    assert out.out.count("\\x1b]0;mine") >= 3
    assert "[/]" in out.out.replace("\n", "")
    assert out.err.count("\\x1b]0;mine") >= 3


def test_json_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": HOSTILE})
    assert json.loads(capsys.readouterr().out) == {"text": HOSTILE}


@pytest.mark.parametrize("as_json", [False, True])
def test_predict(as_json: bool, composite_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"{TEXT[:9]}{HOSTILE}{TEXT[9:]}"
    assert main(["predict", str(composite_folder), text, "--device", "cpu", *(["--json"] if as_json else [])]) == 0
    out = capsys.readouterr().out
    if as_json:
        assert json.loads(out)["text"] == text
    else:
        assert_harmless(out)
        assert visible(HOSTILE) in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", f"/no/such{HOSTILE[:-1]}folder", "x"],
        ["data", "check", f"/no/such{HOSTILE[:-1]}file"],
        ["train", f"/no/such{HOSTILE[:-1]}recipe"],
        ["compare", f"/no/such{HOSTILE[:-1]}run", "--output", "x"],
    ],
)
def test_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    out = capsys.readouterr()
    assert_harmless(out.out + out.err)
    assert "hybridner: error: " in out.err
    assert visible(HOSTILE[:-1]) in out.err.replace("\n", "")


def test_labels_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = f"[/red]{HOSTILE}"
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "俄罗斯", "entities": [{"start": 0, "end": 3, "label": label}]}))
    for command in ("check", "describe"):
        assert main(["data", command, str(tmp_path / "a.jsonl")]) == 0
        out = capsys.readouterr()
        assert_harmless(out.out + out.err)
        assert visible(label) in out.out


def test_no_command_prints_past_it() -> None:
    folder = Path(hybridner.cli.__file__).parent
    for file in folder.rglob("*.py"):
        if file.name in ("terminal.py", "console.py"):
            continue
        names = {node.func.id for node in ast.walk(ast.parse(file.read_text())) if _is_named_call(node)}
        assert not names & {"print", "Console"}, file


def _is_named_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
