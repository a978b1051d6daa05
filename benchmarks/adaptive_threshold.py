"""A threshold that follows the stream against fixed ones, on a stream that changes its domain in the middle.

No LLM is asked: counted are the spans a threshold would route, and how many of them the composite has wrong (by gold). The fixed
τ is the one that routes the budget on sentences of the first domain; all results are means over orders of the stream.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import RESULTS, report
from hybridner import AdaptiveThreshold, HybridNerModel
from hybridner.calibration.conformal import conformal_thresholds
from hybridner.calibration.threshold import threshold_for_count
from hybridner.data import read_records
from hybridner.ensemble import FixedThreshold
from hybridner.spans import NON_ENTITY, Record

#: Spans per point of the curve.
WINDOW = 100


@dataclass(frozen=True)
class Spotted:
    """A span that may be routed: its label, its uncertainty, and whether the composite has it wrong."""

    label: str
    uncertainty: float
    wrong: bool


#: Decides about the next span of a domain.
Judge = Callable[[str, Spotted], bool]


def spotted(model: HybridNerModel, records: Sequence[Record]) -> list[list[Spotted]]:
    rows = [list(found.candidates) for found in model.predict([record.text for record in records], batch_size=32)]
    result = []
    for record, row in zip(records, rows, strict=True):
        gold = {(span.start, span.end): span.label for span in record.entities}
        result.append(
            [
                Spotted(c.label, c.uncertainty, gold.get((c.start, c.end), NON_ENTITY) != c.label)
                for c in row
                if c.kind is not None
            ]
        )
    return result


def judges(budget: float, calibration: Sequence[Spotted], steps: Sequence[float]) -> dict[str, Callable[[], Judge]]:
    tau = threshold_for_count([s.uncertainty for s in calibration], round(budget * len(calibration)))
    errors: dict[str, list[float]] = {}
    for s in calibration:
        if s.wrong:
            errors.setdefault(s.label, []).append(s.uncertainty)
    missed = sum(s.wrong and s.uncertainty <= tau for s in calibration) / max(sum(s.wrong for s in calibration), 1)
    by_label = conformal_thresholds(errors, min(max(missed, 0.01), 0.99))

    def fixed() -> Judge:
        return lambda _, s: s.uncertainty > tau

    def capped() -> Judge:
        counts = [0, 0]

        def judge(_: str, s: Spotted) -> bool:
            counts[0] += 1
            routed = s.uncertainty > tau and counts[1] + 1 <= budget * counts[0]
            counts[1] += routed
            return routed

        return judge

    def adaptive(step: float, labels: bool = False, domains: bool = False) -> Callable[[], Judge]:
        def make() -> Judge:
            whole = AdaptiveThreshold(budget, start=FixedThreshold(tau, by_label if labels else {}), step=step)

            def judge(domain: str, s: Spotted) -> bool:
                threshold = whole.for_domain(domain) if domains else whole
                routed = threshold.exceeded(s.label, s.uncertainty)
                threshold.update(s.label, s.uncertainty)
                return routed

            return judge

        return make

    found: dict[str, Callable[[], Judge]] = {"fixed": fixed, "fixed, stopped at the budget": capped}
    found |= {f"adaptive, step {step}": adaptive(step) for step in steps}
    return found | {"adaptive, by label": adaptive(0.1, labels=True), "adaptive, by domain": adaptive(0.1, domains=True)}


def best_possible(part: Sequence[Spotted], budget: float) -> dict[str, float]:
    """Routing exactly the budget of this part, most uncertain first, with all of it known beforehand."""
    taken = sorted(part, key=lambda s: -s.uncertainty)[: round(budget * len(part))]
    return {"share": budget, "caught_per_call": sum(s.wrong for s in taken) / len(taken), "caught": sum(s.wrong for s in taken)}


def pass_through(judge: Judge, parts: Sequence[tuple[str, Sequence[Spotted]]]) -> tuple[list[dict[str, float]], list[float]]:
    """Share routed and wrong ones caught in each part, and the share routed by windows."""
    routed: list[bool] = []
    results = []
    for domain, part in parts:
        mine = [judge(domain, s) for s in part]
        caught = sum(s.wrong for s, taken in zip(part, mine, strict=True) if taken)
        results.append(
            {
                "share": sum(mine) / len(mine),
                "caught_per_call": caught / max(sum(mine), 1),
                "caught": caught / max(sum(s.wrong for s in part), 1),
            }
        )
        routed += mine
    return results, [statistics.mean(routed[at : at + WINDOW]) for at in range(0, len(routed) - WINDOW + 1, WINDOW)]


def mean_of(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.mean(row[name] for row in rows), 4) for name in rows[0]}


def draw(curves: dict[str, list[float]], budget: float, border: int, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, shares in curves.items():
        axes.plot([(at + 0.5) * WINDOW for at in range(len(shares))], [100 * share for share in shares], label=name)
    axes.axhline(100 * budget, color="grey", linestyle="--", linewidth=1)
    axes.axvline(border, color="grey", linewidth=1)
    axes.set(xlabel="spans of the stream", ylabel="routed, %", title=f"budget {budget:.0%}; the domain changes at the line")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("composite")
    parser.add_argument("calibration", help="labelled file of the first domain, for the fixed threshold")
    parser.add_argument("first", help="labelled file: the stream's first domain")
    parser.add_argument("second", help="labelled file: its second")
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.1, 0.2])
    parser.add_argument("--steps", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    parser.add_argument("--orders", type=int, default=20)
    options = parser.parse_args()

    model = HybridNerModel.from_pretrained(options.composite)
    calibration, first, second = (
        spotted(model, read_records(name)) for name in (options.calibration, options.first, options.second)
    )
    figures: dict[str, Any] = {}
    for budget in options.budgets:
        makers = judges(budget, [s for row in calibration for s in row], options.steps)
        rows: dict[str, list[list[dict[str, float]]]] = {name: [] for name in makers}
        curves: dict[str, list[list[float]]] = {name: [] for name in makers}
        for seed in range(options.orders):
            parts = []
            for domain, texts in (("first", first), ("second", second)):
                order = random.Random(seed).sample(texts, len(texts))
                parts.append((domain, [s for row in order for s in row]))
            for name, make in makers.items():
                results, curve = pass_through(make(), parts)
                rows[name].append(results)
                curves[name].append(curve)
        whole = [[s for row in texts for s in row] for texts in (first, second)]
        figures[f"budget {budget}"] = {
            **{name: [mean_of([r[half] for r in rows[name]]) for half in (0, 1)] for name in makers},
            "known beforehand": [best_possible(part, budget) for part in whole],
        }
        if budget == options.budgets[0]:
            means = {name: [statistics.mean(at) for at in zip(*found, strict=True)] for name, found in curves.items()}
            shown = {name: means[name] for name in ("fixed", "fixed, stopped at the budget", "adaptive, step 0.1")}
            draw(shown, budget, len(whole[0]), RESULTS / "adaptive_threshold.png")
    report(
        "adaptive_threshold",
        {
            "files": [
                Path(name).parent.parent.name + "/" + Path(name).name
                for name in (options.calibration, options.first, options.second)
            ],
            "spans": [sum(map(len, part)) for part in (calibration, first, second)],
            "wrong": [sum(s.wrong for row in part for s in row) for part in (calibration, first, second)],
            "orders": options.orders,
            **figures,
        },
    )


if __name__ == "__main__":
    main()
