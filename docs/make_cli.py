"""Writes docs/cli.md from the command line's own parser: `python docs/make_cli.py`. A test holds the page to it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from hybridner.cli.main import GROUPS, command_parser

PAGE = Path(__file__).with_name("cli.md")

_HEAD = """\
# Commands

Made from the code by `docs/make_cli.py`; `hybridner COMMAND --help` says the same. Numbers in brackets are defaults. A command
that cannot go on says in one line what is wrong and where, and ends with status 1; after Ctrl-C what was finished is kept.

`python -m hybridner` is the same command. `train`, `crossval` and `annotate` share their work among the processes of
`accelerate launch -m hybridner COMMAND ...`.
"""


def page() -> str:
    """The whole page as Markdown."""
    groups = {group: list(_commands(commands)) for group, commands in GROUPS.items()}
    listed = [
        f"| {'' if position else group} | [`{name}`](#{name.replace(' ', '-')}) | {summary} |"
        for group, commands in groups.items()
        for position, (name, summary, _) in enumerate(commands)
    ]
    table = "\n".join(["| | command | what it does |", "|---|---|---|", *listed])
    sections = [_section(name, parser) for commands in groups.values() for name, _, parser in commands]
    return "\n".join([_HEAD, table, "", *sections])


def _commands(summaries: Mapping[str, str]) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, one line and parser of every command; after one with commands of its own, theirs."""
    for name, summary in summaries.items():
        parser = command_parser(name)
        yield name, summary, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                inner = {choice.dest: choice.help or "" for choice in action._choices_actions}
                yield from ((f"{name} {part}", inner[part], child) for part, child in action.choices.items())


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    parts = [f"## {name}", parser.description or "", _usage(parser), _arguments(parser), *_prose(parser.epilog or "")]
    return "\n\n".join(part for part in parts if part) + "\n"


def _usage(parser: argparse.ArgumentParser) -> str:
    words = [f"hybridner {parser.prog.partition(' ')[2]}"]
    for action in _shown(parser):
        if action.option_strings and action.required:
            words.append(f"{action.option_strings[0]} {_value(action)}".strip())
        elif not action.option_strings:
            value = _value(action)
            words.append({"+": f"{value} [{value} ...]", "*": f"[{value} ...]", "?": f"[{value}]"}.get(str(action.nargs), value))
    optional = any(action.option_strings and not action.required for action in _shown(parser))
    return "```text\n" + " ".join([*words, *(["[OPTIONS]"] if optional else [])]) + "\n```"


def _arguments(parser: argparse.ArgumentParser) -> str:
    rows = []
    for action in _shown(parser):
        if isinstance(action, argparse._SubParsersAction):
            continue
        name = f"{', '.join(action.option_strings)} {_value(action)}".strip()
        text = (action.help or "").replace("%%", "%")
        if action.choices and action.metavar:
            text += f" ({', '.join(map(str, action.choices))})"
        rows.append(f"| `{_escaped(name)}` | {_escaped(text)} |")
    return "\n".join(["| argument | meaning |", "|---|---|", *rows]) if rows else ""


def _value(action: argparse.Action) -> str:
    """How the value of an argument is written; nothing for a switch."""
    if action.option_strings and action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper()


def _shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _prose(epilog: str) -> Iterator[str]:
    """The paragraphs of an epilog; indented lines are code."""
    for code, group in groupby(epilog.splitlines(), lambda line: line.startswith("  ")):
        lines = list(group)
        if not code:
            text = "\n".join(lines).strip()
            if text not in ("", "example:", "examples:"):
                yield text
            continue
        shell = "hybridner" in lines[0].split("#")[0] and "(" not in lines[0]
        yield "\n".join([f"```{'bash' if shell else 'text'}", *(line[2:] for line in lines), "```"])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
