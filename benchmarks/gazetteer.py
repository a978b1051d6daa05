"""What a gazetteer of the training data's entities adds to a composite, from stored predictions.

    python -m benchmarks.gazetteer NAME TERMS --fit FILE... --test FILE [--decoding nested] [--own | --list]

TERMS is labelled data whose entities become the terms. FIT and TEST are predictions (Parquet) of the members without a
gazetteer; weights are fitted on FIT with and without it, and both are measured on TEST, which gives no term. A text of TERMS that
also stands in TEST is left out. The figures go into `results/gazetteer.json` under NAME.

Only spans that are candidates in the stored predictions can be voted on; how many gold entities of TEST are terms and no
candidates is counted beside. A surface is seen when the training entities have it, in any spelling and with any label.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hybridner.calibration import fit_settings
from hybridner.data import read_records
from hybridner.data.terms import Term
from hybridner.ensemble import DecisionSettings, Predictions, concat_predictions, decide_predictions, select_entities
from hybridner.evaluation.significance import bootstrap_p, f1_from_counts, interval, resample
from hybridner.gazetteer import Gazetteer, add_cross_fitted, add_gazetteer, build_gazetteer, refit
from hybridner.gazetteer.building import true_labels
from hybridner.spans import Record, Span
from hybridner.text.folding import fold

RESULTS = Path(__file__).parent / "results" / "gazetteer.json"
STRATEGIES = ("majority", "score", "mean", "pool")


def found_spans(predictions: Predictions, settings: DecisionSettings) -> list[set[Span]]:
    """The entities of each record."""
    rows = decide_predictions(predictions, settings)
    return [{Span(c.start, c.end, c.label) for c in select_entities(row)} for row in rows]


def counts(records: Sequence[Record], found: Sequence[set[Span]], keep: Callable[[str], bool] = lambda word: True) -> np.ndarray:
    """[N, 3] correct, predicted and gold entities of each record, of the surfaces to keep."""
    rows = []
    for record, predicted in zip(records, found, strict=True):
        mine = {span for span in predicted if keep(record.text[span.start : span.end])}
        gold = {span for span in record.entities if keep(record.text[span.start : span.end])}
        rows.append((len(mine & gold), len(mine), len(gold)))
    return np.array(rows, dtype=float)


def compare(
    records: Sequence[Record], without: Sequence[set[Span]], with_terms: Sequence[set[Span]], seen: set[str]
) -> dict[str, Any]:
    """F1 in % without and with, over all surfaces, seen ones and unseen ones."""
    figures: dict[str, Any] = {}
    parts: dict[str, Callable[[str], bool]] = {
        "all": lambda word: True,
        "seen": lambda word: fold(word) in seen,
        "unseen": lambda word: fold(word) not in seen,
    }
    for name, keep in parts.items():
        both = np.stack([counts(records, found, keep) for found in (without, with_terms)], axis=1)
        before, after = (100 * f1_from_counts(both.sum(axis=0))).tolist()
        figures[name] = {"without": round(before, 2), "with": round(after, 2), "gold": int(both[:, 0, 2].sum())}
        if name == "all":
            drawn = f1_from_counts(resample(both))
            differences = drawn[:, 1] - drawn[:, 0]
            figures[name]["difference"] = [round(100 * end, 2) for end in interval(differences)]
            figures[name]["p"] = round(bootstrap_p(differences), 4)
    return figures


def describe_terms(gazetteer: Gazetteer, test: Predictions) -> dict[str, Any]:
    """How the terms do on the test texts, and what cannot be reached because it is no candidate."""
    hits = gazetteer.find([record.text for record in test.records])
    right = true_labels(hits, test.records, gazetteer.labels) == hits.labels
    chances = gazetteer.reliability.chances(hits)
    candidates = {tuple(span) for span in test.ballot.spans.tolist()}
    outside = np.array([tuple(place) not in candidates for place in hits.places.tolist()], dtype=bool)
    return {
        "terms": len(gazetteer),
        "hits": len(hits),
        "right": int(right.sum()),
        "mean_chance": round(float(chances.mean()), 4),
        "share_right": round(float(right.mean()), 4),
        "brier": round(float(((chances - right) ** 2).mean()), 4),
        "right_but_no_candidate": int((right & outside).sum()),
    }


def bare_list(records: Sequence[Record]) -> list[Term]:
    """The different entities of the records as a list of terms, such as people have without labelled sentences."""
    pairs = dict.fromkeys((record.text[s.start : s.end].strip(), s.label) for record in records for s in record.entities)
    return [Term(surface, label) for surface, label in pairs if surface]


def measure(terms: Sequence[Record], fit: Predictions, test: Predictions, decoding: str, is_list: bool) -> dict[str, Any]:
    """Everything about one data set."""
    labels = test.labels[1:]
    gazetteer = Gazetteer.from_terms(bare_list(terms), labels) if is_list else build_gazetteer(terms, labels)
    seen = {fold(record.text[s.start : s.end]) for record in terms for s in record.entities}
    without = fit_settings(fit, decoding=decoding)
    with_terms = fit_settings(add_cross_fitted(fit, gazetteer), decoding=decoding)
    if is_list:
        gazetteer = refit(gazetteer, fit.records)
    voting = add_gazetteer(test, gazetteer)
    return {
        "records": {"terms": len(terms), "fit": len(fit), "test": len(test)},
        "terms_are": "a bare list" if is_list else "counted in labelled texts",
        "decoding": decoding,
        "gazetteer": describe_terms(gazetteer, test),
        "strategies": {
            name: compare(
                test.records,
                found_spans(test, replace(without, strategy=name)),
                found_spans(voting, replace(with_terms, strategy=name)),
                seen,
            )
            for name in STRATEGIES
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("terms", nargs="+")
    parser.add_argument("--fit", nargs="+", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--decoding", default="flat")
    parser.add_argument("--own", action="store_true", help="terms only from the texts of FIT that are also in TERMS")
    parser.add_argument("--list", action="store_true", help="terms as a bare list, from texts of TERMS that are not in FIT")
    options = parser.parse_args()
    fit = concat_predictions([Predictions.load(path) for path in options.fit])
    test = Predictions.load(options.test)
    held_out = {record.text for record in test.records}
    terms = [record for path in options.terms for record in read_records(path) if record.text not in held_out]
    if options.own:
        own = {record.text for record in fit.records}
        terms = [record for record in terms if record.text in own]
    if options.list or (not options.own and np.unique(fit.folds).size < 2):
        # Texts that only the weights are fitted on give no term either, as the members have not seen them.
        unread = {record.text for record in fit.records}
        terms = [record for record in terms if record.text not in unread]
    result = {**measure(terms, fit, test, options.decoding, options.list), "about": test.about}
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**known, options.name: result}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
