"""Entry point of the command `hybridner`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import hybridner
from hybridner.cli import (
    adapt,
    annotate,
    assemble,
    calibrate,
    card,
    compact,
    compare,
    crossval,
    data,
    demo,
    evaluate,
    examples,
    export,
    learn,
    merge,
    predict,
    push,
    space,
    suggest,
    train,
)
from hybridner.errors import HybridNerError

_COMMANDS = (
    demo,
    train,
    crossval,
    calibrate,
    assemble,
    compact,
    adapt,
    merge,
    learn,
    suggest,
    predict,
    annotate,
    evaluate,
    compare,
    examples,
    export,
    data,
    card,
    push,
    space,
)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; each command's module adds its own part."""
    parser = argparse.ArgumentParser(
        prog="hybridner",
        description="Chinese named entity recognition for specialised domains: train members, combine them, read texts.",
        epilog="Start with `hybridner demo`. `hybridner COMMAND --help` explains each command with examples.",
    )
    parser.add_argument("--version", action="version", version=f"hybridner {hybridner.__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when all went well, 1 when the input was wrong (said on stderr in one line), 130 after Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except HybridNerError as error:
        print(f"hybridner: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nhybridner: stopped; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; nothing is wrong.
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
