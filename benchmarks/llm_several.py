"""Recorded answers of an LLM replayed: doubtful spans asked about one by one, and overlapping candidates of a sentence at once.

The confusion matrix of each form is fitted on some of the sentences and scored on the others, five-fold, over many splits.

  python -m benchmarks.llm_several PREDICTIONS ANSWERS --fit PREDICTIONS/cluener-42-fold*.parquet
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.llm_member import Sample, Sentence, _cost, _f1, _pairs, _spans
from benchmarks.side_by_side import RESULTS
from hybridner.calibration import fit_settings
from hybridner.data import label_set
from hybridner.ensemble import Predictions, concat_predictions, decide_predictions
from hybridner.llm import ConfusionMatrix
from hybridner.spans import LabelSet

_SPLITS, _FOLDS = 10, 5


def scored(sample: Sample) -> tuple[float, float]:
    """Mean and standard deviation of the cross-fitted F1 with `bayes`."""
    values = []
    for seed in range(_SPLITS):
        found, gold = [], []
        for fold in np.array_split(np.random.default_rng(seed).permutation(len(sample.sentences)), _FOLDS):
            held = set(fold.tolist())
            fitting = [one for number, one in enumerate(sample.sentences) if number not in held]
            matrix = ConfusionMatrix.fit([pair for one in fitting for pair in _pairs(one, one.candidates)], sample.names)
            for number in held:
                one = sample.sentences[number]
                found.append(_spans(sample.verify(one, one.candidates, matrix)))
                gold.append(one.gold)
        values.append(_f1(found, gold))
    return round(float(np.mean(values)), 2), round(float(np.std(values)), 2)


def read_answers(path: Path) -> dict[str, dict[tuple[int, int], str]]:
    """The answers about each text by span: single ones without examples, or those of whole sentences."""
    answers: dict[str, dict[tuple[int, int], str]] = {}
    for line in path.read_text("utf-8").splitlines():
        one = json.loads(line)
        if one["set"] == "cluener" and one.get("condition", "zero-shot") == "zero-shot":
            for item in one.get("candidates", [one]):
                label = "O" if item["answer"] == "Non-Entity" else item["answer"]
                answers.setdefault(one["text"], {})[item["start"], item["end"]] = label
    return answers


def samples(options: argparse.Namespace) -> dict[str, Sample]:
    fit = concat_predictions([Predictions.load(path) for path in options.fit])
    settings = replace(fit_settings(fit), strategy="pool", uncertainty="score")
    single = read_answers(options.answers / "labels.jsonl")
    several = read_answers(options.answers / "boundaries.jsonl")
    test = Predictions.load(options.predictions / "cluener-42-test.parquet")
    rows = {record.text: row for row, record in enumerate(test.records) if record.text in several}
    test = test.select_records(list(rows.values()))
    known = label_set("cluener")
    by_name = {label.name: label for label in known.labels}
    labels = LabelSet(tuple(by_name[name] for name in test.labels[1:]), known.domain)
    decided = decide_predictions(test, settings)

    def sample(answers: dict[str, dict[tuple[int, int], str]]) -> Sample:
        pairs: Sequence[Sentence] = [
            Sentence(record.text, row, [], record.entities, answers.get(record.text, {}))
            for record, row in zip(test.records, decided, strict=True)
        ]
        return Sample(pairs, labels, "flat")

    # Of the overlapping candidates only those that were in doubt, asked about side by side.
    routed = {
        text: {place: said for place, said in spans.items() if place in single.get(text, {})} for text, spans in several.items()
    }
    return {
        "composite": sample({}),
        "one span a question": sample(single),
        "all overlapping candidates in one question": sample(several),
        "of that, the answers about doubtful spans": sample(routed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("predictions", type=Path, help="folder of predictions, cluener-42-test.parquet among them")
    parser.add_argument("answers", type=Path, help="folder of recorded answers: labels.jsonl, boundaries.jsonl")
    parser.add_argument("--fit", nargs="+", required=True, help="predictions that the combiner is fitted on")
    figures = {}
    for name, sample in samples(parser.parse_args()).items():
        f1, spread = scored(sample)
        asked = sum(len(one.answers) for one in sample.sentences)
        together = name != "one span a question"
        cost = _cost([sample.cost_of_verify(one, one.candidates, several=together) for one in sample.sentences])
        figures[name] = {"f1": f1, "sd": spread, "spans": asked, **cost}
        print(f"{name:45}{figures[name]}")
    (RESULTS / "llm_several.json").write_text(json.dumps({"sentences": len(sample.sentences), "ways": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
