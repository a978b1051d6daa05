"""`hybridner guidelines`: annotation guidelines out of labelled data."""

from __future__ import annotations

import argparse

from hybridner.cli.arguments import LLM_FILE
from hybridner.cli.terminal import say

DESCRIPTION = (
    "Write down how a data set is annotated: for each label what is typical, what is taken in and left out at the borders, "
    "what is marked at its first mention only or never, with counts. Made without an LLM."
)
EPILOG = f"""\
examples:
  hybridner guidelines runs/mine/oof.parquet --output guidelines.txt
  hybridner guidelines train.jsonl --labels labels.yaml --output guidelines.txt
  hybridner guidelines train.jsonl --polish llm.yaml --output guidelines.txt --dry-run

The text has a section in Chinese and one in English. Read it and edit it: it is yours. Every prompt of an LLM shows it with
  ner(texts, llm=..., llm_settings={{"guidelines": "guidelines.txt"}})
or, in a YAML file for --llm, under settings: guidelines: guidelines.txt. Out-of-fold predictions (`hybridner crossval`) show in
addition what is easily mistaken. It quotes words of the data: publish it only where you may publish them.

{LLM_FILE}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="labelled file, or out-of-fold predictions")
    parser.add_argument("--labels", metavar="SET", help="label set with titles: cluener, cmeee, msra, sncm or a YAML file")
    parser.add_argument("--polish", metavar="FILE", help="YAML file of an LLM that puts it in better words, adding nothing")
    parser.add_argument("--dry-run", action="store_true", help="with --polish: only say what asking would cost")
    parser.add_argument("--output", required=True, metavar="FILE", help="the guidelines, a text file")


def run(options: argparse.Namespace) -> int:
    from pathlib import Path

    from hybridner.data import read_records
    from hybridner.data.formats.columns import is_parquet
    from hybridner.data.labels import load_label_set
    from hybridner.ensemble import Predictions
    from hybridner.errors import DataError
    from hybridner.files import write_text
    from hybridner.guidelines import find_habits, plan_polish, polish, write_guidelines
    from hybridner.llm import as_verifier, load_prices
    from hybridner.llm.llm_file import read_llm_file

    if options.dry_run and not options.polish:
        raise DataError("only asking an LLM is planned; give one with --polish", "--dry-run")
    path = Path(options.data)
    predicted = is_parquet(path) and Predictions.stored_in(path)
    source = Predictions.load(path) if predicted else read_records(path)
    verifier = as_verifier(read_llm_file(options.polish).verifier) if options.polish else None
    labels = load_label_set(options.labels, source.records if isinstance(source, Predictions) else source)
    habits = find_habits(source)
    text = write_guidelines(habits, labels)
    if verifier is not None and options.dry_run:
        used, price = plan_polish(text), load_prices().get(verifier.model)
        money = f"about {price.of(used):.4f} {price.currency}" if price else "price unknown"
        say(f"{used.calls} calls, about {used.prompt_tokens:,} tokens in and at most {used.completion_tokens:,} out, {money}")
        return 0
    if verifier is not None:
        text = polish(text, labels.names, verifier)
    write_text(options.output, text)
    say(f"guidelines from {habits.entities:,} entities of {habits.records:,} texts: {options.output}")
    return 0
