"""`hybridner learn`: a composite learns from reviewed entities."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from hybridner.cli.console import Terminal
from hybridner.errors import DataError
from hybridner.files import atomic_folder, write_json

_REPORT = "learning.json"

DESCRIPTION = (
    "Update a composite by what people said about its entities: temperature and threshold, how the LLM errs, and "
    "with --members the members themselves."
)
EPILOG = """\
examples:
  hybridner learn runs/mine/composite reviews.jsonl --calibrated-on runs/mine/oof.parquet --output better
  hybridner learn runs/mine/composite reviews.jsonl --llm deepseek-flash --output better
  hybridner learn runs/mine/composite reviews.jsonl --members --replay train.jsonl --output better

A line of reviews.jsonl is a text and what somebody said about its entities:
  {"text": "...", "complete": true, "entities": [
    {"start": 6, "end": 9, "label": "State", "review": "accepted"},
    {"start": 10, "end": 13, "label": "Place", "review": "corrected", "was": {"start": 10, "end": 12, "label": "State"}},
    {"start": 0, "end": 5, "label": "Time", "review": "added"},
    {"start": 16, "end": 19, "label": "System", "review": "deleted", "llm_label": "O"}]}
"complete" says that everything else in the text is no entity; members learn from such texts only.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a composite")
    parser.add_argument("feedback", metavar="FEEDBACK", help="JSON lines of reviewed texts")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the composite that has learned")
    parser.add_argument(
        "--calibrated-on", metavar="FILE", help="out-of-fold predictions the composite was calibrated on (Parquet)"
    )
    parser.add_argument(
        "--share",
        type=float,
        metavar="X",
        help="threshold that routes so many spans for each entity found (default: as many as before)",
    )
    parser.add_argument(
        "--llm", metavar="NAME", help="model whose answers are the reviews' llm_label, by its name in the pipeline"
    )
    parser.add_argument("--members", action="store_true", help="train the members further as well")
    parser.add_argument("--replay", metavar="FILE", help="with --members: data they were trained on, so that it is not forgotten")


def run(options: argparse.Namespace) -> int:
    from hybridner.adaptation.learn import learn
    from hybridner.data import read_records
    from hybridner.data.feedback import VERDICTS, read_feedback
    from hybridner.ensemble import Predictions
    from hybridner.hybrid.loading import load_composite

    console = Terminal()
    model = load_composite(options.model)
    reviews = read_feedback(options.feedback, model.config.labels)
    if options.members and not options.replay:
        raise DataError("members that learn without their old data forget it: give some with --replay", options.feedback)
    if options.llm is None and any(review.llm_answers for review in reviews):
        raise DataError("holds answers of an LLM (llm_label): say which with --llm", options.feedback)
    verdicts = Counter(entity.review for review in reviews for entity in review.entities)
    console.print(f"{len(reviews)} texts: " + ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS))
    temperature, threshold = model.config.temperature, model.config.review_threshold
    model, report = learn(
        model,
        reviews,
        llm=options.llm,
        calibrated_on=Predictions.load(options.calibrated_on) if options.calibrated_on else None,
        replay=read_records(options.replay) if options.members else None,
        share=options.share,
    )
    learned = model.config.review_threshold
    console.print(f"temperature {temperature:.3f} -> {model.config.temperature:.3f}")
    console.print(f"threshold {threshold.value():.3f} -> {learned.value():.3f}")
    for label in learned.by_label:
        console.print(f"  {label}: {threshold.value(label):.3f} -> {learned.value(label):.3f}")
    if options.llm is not None:
        console.print(f"{report['llm_answers']} answers of {options.llm} are known")
    output = Path(options.output)
    with atomic_folder(output) as folder:
        model.save_pretrained(folder)
        write_json(folder / _REPORT, {**report, "verdicts": verdicts})
    console.print(f"written to {output}")
    return 0
