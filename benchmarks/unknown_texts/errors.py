"""How well the probability of error finds wrong entities, against each single measure: in the domain, and beyond it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.unknown_texts.composites import Composite
from benchmarks.unknown_texts.found import FoundText
from benchmarks.unknown_texts.reading import Readings
from benchmarks.unknown_texts.texts import FOREIGN
from hybridner.calibration.logistic import fit_logistic
from hybridner.calibration.reliability import detection, reliability
from hybridner.data.sncm.corpus import read_corpus_splits
from hybridner.ensemble import UNCERTAINTIES, decide_predictions, select_entities
from hybridner.ensemble.ballot import Floats
from hybridner.ensemble.decide import score_candidates
from hybridner.ensemble.error_probability import beyond_the_domain
from hybridner.spans import Span

#: Shares of foreign texts among all, at which probabilities are compared with what happens.
_FOREIGN_SHARES = (0.1, 0.5)
_EPSILON = 1e-4


def entities_of(composite: Composite) -> tuple[dict[str, Floats], np.ndarray, list[int]]:
    """Each measure of the entities found in the test records, whether they are wrong, and the record of each."""
    settings, ballot = composite.settings, composite.test.ballot
    entities = [
        (text, candidate)
        for text, row in enumerate(decide_predictions(composite.test, settings))
        for candidate in select_entities(row)
    ]
    place = {span: number for number, span in enumerate(map(tuple, ballot.spans.tolist()))}
    chosen = [place[text, candidate.start, candidate.end] for text, candidate in entities]
    context = score_candidates(ballot.with_temperature(settings.temperature), settings)
    values = {name: measure(context)[chosen] for name, measure in UNCERTAINTIES.items()}
    gold = [set(record.entities) for record in composite.test.records]
    wrong = np.array([Span(c.start, c.end, c.label) not in gold[text] for text, c in entities])
    return values, wrong, [text for text, _ in entities]


def risk_coverage(uncertainty: Floats, wrong: np.ndarray) -> Floats:
    """[N] the share of wrong ones among the 1, 2, ... N most certain; of equal ones the order of the text."""
    order = np.argsort(uncertainty, kind="stable")
    return np.asarray(wrong[order].cumsum() / np.arange(1, len(wrong) + 1))


def quality(uncertainty: Floats, wrong: np.ndarray) -> dict[str, float]:
    """AUROC, the area under the risk-coverage curve (AURC) and the calibration error (ECE) of a measure taken for P(wrong)."""
    return {
        "auroc": round(detection(uncertainty, wrong).auroc, 4),
        "aurc": round(float(risk_coverage(uncertainty, wrong).mean()), 4),
        "ece": round(reliability(1 - uncertainty, ~wrong)["ece"], 4),
    }


def in_domain(composite: Composite) -> tuple[dict[str, Any], dict[str, Floats]]:
    """The figures of all measures on a set's test records, and risk-coverage curves of 101 points to draw."""
    values, wrong, _ = entities_of(composite)
    grid = np.linspace(0, 1, 101)
    coverage = np.arange(1, len(wrong) + 1) / len(wrong)
    curves = {name: np.interp(grid, coverage, risk_coverage(u, wrong)) for name, u in values.items()}
    figures = {name: quality(u, wrong) for name, u in values.items()}
    return {"entities": len(wrong), "wrong": int(wrong.sum()), "measures": figures}, curves


def _table(found: Sequence[FoundText], gold: Sequence[set[Span]] | None) -> dict[str, Floats]:
    """The entities of texts as columns; all are wrong where there is no gold."""
    rows = []
    for number, text in enumerate(found):
        for e in text.entities:
            is_wrong = gold is None or Span(e.start, e.end, e.label) not in gold[number]
            rows.append((e.error_probability, e.uncertainty, 1 - e.score, e.ood_score, is_wrong))
    names = ("error", "u", "score", "ood", "wrong")
    return {name: np.array(values, dtype=float) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def beyond(readings: Readings) -> dict[str, Any]:
    """The bundled composite on SNCM-open (test) mixed with foreign texts, in which all that is found counts as wrong: its u, the
    probability of error with the rule of the package, and with one that is learned on SNCM-open (validation) and general
    sentences that the detector was not fitted on."""
    known = {}
    for split, sentences in read_corpus_splits().items():
        if split != "train":
            gold = {sentence.record.text: set(sentence.record.entities) for sentence in sentences}
            name = f"known-{split}"
            known[name] = _table(readings.found(name), [gold[text] for text in readings.texts[name]])
    learned = _learned(known["known-validation"], _table(readings.found("left-out"), None))
    strange = {name: _table(readings.found(f"{name}-test"), None) for name in FOREIGN}
    parts = [known["known-test"], *strange.values()]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    is_foreign = np.arange(len(whole["u"])) >= len(parts[0]["u"])
    measures = {
        "1 - score": whole["score"],
        "u of the composite": whole["u"],
        "probability of error without ood_score": _inside(whole),
        "probability of error": whole["error"],
        "probability of error, learned beyond the domain": learned(whole),
    }
    wrong = whole["wrong"] > 0
    figures = {
        name: {
            **quality(u, wrong),
            **{f"ece at {share:.0%} foreign": round(_weighted_ece(u, wrong, is_foreign, share), 4) for share in _FOREIGN_SHARES},
            "ece in domain": quality(u[~is_foreign], wrong[~is_foreign])["ece"],
        }
        for name, u in measures.items()
    }
    return {
        "entities": {"sncm_open": int((~is_foreign).sum()), **{name: len(part["u"]) for name, part in strange.items()}},
        "measures": figures,
    }


def _inside(found: dict[str, Floats]) -> Floats:
    """The probability of error before it rose with `ood_score`."""
    return np.asarray(1 - (1 - found["error"]) / (1 - beyond_the_domain(np.zeros(len(found["ood"])), found["ood"])))


def _learned(known: dict[str, Floats], background: dict[str, Floats]) -> Callable[[dict[str, Floats]], Floats]:
    """P(wrong) by a logistic regression on the probability of error and on how far `ood_score` is beyond 0.95, for equal shares
    of known and foreign entities."""

    def features(found: dict[str, Floats]) -> Floats:
        inside = np.clip(_inside(found), _EPSILON, 1 - _EPSILON)
        return np.stack([np.log(inside / (1 - inside)), np.clip(found["ood"] - 0.95, 0, None), found["ood"] > 0.95], axis=1)

    both = {name: np.concatenate([known[name], background[name]]) for name in known}
    is_foreign = np.arange(len(both["u"])) >= len(known["u"])
    importance = np.where(is_foreign, 0.5 / is_foreign.sum(), 0.5 / (~is_foreign).sum())
    weights, intercept = fit_logistic(features(both), both["wrong"] > 0, importance, 0.001)
    return lambda found: 1 / (1 + np.exp(-(features(found) @ weights + intercept)))


def _weighted_ece(u: Floats, wrong: np.ndarray, is_foreign: np.ndarray, share: float) -> float:
    """The calibration error where so large a share of the entities is from foreign texts."""
    weight = np.where(is_foreign, share / is_foreign.sum(), (1 - share) / (~is_foreign).sum())
    place = np.minimum((u * 10).astype(int), 9)
    return float(sum(abs((weight * (u - wrong))[place == tenth].sum()) for tenth in range(10)))


def draw(curves: dict[str, dict[str, Floats]], path: Path) -> None:
    """Risk against coverage, one small picture a set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = {"spanner": ("1 - max p (paper)", "tab:gray"), "score": ("1 - score", "tab:blue"), "error": ("error", "tab:red")}
    figure, axes = pyplot.subplots(2, 4, figsize=(14, 6.4), sharex=True)
    for axis, (name, found) in zip(axes.flat, curves.items(), strict=False):
        for measure, (label, color) in shown.items():
            axis.plot(np.linspace(0, 100, 101)[2:], 100 * found[measure][2:], label=label, color=color, linewidth=1.4)
        axis.set_title(name)
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    for axis in axes.flat[len(curves) :]:
        axis.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    axes.flat[-1].legend(handles, labels, loc="center", title="u")
    figure.supxlabel("coverage: share of the entities kept, the most certain first (%)")
    figure.supylabel("risk: share of wrong ones among them (%)")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
