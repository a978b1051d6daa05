"""`hybridner suggest`: which texts to annotate next."""

from __future__ import annotations

import argparse

from hybridner.cli.terminal import print_json
from hybridner.cli.texts import read_texts as read_input
from hybridner.errors import DataError

DESCRIPTION = "Choose texts that the model is unsure of and that are unlike each other: annotated, they teach it most."
EPILOG = """\
examples:
  hybridner suggest runs/mine/composite unlabelled.txt --count 50 > next.jsonl

Each line of the output is a text with the entities that the model finds in it, most useful text first. Correct them for
`hybridner adapt`, or give each entity a "review" for `hybridner learn`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a composite or an adapter")
    parser.add_argument("texts", metavar="FILE", help='texts to choose from: one a line, or JSON lines with a "text" each')
    parser.add_argument("--count", type=int, default=50, metavar="N", help="how many texts (50)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="windows per forward pass (32)")


def run(options: argparse.Namespace) -> int:
    from hybridner.adaptation.selection import next_to_annotate
    from hybridner.ensemble import select_entities
    from hybridner.hybrid.loading import load_composite

    model = load_composite(options.model)
    texts = list(dict.fromkeys(text for text in read_input([], [options.texts]) if text.strip()))
    if not texts:
        raise DataError("holds no text", options.texts)
    predictions = model.predict(texts, batch_size=options.batch_size)
    candidates, ood_scores = [found.candidates for found in predictions], [found.ood_score for found in predictions]
    for number in next_to_annotate(texts, candidates, options.count, ood_scores):
        found = [
            {"start": c.start, "end": c.end, "label": c.label, "uncertainty": round(c.uncertainty, 4)}
            for c in select_entities(candidates[number])
        ]
        score = ood_scores[number]
        known = {} if score is None else {"ood_score": round(score, 4)}
        print_json({"text": texts[number], **known, "entities": found})
    return 0
