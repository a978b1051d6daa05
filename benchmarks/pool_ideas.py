"""Other ways to decide than the pool, judged by cross-fitting inside the fitting parts; test parts lend only the order of labels.

    python -m benchmarks.pool_ideas PREDICTIONS [--study benchmarks/study.yaml]

Averages of strategies are means of their distributions. "semi-Markov" turns the pool's log-odds w of each candidate into the
marginals of P(entities) ∝ exp(sum of a·w + b) over all sets of candidates that do not overlap, so that rivals for the same
characters know of each other (Sarawagi and Cohen, 2004); a, b and the cut are fitted on the other folds. Flat sets only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.side_by_side import report
from benchmarks.study_turns import turns_of
from hybridner.calibration import fit_settings
from hybridner.data import assign_folds
from hybridner.ensemble import COMBINERS, Predictions
from hybridner.ensemble.ballot import Floats, Integers
from hybridner.spans import RESOLVERS
from hybridner.study import Turn

#: Sentences of each fitting part, drawn with the seed 0, and of those that the semi-Markov numbers are fitted on.
MOST, MOST_MARKOV, FOLDS = 1200, 300, 5
STRATEGIES = ("majority", "f1", "class_f1", "score", "mean", "pool")
AVERAGES = (("pool", "score"), ("pool", "mean"), ("score", "mean"), ("pool", "score", "mean"))
SLOPES, OFFSETS = (0.7, 0.85, 1.0, 1.15), (0.0, 0.25, 0.5, 0.75)
CUTS = np.arange(0.2, 0.56, 0.03)


@dataclass(frozen=True)
class Sentence:
    """Where the candidates of one sentence lie among all, and their spans."""

    low: int
    spans: list[tuple[int, int]]


def sentences(predictions: Predictions) -> Iterator[Sentence]:
    spans = predictions.ballot.spans
    for low, high in pairwise(np.searchsorted(spans[:, 0], np.arange(len(predictions) + 1)).tolist()):
        yield Sentence(low, [(start, end) for _, start, end in spans[low:high].tolist()])


def best_label(scores: Floats) -> tuple[Integers, Floats]:
    """[C] the best label that is not O, and its log-odds against O."""
    label = scores[:, 1:].argmax(axis=1) + 1
    return label, scores[np.arange(len(scores)), label] - scores[:, 0]


def chosen(predictions: Predictions, weights: Floats, decoding: str) -> list[int]:
    """Numbers of the candidates that become entities; none of a weight below 0."""
    return [
        s.low + index
        for s in sentences(predictions)
        for index in RESOLVERS[decoding](s.spans, weights[s.low : s.low + len(s.spans)].tolist())
    ]


def marginals(spans: Sequence[tuple[int, int]], weights: Floats) -> Floats:
    """[n] P(candidate is an entity) where P(set) ∝ exp(sum of weights) over the sets whose members do not overlap."""
    before = _sums(spans, weights)
    after = _sums([(-end, -start) for start, end in spans], weights)
    total = before(max(end for _, end in spans))
    return np.array([np.exp(before(s) + w + after(-e) - total) for (s, e), w in zip(spans, weights, strict=True)])


def _sums(spans: Sequence[tuple[int, int]], weights: Floats) -> Any:
    """ln of the sum over the sets that end at a position or before, as a function of the position."""
    order = sorted(range(len(spans)), key=lambda number: spans[number][1])
    ends = [spans[number][1] for number in order]
    sums = [0.0]

    def until(position: int) -> float:
        return sums[int(np.searchsorted(ends, position, side="right"))]

    for number in order:
        # Of the sums so far, those that end where this candidate begins; ends beyond them are not filled yet and not asked for.
        sums.append(float(np.logaddexp(sums[-1], until(spans[number][0]) + weights[number])))
    return until


def markov_marginals(predictions: Predictions, odds: Floats, slope: float, offset: float) -> Floats:
    """[C] of all candidates."""
    weights, found = slope * odds + offset, np.zeros(len(odds))
    for s in sentences(predictions):
        if s.spans:
            part = slice(s.low, s.low + len(s.spans))
            found[part] = marginals(s.spans, weights[part])
    return np.clip(found, 1e-6, 1 - 1e-6)


def fit_markov(predictions: Predictions, scores: Floats, decoding: str) -> tuple[float, float, float]:
    """Slope and offset of the largest likelihood of the candidates, and the cut of the highest expected F1."""
    label, odds = best_label(scores)
    right = predictions.gold == label

    def likelihood(pair: tuple[float, float]) -> float:
        found = markov_marginals(predictions, odds, *pair)
        return float(np.log(np.where(right, found, 1 - found)).sum())

    slope, offset = max(product(SLOPES, OFFSETS), key=likelihood)
    found = markov_marginals(predictions, odds, slope, offset)
    total = sum(len(record.entities) for record in predictions.records)

    def expected_f1(cut: float) -> float:
        kept = chosen(predictions, found - cut, decoding)
        return float(2 * found[kept].sum() / (len(kept) + total))

    return slope, offset, max(CUTS.tolist(), key=expected_f1)


def decided(train: Predictions, test: Predictions, decoding: str) -> dict[str, tuple[int, int]]:
    """Right entities and all entities of the held-out fold, by every way of deciding."""
    weights = fit_settings(train, (), decoding).weights
    assert weights is not None
    with np.errstate(divide="ignore"):
        logs = {name: np.clip(COMBINERS[name](test.ballot, weights), -30.0, 0.0) for name in STRATEGIES}
    for names in AVERAGES:
        logs[" + ".join(names)] = np.log(np.mean([np.exp(logs[name]) for name in names], axis=0) + 1e-13)
    ways = {name: best_label(scores) for name, scores in logs.items()}
    if decoding == "flat":
        some = train.select_records(np.arange(0, len(train), max(1, len(train) // MOST_MARKOV)))
        slope, offset, cut = fit_markov(some, weights.pool.scores(some.ballot), decoding)
        label, odds = best_label(weights.pool.scores(test.ballot))
        ways["semi-Markov"] = label, markov_marginals(test, odds, slope, offset) - cut
    kept = {name: chosen(test, values, decoding) for name, (_, values) in ways.items()}
    return {name: (int((test.gold[rows] == ways[name][0][rows]).sum()), len(rows)) for name, rows in kept.items()}


def measure(turn: Turn) -> dict[str, Any]:
    everything = turn.fitting
    if len(everything) > MOST:
        everything = everything.select_records(np.sort(np.random.default_rng(0).permutation(len(everything))[:MOST]))
    folds = np.array(assign_folds(everything.records, FOLDS, 0))
    counts: dict[str, list[tuple[int, int]]] = {}
    for fold in range(FOLDS):
        train, test = (everything.select_records(np.flatnonzero(rows)) for rows in (folds != fold, folds == fold))
        for name, pair in decided(train, test, turn.about.decoding).items():
            counts.setdefault(name, []).append(pair)
    total = sum(len(record.entities) for record in everything.records)
    f1 = {
        name: round(100 * 2 * sum(right for right, _ in pairs) / (sum(found for _, found in pairs) + total), 2)
        for name, pairs in counts.items()
    }
    return {"sentences": len(everything), "entities": total, "f1": f1}


def main() -> None:
    study, turns = turns_of(__doc__)
    found: dict[str, dict[str, Any]] = {}
    for turn in turns:
        found.setdefault(turn.name, {})[str(turn.seed)] = measure(turn)
        print(turn.name, turn.seed, found[turn.name][str(turn.seed)], flush=True)
    means = {name: _means([run["f1"] for run in seeds.values()]) for name, seeds in found.items()}
    ways = list(dict.fromkeys(way for f1 in means.values() for way in f1))
    # Sets count alike, however many seeds they have; semi-Markov is compared on the sets that it can decide.
    gains = {way: round(fmean(f1[way] - f1["pool"] for f1 in means.values() if way in f1), 2) for way in ways}
    report("pool", {"encoder": study.encoder, "folds": FOLDS, "sets": found, "means": means, "gain_over_pool": gains})


def _means(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {way: round(fmean(run[way] for run in runs), 2) for way in runs[0]}


if __name__ == "__main__":
    main()
