"""Silver labels of an LLM, likely errors among them, and a few reviewed sentences, against as many gold sentences.

The recorded extractions of an LLM about training sentences are the silver labels, the reviewer is simulated by gold. F1 is that
of the local composite (`score`) on the test set, and on dev sentences, by which variants may be compared. One process for each
set and seed; every condition is written as it is done, and kept when the process is started again.

    python -m benchmarks.bootstrap --set cluener --seed 42 --encoder zh-small --layers 6 --data DATA --answers extractions.jsonl \
        --output runs/bootstrap/cluener-42.json
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from benchmarks.frozen_heads import FrozenTrainer
from benchmarks.side_by_side import machine
from hybridner.adaptation.learn import learn_members
from hybridner.adaptation.selection import doubtful_and_diverse
from hybridner.bootstrap.label_errors import JudgedLabels, corrected, find_label_issues, mark_unsure
from hybridner.bootstrap.local_model import cross_predict, train_local, training_arguments
from hybridner.data import read_records
from hybridner.data.corpora.catalog import label_set
from hybridner.data.feedback import Review, ReviewedEntity
from hybridner.data.sncm.corpus import read_corpus_splits
from hybridner.evaluation import evaluate_systems
from hybridner.hybrid import CompositeModel, HybridNerModel
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import LabelSet, Record, Span
from hybridner.training.recipe import MemberSection

DEV = 400
SIZES = (50, 100)


def load(name: str, data: Path | None) -> tuple[list[Record], list[Record], list[Record], LabelSet]:
    """Train, dev (None of it in train or test), test and labels."""
    if name == "sncm_open":
        splits = {split: [s.record for s in sentences] for split, sentences in read_corpus_splits().items()}
        return splits["train"], splits["validation"], splits["test"], label_set("sncm")
    assert data is not None, "--data is needed for cluener"
    train, test = (read_records(data / "cluener" / f"{split}.json") for split in ("train", "dev"))
    return train, [], test, label_set("cluener")


def silver_of(answers: Path, name: str, train: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """(silver, gold) records of the training sentences that the LLM has annotated."""
    by_text = {record.text: record for record in train}
    silver, gold = [], []
    for line in answers.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        if (item["set"], item["split"]) == (name, "train") and item["text"] in by_text:
            spans = sorted({Span(e["start"], e["end"], e["label"]) for e in item["entities"]})
            gold.append(by_text[item["text"]])
            silver.append(replace(gold[-1], entities=tuple(spans)))
    return silver, gold


def f1(model: CompositeModel, records: Sequence[Record]) -> float:
    return round(100 * evaluate_systems(model, records, ["score"])["strategy:score"].micro.f1, 2)


def agreement(silver: Sequence[Record], gold: Sequence[Record]) -> float:
    """Micro F1 of silver against gold."""
    hits = sum(len(set(s.entities) & set(g.entities)) for s, g in zip(silver, gold, strict=True))
    return round(200 * hits / sum(len(s.entities) + len(g.entities) for s, g in zip(silver, gold, strict=True)), 2)


def reviewed(records: Sequence[Record], gold: Sequence[Record], chosen: Sequence[int]) -> list[Record]:
    """The records with gold in place of the chosen ones."""
    taken = set(chosen)
    return [gold[number] if number in taken else record for number, record in enumerate(records)]


def error_finding(silver: Sequence[Record], gold: Sequence[Record], predictions: Any) -> dict[str, Any]:
    """How good the issues found are, and what gold says about the sentences that would be reviewed."""
    issues = find_label_issues(JudgedLabels.of(predictions))
    right = sum(
        (i.span in gold[i.record].entities) != (i.span in silver[i.record].entities) for i in issues if i.span.label != "O"
    )
    of_entities = sum(i.span.label != "O" for i in issues)
    missed = [i for i in issues if i.span.label == "O"]
    found = sum(Span(i.span.start, i.span.end, i.likely) in gold[i.record].entities for i in missed)
    return {
        "silver_f1": agreement(silver, gold),
        "corrected_f1": agreement(corrected(silver, issues), gold),
        "given_entities": sum(len(record.entities) for record in silver),
        "given_entities_wrong": sum(len(set(s.entities) - set(g.entities)) for s, g in zip(silver, gold, strict=True)),
        "issues_of_entities": of_entities,
        "issues_of_entities_right": right,
        "issues_of_missed": len(missed),
        "issues_of_missed_right": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=("cluener", "sncm_open"), required=True)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--encoder", required=True, help="folder of a pretrained encoder, or tiny for random weights")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--sentences", type=int, help="only the first so many, to try it out")
    parser.add_argument("--folds", type=int, default=5, help="to find likely errors; 0 for none, and random reviews")
    parser.add_argument("--frozen", action="store_true", help="train heads only, of one tagger and SpanNER: minutes on a CPU")
    parser.add_argument("--tested", type=int, help="measure on so many test sentences, drawn at random, and on no dev")
    parser.add_argument("--only", nargs="+", help="conditions to do; by default all")
    options = parser.parse_args()
    logging.set_verbosity_error()

    train, dev, test, labels = load(options.set, options.data)
    silver, gold = silver_of(options.answers, options.set, train)
    silver, gold = silver[: options.sentences], gold[: options.sentences]
    used = {record.text for record in gold}
    rest = [record for record in train if record.text not in used]
    # Gold of other training sentences, to compare variants by; the test set decides nothing.
    dev = dev or random.Random(0).sample(rest, DEV)
    if options.sentences:
        dev, test = dev[: options.sentences], test[: options.sentences]
    if options.tested:
        dev, test = [], random.Random(0).sample(test, min(options.tested, len(test)))
    encoder: Any = options.encoder
    if encoder == "tiny":
        small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
        encoder = {"model_type": "bert", **small}
    pretrained = isinstance(encoder, str)
    members = {
        name: MemberSection(type=name, encoder=encoder, num_hidden_layers=options.layers if pretrained else None)
        for name in (("bert-bilstm-crf", "spanner") if options.frozen else MEMBER_CLASSES)
    }
    arguments = training_arguments(options.seed, options.epochs)
    result: dict[str, Any] = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else {}
    result["about"] = {
        "set": options.set,
        "seed": options.seed,
        "layers": options.layers,
        "epochs": options.epochs,
        "members": list(members),
        "encoder_frozen": options.frozen,
        "folds": options.folds,
        "records": {"silver": len(silver), "dev": len(dev), "test": len(test)},
        "machine": {**machine(), "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"},
    }
    conditions: dict[str, Any] = result.setdefault("conditions", {})
    options.output.parent.mkdir(parents=True, exist_ok=True)

    def keep(name: str, values: dict[str, Any]) -> None:
        conditions[name] = values
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(options.set, options.seed, name, json.dumps(values), flush=True)

    def measure(name: str, model: Callable[[], CompositeModel]) -> None:
        if name in conditions or (options.only and name not in options.only):
            return
        began = time.monotonic()
        trained = model()
        found = {part: f1(trained, records) for part, records in (("dev", dev), ("test", test)) if records}
        keep(name, {**found, "seconds": round(time.monotonic() - began, 1)})

    frozen = FrozenTrainer(members, labels, options.seed, options.epochs)

    def fit(records: Sequence[Record]) -> HybridNerModel:
        return frozen.fit(records) if options.frozen else train_local(members, records, labels, arguments)

    dice = random.Random(options.seed).sample(range(len(silver)), min(max(SIZES), len(silver)))
    if not options.folds:
        measure("silver", lambda: fit(silver))
        measure("gold", lambda: fit(gold))
        for size in SIZES:
            again = [gold[number] for number in dice[:size]] * 2
            chosen = reviewed(silver, gold, dice[:size])
            measure(f"{size} random reviewed three times", lambda c=chosen, a=again: fit([*c, *a]))  # type: ignore[misc]
        return
    began = time.monotonic()
    predictions = cross_predict(fit, silver, options.folds, options.seed, options.output.with_suffix(""))
    keep("error finding", {**error_finding(silver, gold, predictions), "seconds": round(time.monotonic() - began, 1)})
    judged = JudgedLabels.of(predictions)
    issues = find_label_issues(judged)
    doubtful, relabelled = mark_unsure(silver, issues), corrected(silver, issues)
    base = fit(silver)
    measure("silver", lambda: base)
    measure("gold", lambda: fit(gold))
    measure("silver, issues weighted", lambda: fit(doubtful))
    order = doubtful_and_diverse([record.text for record in silver], judged.expected_errors(len(silver)), max(SIZES))
    for size in SIZES:
        own = [gold[number] for number in order[:size]]
        measure(f"{size} reviewed, others weighted", partial(lambda c: fit(reviewed(doubtful, gold, c)), order[:size]))
        measure(
            f"{size} reviewed three times, others weighted",
            partial(lambda c, o: fit([*reviewed(doubtful, gold, c), *o, *o]), order[:size], own),
        )
        others = [record for number, record in enumerate(silver) if number not in set(order[:size])]
        reviews = [Review(r.text, tuple(ReviewedEntity(s, "added") for s in r.entities), True) for r in own]
        if not options.frozen:
            measure(f"{size} reviewed, learn", partial(lambda r, o: learn_members(base, r, o)[0], reviews, others))
        keep(
            f"the {size} reviewed",
            {
                "silver_f1": agreement([silver[n] for n in order[:size]], own),
                "silver_f1_random": agreement([silver[n] for n in dice[:size]], [gold[n] for n in dice[:size]]),
                "all_f1_after": agreement(reviewed(silver, gold, order[:size]), gold),
            },
        )
    measure("silver, issues relabelled", lambda: fit(relabelled))
    for size in SIZES:
        measure(f"only {size} gold", lambda s=size: fit([gold[n] for n in dice[:s]]))  # type: ignore[misc]
        measure(
            f"{size} random reviewed, others weighted",
            lambda s=size: fit(reviewed(doubtful, gold, dice[:s])),  # type: ignore[misc]
        )
        measure(
            f"{size} reviewed, others as they are",
            lambda c=order[:size]: fit(reviewed(silver, gold, c)),  # type: ignore[misc]
        )


if __name__ == "__main__":
    main()
