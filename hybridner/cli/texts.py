"""Texts as commands read them, and entities as they are shown to people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from hybridner.errors import DataError

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_cyan", "bright_magenta", "bright_green", "bright_yellow")


def read_texts(texts: Sequence[str], files: Sequence[str]) -> Iterator[str]:
    """The texts given, then each line of the files (or the "text" of each line of JSON); standard input when there are neither.

    Raises:
        DataError: a file that cannot be read.
    """
    yield from texts
    for name in files:
        try:
            with Path(name).open(encoding="utf-8") as lines:
                yield from _json_texts(lines, name) if name.endswith(".jsonl") else _lines(lines)
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot be read as UTF-8 text: {error}", name) from error
    if not texts and not files:
        yield from _lines(sys.stdin)


def _lines(lines: Any) -> Iterator[str]:
    return (line.rstrip("\n") for line in lines)


def _json_texts(lines: Any, name: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            text = json.loads(line)["text"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError('expected a JSON object with a "text"', f"{name}, line {number}") from error
        if not isinstance(text, str):
            raise DataError(f'"text" must be a string, not {type(text).__name__}', f"{name}, line {number}")
        yield text


def print_entities(console: Console, text: str, entities: Sequence[dict[str, Any]]) -> None:
    """The text with its entities coloured, then one line for each of them."""
    labels = sorted({entity["entity_group"] for entity in entities})
    colour = {label: _COLOURS[index % len(_COLOURS)] for index, label in enumerate(labels)}
    marked = Text(text)
    for entity in entities:
        marked.stylize(f"bold {colour[entity['entity_group']]} underline", entity["start"], entity["end"])
    console.print(marked, soft_wrap=True)
    for entity in entities:
        line = Text("  ")
        line.append(f"{entity['word']}", style=f"bold {colour[entity['entity_group']]}")
        line.append(f"  {entity['entity_group']}  [{entity['start']}, {entity['end']})  ")
        line.append(f"score {entity['score']:.2f}  uncertainty {entity['uncertainty']:.2f}", style="dim")
        if entity["source"] == "llm":
            line.append("  decided by the LLM", style="dim")
        if entity["needs_review"]:
            line.append("  needs review", style="bold red")
        console.print(line, soft_wrap=True)
