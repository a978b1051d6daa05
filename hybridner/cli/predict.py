"""`hybridner predict`: entities of texts, files or standard input."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import tee
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from hybridner.bundled import BUNDLED
from hybridner.cli.llm import LLM_FILE, read_llm
from hybridner.cli.loading import load_composite
from hybridner.ensemble import COMBINERS
from hybridner.errors import DataError
from hybridner.llm import LlmReport
from hybridner.pipeline import HybridNerPipeline
from hybridner.spans import RESOLVERS

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_cyan", "bright_magenta", "bright_green", "bright_yellow")

_EXAMPLES = """\
examples:
  hybridner predict bundled "2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机。"
  hybridner predict my-composite --file report.txt --json > entities.jsonl
  cat notes.txt | hybridner predict --threshold 0.3
  hybridner predict my-composite --file report.txt --llm llm.yaml --llm-cache answers.sqlite --json > entities.jsonl

The model that comes with hybridner is called "bundled"; it is used when no other is named.
A .jsonl file gives one text per object (its "text"); any other file, and standard input, one text per line.

"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "predict",
        help="find the entities of texts, files or standard input",
        description="Find the entities of texts.",
        epilog=_EXAMPLES + LLM_FILE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", nargs="?", default=BUNDLED, metavar="MODEL", help=f"folder or Hub id of a composite or a member ({BUNDLED})"
    )
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts; without any, --file or standard input is read")
    parser.add_argument("--file", action="append", default=[], metavar="FILE", help="read texts from a file (several times)")
    parser.add_argument("--json", action="store_true", help="one JSON object per text: {text, entities}")
    parser.add_argument("--threshold", type=float, help="mark entities with a greater uncertainty for review")
    parser.add_argument("--strategy", choices=list(COMBINERS), help="how votes are combined (default: the model's own)")
    parser.add_argument("--decoding", choices=list(RESOLVERS), help="default: the model's own")
    parser.add_argument("--llm", metavar="FILE", help="YAML file: verifier and settings of an LLM for the doubtful spans")
    parser.add_argument("--llm-cache", metavar="FILE", help="keep the LLM's answers in this file, and ask nothing twice")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="windows per forward pass (16)")
    parser.add_argument("--device", help='such as "cpu" or "cuda:0" (default: an accelerator where there is one)')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    settings = {name: getattr(options, name) for name in ("threshold", "strategy", "decoding")}
    given = {name: value for name, value in settings.items() if value is not None}
    if options.llm:
        given["llm"], given["llm_settings"] = read_llm(options.llm)
        given["llm_cache"] = options.llm_cache
    elif options.llm_cache:
        raise DataError("is of use only with an LLM; give --llm as well", "--llm-cache")
    pipe = HybridNerPipeline(load_composite(options.model), device=options.device)
    # Texts are read only as fast as their entities are written, so a file may be larger than memory.
    texts, read = tee(read_texts(options.texts, options.file))
    console = Console(highlight=False)
    for text, entities in zip(texts, pipe(read, batch_size=options.batch_size, **given), strict=True):
        if options.json:
            print(json.dumps({"text": text, "entities": entities}, ensure_ascii=False), flush=True)
        else:
            print_entities(console, text, entities)
    if pipe.llm_report is not None:
        print(_summary(pipe.llm_report), file=sys.stderr)
    return 0


def _summary(report: LlmReport) -> str:
    return (
        f"LLM: {report.spans_routed:,} doubtful spans, {report.calls:,} calls (+ {report.cached:,} answered without one), "
        f"{report.failed:,} failed, {report.prompt_tokens:,} tokens in, {report.completion_tokens:,} out"
    )


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
