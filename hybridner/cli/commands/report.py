"""`hybridner report`: the paper's tables from stored predictions and recorded answers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hybridner.cli.terminal import say

if TYPE_CHECKING:
    from hybridner.evaluation import Run
    from hybridner.study import Turn

DESCRIPTION = (
    "Tables of a study from stored predictions: members, votes, stackers, score and pool (members), or the composite "
    "with an LLM whose answers were recorded (hybrid). Needs no model."
)
EPILOG = """\
examples:
  hybridner report members study.yaml --predictions predictions --stacker forest --output report
  hybridner report hybrid study.yaml --predictions predictions --answers labels.jsonl --extractions whole.jsonl --output report

The folder of predictions holds SET-SEED-test.parquet and what weights are fitted on: SET-SEED-fold0.parquet and so on (what
`hybridner crossval` makes), else SET-SEED-fresh.parquet (dev sentences that early stopping did not read), else
SET-SEED-dev.parquet; and perhaps training.json, the reports of the trainings. Several seeds of a set become mean and spread.
The study says what the sets are called:
  encoder: bert-base-chinese
  sets:
    cluener: {data: CLUENER, split: dev}
    cmeee: {data: CMeEE, split: dev, decoding: nested, answered: 720}
  caveats: ["The public test sets may have been in the training data of the LLM."]
Answers are JSON lines with set, seed, text, start, end and answer (a label or "Non-Entity"), and perhaps condition; extractions
have set, text and entities.
The report is DIR/comparison.md and DIR/comparison.json, and with matplotlib two plots. Finished runs are kept in DIR/runs: the
same command goes on where it was stopped.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hybridner.ensemble import STACKERS

    parser.add_argument("table", choices=["members", "hybrid"], help="without or with an LLM")
    parser.add_argument("study", metavar="STUDY", help="YAML file about the sets")
    parser.add_argument("--predictions", required=True, metavar="DIR", help="folder of stored predictions")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the report")
    parser.add_argument("--stacker", action="append", default=[], choices=list(STACKERS), help="with members: fit this one too")
    parser.add_argument("--answers", metavar="FILE", help="with hybrid: recorded labels of routed spans")
    parser.add_argument("--extractions", metavar="FILE", help="with hybrid: entities that the LLM alone found in whole sentences")
    parser.add_argument("--baseline", default="majority", metavar="SYSTEM", help="differences are to this system (majority)")


def run(options: argparse.Namespace) -> int:
    from hybridner.cli.commands.compare import write_report
    from hybridner.study import Study, find_turns

    study = Study.load(options.study)
    turns = find_turns(study, options.predictions)
    runs = _members(options, turns) if options.table == "members" else _hybrids(options, turns)
    write_report(runs, options.baseline, Path(options.output), study.caveats if options.table == "hybrid" else ())
    return 0


def _members(options: argparse.Namespace, turns: list[Turn]) -> list[Run]:
    """The runs of an earlier call with the same files and options, or new ones, which are kept."""
    from hybridner.evaluation import Run
    from hybridner.study import members_run

    stackers = tuple(dict.fromkeys(options.stacker))
    runs = []
    for turn in turns:
        path = Path(options.output) / "runs" / f"{turn.name}-{turn.seed}-{turn.digest(stackers)}.json"
        if not path.exists():
            members_run(turn, stackers).save(path)
            say(f"{turn.about.data}, seed {turn.seed}: {path}")
        runs.append(Run.load(path))
    return runs


def _hybrids(options: argparse.Namespace, turns: list[Turn]) -> list[Run]:
    from hybridner.errors import DataError
    from hybridner.study import hybrid_runs, read_answers, read_extractions

    if not options.answers:
        raise DataError("the tables with an LLM need its recorded answers", "--answers")
    answers = read_answers(options.answers)
    extractions = read_extractions(options.extractions) if options.extractions else {}
    answered = [turn for turn in turns if (turn.name, turn.seed) in answers]
    if not answered:
        asked = ", ".join(f"{name}-{seed}" for name, seed in sorted(answers))
        raise DataError(f"holds answers about {asked or 'nothing'}, and there are no such predictions", options.answers)
    return [run for turn in answered for run in hybrid_runs(turn, answers[turn.name, turn.seed], extractions.get(turn.name))]
