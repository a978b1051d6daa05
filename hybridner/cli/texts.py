"""Texts as commands read them, and entities as they are shown to people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from rich.text import Text

from hybridner.cli.console import Terminal
from hybridner.cli.terminal import visible
from hybridner.errors import DataError
from hybridner.text.surrogates import replace_surrogates

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_cyan", "bright_magenta", "bright_green", "bright_yellow")


def read_texts(texts: Sequence[str], files: Sequence[str]) -> Iterator[str]:
    """The texts given, then those of the files (see `iter_texts`); the lines of standard input when there are neither.

    Standard input may also hold an object with a "text" a line. Halves of characters become U+FFFD.

    Raises:
        DataError: a file that cannot be read.
    """
    from hybridner.data.texts import iter_texts

    yield from (replace_surrogates(text)[0] for text in texts)
    for name in files:
        yield from iter_texts(name)
    if not texts and not files:
        yield from _texts_of_input()


def _texts_of_input() -> Iterator[str]:
    from hybridner.data.texts import is_json_line

    in_json: bool | None = None
    try:
        for number, line in enumerate(sys.stdin, start=1):
            line = line.rstrip("\n")
            if in_json is None and line.strip():
                in_json = is_json_line(line)
            text = _text_of_line(line, f"standard input, line {number}") if in_json and line.strip() else line
            yield replace_surrogates(text)[0]
    except UnicodeDecodeError as error:
        raise DataError(
            f"not UTF-8 at byte {error.start} ({error.reason}); give the file with --file", "standard input"
        ) from error


def _text_of_line(line: str, where: str) -> str:
    from hybridner.data.options import ReadOptions
    from hybridner.data.texts import extract_text

    try:
        text = extract_text(json.loads(line), where, ReadOptions())
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise DataError('expected a JSON object with a "text"', where) from error
    if not isinstance(text, str):
        raise DataError(f'"text" must be a string, not {type(text).__name__}', where)
    return text


def print_entities(console: Terminal, text: str, entities: Sequence[dict[str, Any]]) -> None:
    """The text with its entities coloured, then one line for each of them."""
    labels = sorted({entity["entity_group"] for entity in entities})
    colour = {label: _COLOURS[index % len(_COLOURS)] for index, label in enumerate(labels)}
    # Before rich sees them, which drops some control characters and would then colour the wrong places.
    place = [0, *accumulate(len(visible(character)) for character in text)]
    marked = Text(visible(text))
    for entity in entities:
        marked.stylize(f"bold {colour[entity['entity_group']]} underline", place[entity["start"]], place[entity["end"]])
    console.print(marked, soft_wrap=True)
    for entity in entities:
        line = Text("  ")
        line.append(visible(entity["word"]), style=f"bold {colour[entity['entity_group']]}")
        line.append(f"  {entity['entity_group']}  [{entity['start']}, {entity['end']})  ")
        line.append(f"score {entity['score']:.2f}  uncertainty {entity['uncertainty']:.2f}", style="dim")
        if entity["source"] == "llm":
            line.append("  decided by the LLM", style="dim")
        if entity["needs_review"]:
            line.append("  needs review", style="bold red")
        console.print(line, soft_wrap=True)
