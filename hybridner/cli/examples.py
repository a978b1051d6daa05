"""`hybridner examples`: an index of labelled spans, from which the LLM is shown the most similar ones."""

from __future__ import annotations

import argparse
from typing import Any

from hybridner.cli.loading import load_composite
from hybridner.hybrid import ExampleIndex, require_torch
from hybridner.spans import NON_ENTITY

_EXAMPLES = """\
example:
  hybridner examples runs/cluener/composite train.json --output examples.parquet

then in Python:
  ner(texts, llm=..., llm_examples="examples.parquet", llm_settings={"examples": 4})

An index goes with the model it was made with. It holds the sentences themselves: publish it only where you may publish them.
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "examples",
        help="index labelled spans as examples for the LLM",
        description="Index the entities of labelled sentences, and the spans that SpanNER nearly takes for entities there, by "
        "SpanNER's span vector. With each question the LLM is then shown those most like the span in doubt.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a composite, or of a SpanNER")
    parser.add_argument("data", metavar="DATA", help="labelled file, best that on which the members were trained")
    parser.add_argument("--output", required=True, metavar="FILE", help="the index, a Parquet file")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="windows per forward pass (32)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    index = ExampleIndex.build(require_torch(load_composite(options.model)), options.data, batch_size=options.batch_size)
    index.save(options.output)
    entities = sum(example.label != NON_ENTITY for example in index.examples)
    print(f"{entities} entities and {len(index.examples) - entities} spans that are none: {options.output}")
    return 0
