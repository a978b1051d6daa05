"""`hybridner examples`: an index of labelled spans, from which the LLM is shown the most similar ones."""

from __future__ import annotations

import argparse

from hybridner.cli.terminal import say
from hybridner.spans import NON_ENTITY

DESCRIPTION = (
    "Index the entities of labelled sentences and what is hard among them, by SpanNER's span vector and by characters. With "
    "each question the LLM is then shown those most like the span in doubt."
)
EPILOG = """\
example:
  hybridner examples runs/cluener/composite runs/cluener/oof.parquet --output examples.parquet
  hybridner examples runs/cluener/composite train.json --output examples.parquet

then in Python:
  ner(texts, llm=..., llm_examples="examples.parquet", llm_settings={"examples_per_span": 4})

Of out-of-fold predictions the doubtful candidates are taken with their true labels, "no entity" included: they show where
annotators draw the line. Of other labelled data it is what SpanNER nearly takes for an entity there. A run that has a composite
and out-of-fold predictions has an index already: OUTPUT/examples.parquet.

An index goes with the model it was made with. It holds the sentences themselves: publish it only where you may publish them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a composite, or of a SpanNER")
    parser.add_argument("data", metavar="DATA", help="out-of-fold predictions, or a labelled file: best that of the training")
    parser.add_argument("--output", required=True, metavar="FILE", help="the index, a Parquet file")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="windows per forward pass (32)")


def run(options: argparse.Namespace) -> int:
    from hybridner.hybrid import ExampleIndex, require_torch
    from hybridner.hybrid.loading import load_composite

    index = ExampleIndex.build(require_torch(load_composite(options.model)), options.data, batch_size=options.batch_size)
    index.save(options.output)
    entities = sum(example.label != NON_ENTITY for example in index.examples)
    say(f"{entities} entities and {len(index.examples) - entities} spans that are none: {options.output}")
    return 0
