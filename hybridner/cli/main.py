"""Entry point of the command `hybridner`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import textwrap
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Protocol, cast

from hybridner.cli.terminal import say, visible_messages
from hybridner.errors import HybridNerError
from hybridner.version import __version__

#: The commands, as `--help` groups them. Each is a module of `hybridner.cli.commands`, imported when it is called.
GROUPS = {
    "Try it": {
        "demo": "entities of unseen sentences at once; --train trains a small model",
        "space": "open a page to try a model in the browser",
    },
    "Train": {
        "train": "train the members of a recipe and assemble them",
        "crossval": "predict the training sentences out of fold, to calibrate on them",
        "assemble": "put trained members together into a composite",
        "calibrate": "fit weights, temperature and threshold of a composite",
    },
    "Adapt": {
        "bootstrap": "make a first model from raw text: an LLM annotates, you review what is doubtful",
        "adapt": "adapt a composite to a new domain or label set with few sentences",
        "merge": "make an ordinary composite of an adapter and its base",
        "suggest": "choose the texts to annotate next",
        "pseudo-label": "label raw text with what several models agree on, to train another on",
        "learn": "learn from entities that people have reviewed",
    },
    "Predict": {
        "predict": "find the entities of texts, files or standard input",
        "annotate": "find the entities of whole corpora, on many processes, resumable",
        "serve": "answer requests over HTTP, batched, with metrics",
        "examples": "index labelled spans as examples for the LLM",
        "guidelines": "write down how a data set is annotated, for people and for the LLM",
    },
    "Evaluate": {
        "evaluate": "precision, recall and F1 on labelled data",
        "compare": "tables, intervals and plots of saved runs",
        "report": "the paper's tables from stored predictions and recorded answers",
    },
    "Data": {
        "data": "prepare, describe, check, compare and push data sets",
        "gazetteer": "make a dictionary of terms that votes as a member, and check one",
    },
    "Publish": {
        "compact": "make a composite small: common characters only, half precision",
        "export": "write a model for onnxruntime, small and fast on CPUs",
        "card": "write the model card of a member or a composite",
        "push": "publish a model or a data set on the Hub",
    },
}
#: What each command does, in a line.
SUMMARIES = {name: summary for commands in GROUPS.values() for name, summary in commands.items()}

_DESCRIPTION = "Chinese named entity recognition for specialised domains: train members, combine them, find entities."
#: Of the text before the arguments; what follows them is written in lines.
_WIDTH = 100
_EPILOG = "Start with `hybridner demo`. `hybridner COMMAND --help` explains each command with examples."


class Command(Protocol):
    """What the module of a command holds; importing it and defining its arguments imports neither torch nor transformers."""

    DESCRIPTION: str
    EPILOG: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


def load_command(name: str) -> Command:
    """The module of a command."""
    return cast(Command, importlib.import_module(f"hybridner.cli.commands.{name.replace('-', '_')}"))


def command_parser(name: str) -> argparse.ArgumentParser:
    """The parser of one command's arguments."""
    command = load_command(name)
    parser = argparse.ArgumentParser(
        prog=f"hybridner {name}",
        description=textwrap.fill(command.DESCRIPTION, _WIDTH),
        epilog=command.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when all went well, 1 when the input was wrong (stderr says in one line how), 130 after Ctrl-C.
    """
    parser = _main_parser()
    called = parser.parse_args(arguments)
    if called.command not in SUMMARIES:
        near = get_close_matches(called.command, SUMMARIES, 1)
        hint = f"did you mean {near[0]!r}?" if near else "`hybridner --help` lists them"
        parser.error(f"there is no command {called.command!r}; {hint}")
    options = command_parser(called.command).parse_args(called.arguments)
    try:
        with visible_messages():
            return load_command(called.command).run(options)
    except HybridNerError as error:
        say(f"hybridner: error: {_process()}{error}", error=True)
        return 1
    except RecursionError:
        say("hybridner: error: something that was read is nested too deeply", error=True)
        return 1
    except KeyboardInterrupt:
        say("\nhybridner: stopped; what was finished is kept", error=True)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; nothing is wrong.
        sys.stderr.close()
        return 0
    except OSError as error:
        # A disk, a network or a device that fails is no fault of ours.
        say(f"hybridner: error: {_process()}{_problem(error)}", error=True)
        return 1


def _main_parser() -> argparse.ArgumentParser:
    width = max(map(len, SUMMARIES))
    lines = [_DESCRIPTION]
    for group, commands in GROUPS.items():
        lines += ["", f"{group}:", *(f"  {name:{width}}  {summary}" for name, summary in commands.items())]
    parser = argparse.ArgumentParser(
        prog="hybridner",
        usage="hybridner [-h] [--version] COMMAND ...",
        description="\n".join(lines),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hybridner {__version__}")
    parser.add_argument("command", metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _problem(error: OSError) -> str:
    if error.strerror is None:
        return " ".join(str(error).split())
    return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror


def _process() -> str:
    """Which of several processes this is; the launcher ends all when one fails, so the first may not live to tell."""
    rank = os.environ.get("RANK", "0")
    return "" if rank == "0" else f"process {rank}: "
