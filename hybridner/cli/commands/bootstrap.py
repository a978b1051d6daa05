"""`hybridner bootstrap`: a first local model of a new domain, from definitions of labels and raw text."""

from __future__ import annotations

import argparse

from hybridner.cli.arguments import LLM_FILE
from hybridner.cli.terminal import say

DESCRIPTION = (
    "Make a first local model from raw text: an LLM annotates a diverse sample twice, members learn from what it says, and the "
    "most doubtful sentences go into a review queue."
)
EPILOG = f"""\
examples:
  hybridner bootstrap --labels labels.yaml --text raw.txt --llm llm.yaml --encoder hfl/chinese-macbert-base --output runs/new
  hybridner learn runs/new/composite reviewed.jsonl --members --replay runs/new/silver.jsonl --output runs/better   # or so

labels.yaml names, titles and describes the entity types: domain: ..., labels: [{{name: ..., title: ..., description: ...}}].
Before anything is asked the plan with calls, tokens and price is shown: give the same command with --yes to go on, and with
--reviewed FILE once the review queue has been corrected. OUTPUT gets
  silver.jsonl   the sentences with the LLM's entities, and where its two prompts differ
  oof.parquet    what members trained on the others say about each, by which likely errors are found
  composite      the model, trained with less weight on what is unsure
  review.jsonl   the most doubtful sentences, unlike each other: correct their entities and give each line "complete": true
A job that was stopped goes on when the same command is given again; answers of the LLM are kept.

{LLM_FILE}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--labels", required=True, metavar="SET", help="YAML file of the label set, or a known data set's name")
    parser.add_argument("--text", required=True, nargs="+", metavar="FILE", help="raw text: lines, or JSON lines with a text")
    parser.add_argument("--llm", required=True, metavar="FILE", help="YAML file: verifier and settings of the LLM")
    parser.add_argument("--encoder", required=True, metavar="ENCODER", help="folder or Hub id of a pretrained encoder")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the job")
    parser.add_argument("--sentences", type=int, default=400, metavar="N", help="sentences that the LLM annotates (400)")
    parser.add_argument("--review", type=int, default=50, metavar="N", help="sentences in the review queue (50)")
    parser.add_argument("--layers", type=int, metavar="N", help="keep only the first layers of the encoder")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the sentences (default: by their number)")
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="of the sample, the folds and training (42)")
    parser.add_argument("--guidelines", metavar="FILE", help="annotation guidelines that the LLM is shown")
    parser.add_argument("--reviewed", metavar="FILE", help="corrected sentences of the queue: train again with them")
    parser.add_argument("--yes", action="store_true", help="ask the LLM; without it only the plan is shown")


def run(options: argparse.Namespace) -> int:
    from pathlib import Path

    from hybridner.bootstrap import Bootstrap, BootstrapSettings
    from hybridner.cli.texts import read_texts
    from hybridner.data.feedback import read_feedback
    from hybridner.data.labels import as_label_set
    from hybridner.errors import DataError
    from hybridner.llm import LlmSettings, as_verifier
    from hybridner.llm.llm_file import read_llm_file
    from hybridner.pipeline.definitions import find_sentences

    labels = as_label_set(options.labels)
    llm = read_llm_file(options.llm)
    chosen = {name: getattr(options, name) for name in ("sentences", "review", "layers", "epochs", "seed", "guidelines")}
    texts = list(read_texts([], options.text))
    examples = None if llm.examples is None else find_sentences(llm.examples)
    job = Bootstrap(Path(options.output), labels, texts, BootstrapSettings(options.encoder, **chosen), examples)
    verifier, settings = as_verifier(llm.verifier), LlmSettings(**llm.settings)
    plans = job.plan(verifier, settings)
    for number, plan in enumerate(plans, 1):
        say(f"prompt {number} of {len(plans)}, {len(job.sample)} sentences: {plan}")
    if any(plan.usage.calls for plan in plans) and not options.yes:
        say("nothing was asked; give --yes to go on")
        return 0
    silver = job.annotate(verifier, settings)
    weighted, predictions = job.find_errors(silver)
    folder = job.train(weighted)
    queue = job.write_review(silver, predictions)
    say(f"first model: {folder}\nto review: {queue}")
    if options.reviewed:
        complete = [review.record for review in read_feedback(options.reviewed, labels) if review.complete]
        if not complete:
            raise DataError('no sentence was gone through completely ("complete": true)', options.reviewed)
        say(f"model with {len(complete)} reviewed sentences: {job.train(weighted, complete)}")
    return 0
