"""F1 with and without repairing what contradicts the SNCM ontology, from stored predictions.

    python -m benchmarks.consistency NAME --fit FILE... --test FILE [--corpus FOLDER]

Sentences of one document (group) are checked together. With the marked-up corpus the annotated relations of each sentence are
taken as known: an upper bound of what a relation extractor could bring. Contradictions among the annotated entities are counted
beside: a rule that gold breaks cannot help everywhere. The figures go into `results/consistency.json` under NAME.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gazetteer import counts
from hybridner.calibration import fit_settings
from hybridner.data.relations import LabelledRelation, relations_of
from hybridner.data.sncm.corpus import read_corpus_splits
from hybridner.ensemble import Candidate, Predictions, concat_predictions, decide_predictions, select_entities
from hybridner.evaluation.significance import bootstrap_p, f1_from_counts, interval, resample
from hybridner.hybrid.consistency import SNCM_OPEN, Consistency, KnownRelation, Mention
from hybridner.spans import Record, Span

RESULTS = Path(__file__).parent / "results" / "consistency.json"
STRATEGIES = ("score", "pool")


def documents(records: Sequence[Record]) -> list[list[int]]:
    """The numbers of the records of each document."""
    found: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        found.setdefault(record.group or record.id, []).append(number)
    return list(found.values())


def known(records: Sequence[Record], relations: Sequence[LabelledRelation]) -> list[KnownRelation]:
    """The relations of these records, as mentions of their entities."""
    number = {record.id: place for place, record in enumerate(records)}
    return [
        KnownRelation(
            Mention(number[r.record], r.head.start, r.head.end), Mention(number[r.record], r.tail.start, r.tail.end), r.type
        )
        for r in relations
        if r.record in number
    ]


def as_candidates(record: Record, labels: Sequence[str]) -> list[Candidate]:
    """Gold entities as candidates that are sure."""
    return [
        Candidate(s.start, s.end, s.label, True, tuple(float(name == s.label) for name in labels), 1.0, 0.0, {})
        for s in record.entities
    ]


def measure(fit: Predictions, test: Predictions, relations: Sequence[LabelledRelation]) -> dict[str, Any]:
    """Contradictions and F1 in %, before and after."""
    rules, settings = Consistency.of(SNCM_OPEN, test.labels), fit_settings(fit)
    groups = documents(test.records)
    gold = sum(
        len(rules.find([test.records[n].text for n in group], [as_candidates(test.records[n], test.labels) for n in group]))
        for group in groups
    )
    result: dict[str, Any] = {"records": len(test), "documents": len(groups), "relations": len(relations), "in_gold": gold}
    for strategy in STRATEGIES:
        rows = decide_predictions(test, replace(settings, strategy=strategy))
        systems = {"without": rows, "surfaces": list(rows), "surfaces and relations": list(rows)}
        found = {"surface": 0, "relation": 0}
        for group in groups:
            records = [test.records[n] for n in group]
            texts, candidates, related = [r.text for r in records], [rows[n] for n in group], known(records, relations)
            for one in rules.find(texts, candidates, related):
                found[one.kind] += 1
            for name, given in (("surfaces", []), ("surfaces and relations", related)):
                for place, row in zip(group, rules.repair(texts, candidates, given), strict=True):
                    systems[name][place] = row
        spans = {n: [{Span(c.start, c.end, c.label) for c in select_entities(row)} for row in r] for n, r in systems.items()}
        both = np.stack([counts(test.records, one) for one in spans.values()], axis=1)
        drawn = f1_from_counts(resample(both))
        result[strategy] = {"contradictions": found}
        for place, (name, f1) in enumerate(zip(spans, (100 * f1_from_counts(both.sum(axis=0))).tolist(), strict=True)):
            differences = drawn[:, place] - drawn[:, 0]
            changed = sum(len(before ^ after) // 2 for before, after in zip(spans["without"], spans[name], strict=True))
            result[strategy][name] = {
                "f1": round(f1, 2),
                "changed": changed,
                "difference": [round(100 * end, 2) for end in interval(differences)],
                "p": round(bootstrap_p(differences), 4),
            }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--fit", nargs="+", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--corpus", type=Path)
    options = parser.parse_args()
    relations = list(relations_of(read_corpus_splits(options.corpus)["test"])) if options.corpus else []
    fit = concat_predictions([Predictions.load(path) for path in options.fit])
    test = Predictions.load(options.test)
    result = {**measure(fit, test, relations), "about": test.about}
    old = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**old, options.name: result}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
