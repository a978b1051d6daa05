"""What a verifier of a given accuracy would bring: F1 against the share routed, simulated, never to be read as a measurement."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from hybridner.ensemble.candidates import Candidate
from hybridner.llm.confusion import ConfusionMatrix
from hybridner.llm.fusion import FUSIONS, FusionResult, resolve_again
from hybridner.llm.routing import route
from hybridner.spans import LabelSet, Span

#: τ from 1 (nothing routed) down to 0 (all that are not certain).
THRESHOLDS = tuple(step / 20 for step in range(20, -1, -1))
ACCURACIES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class SimulatedPoint:
    """Result at one threshold: share of all candidates routed in [0, 1], and micro F1 in [0, 1]."""

    threshold: float
    share: float
    f1: float


@dataclass(frozen=True, slots=True)
class SimulatedCurve:
    """What a simulated verifier would bring: answers are drawn around gold, no LLM was asked.

    Attributes:
        accuracy: of the verifier, 0 to 1.
        fusion: how its answers are used.
        points: by falling threshold.

    Examples:
        >>> from hybridner.ensemble import DecisionSettings, decide_predictions
        >>> candidates = decide_predictions(predictions, DecisionSettings())
        >>> gold = [record.entities for record in predictions.records]
        >>> (curve,) = simulate(candidates, gold, LabelSet.of(predictions.labels[1:]), accuracies=[1.0], thresholds=[0.0])
        >>> curve.points
        (SimulatedPoint(threshold=0.0, share=1.0, f1=1.0),)
    """

    accuracy: float
    fusion: str
    points: tuple[SimulatedPoint, ...]


def simulate(
    candidates: Sequence[Sequence[Candidate]],
    gold: Sequence[Sequence[Span]],
    labels: LabelSet,
    *,
    fusion: str = "bayes",
    decoding: str = "flat",
    thresholds: Sequence[float] = THRESHOLDS,
    accuracies: Sequence[float] = ACCURACIES,
    seed: int = 0,
) -> list[SimulatedCurve]:
    """One curve for each accuracy.

    A simulated verifier gives the gold label of a candidate (O where gold has no such span) with probability `accuracy`, else one
    of the other K labels, each as likely. Its answer to a candidate is the same at every threshold. "bayes" is told the accuracy.

    Args:
        candidates: of each text, as `decide` returns them.
        gold: gold spans of each text.
        labels: the K entity types.
        fusion, decoding: as in `LlmSettings`.
        thresholds, accuracies: values in [0, 1].
        seed: of the random answers.

    Examples:
        >>> from hybridner.ensemble import DecisionSettings, decide_predictions
        >>> candidates = decide_predictions(predictions, DecisionSettings())
        >>> gold = [record.entities for record in predictions.records]
        >>> curves = simulate(candidates, gold, LabelSet.of(predictions.labels[1:]), accuracies=[0.9])
        >>> curves[0].accuracy
        0.9
    """
    names = labels.with_outside
    position = {name: index for index, name in enumerate(names)}
    truth = [
        [position[known.get((c.start, c.end), names[0])] for c in row]
        for row, known in zip(candidates, ({(s.start, s.end): s.label for s in spans} for spans in gold), strict=True)
    ]
    total = sum(map(len, candidates))
    curves: list[SimulatedCurve] = []
    for accuracy in accuracies:
        # The same numbers for each accuracy: a better verifier then is right wherever a worse one is.
        dice = random.Random(seed)
        answers = [[_draw(label, len(names), accuracy, dice) for label in row] for row in truth]
        matrix = ConfusionMatrix.from_accuracy(accuracy, names)
        fused = [
            [FUSIONS[fusion](c.distribution, position[c.label], answer, matrix) for c, answer in zip(row, given, strict=True)]
            for row, given in zip(candidates, answers, strict=True)
        ]
        points: list[SimulatedPoint] = []
        for threshold in thresholds:
            routed = route(candidates, threshold)
            chosen: list[dict[int, FusionResult]] = [{} for _ in candidates]
            for item in routed:
                chosen[item.text][item.index] = fused[item.text][item.index]
            final = [resolve_again(row, new, names, decoding) for row, new in zip(candidates, chosen, strict=True)]
            points.append(SimulatedPoint(threshold, len(routed) / total if total else 0.0, _micro_f1(final, gold)))
        curves.append(SimulatedCurve(accuracy, fusion, tuple(points)))
    return curves


def _draw(label: int, size: int, accuracy: float, dice: random.Random) -> int:
    """The true label or, at equal chances, one of the others; always uses up two random numbers."""
    right, other = dice.random() < accuracy, dice.randrange(size - 1)
    return label if right else other + (other >= label)


def _micro_f1(candidates: Sequence[Sequence[Candidate]], gold: Sequence[Sequence[Span]]) -> float:
    found = [{Span(c.start, c.end, c.label) for c in row if c.is_entity} for row in candidates]
    right = sum(len(spans & set(known)) for spans, known in zip(found, gold, strict=True))
    size = sum(map(len, found)) + sum(len(set(known)) for known in gold)
    return 2.0 * right / size if size else 0.0


def draw_curves(curves: Sequence[SimulatedCurve], title: str = "") -> str:
    """An SVG picture: F1 over the share of candidates routed, one line for each accuracy, marked as a simulation.

    Args:
        curves: as `simulate` gives them.
        title: above the picture.

    Returns:
        the SVG.

    Examples:
        >>> svg = draw_curves([SimulatedCurve(0.9, "bayes", ())], "my data")
        >>> "Simulation, no LLM was asked: my data" in svg
        True
    """
    width, height, left, right, top, bottom = 720, 440, 64, 120, 56, 52
    values = [point.f1 for curve in curves for point in curve.points]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    low, high = max(0.0, low - 0.02), min(1.0, high + 0.02)

    def x(share: float) -> float:
        return left + share * (width - left - right)

    def y(f1: float) -> float:
        return height - bottom - (f1 - low) / ((high - low) or 1.0) * (height - top - bottom)

    def words(at_x: float, at_y: float, content: str, anchor: str = "middle") -> str:
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'

    heading = f"Simulation, no LLM was asked{': ' + title if title else ''}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        words(width / 2, 28, heading),
        words((left + width - right) / 2, height - 14, "share of candidate spans routed"),
        words(left, top - 12, "F1"),
    ]
    for step in range(6):
        share, f1 = step / 5, low + step / 5 * (high - low)
        parts += [
            f'<path d="M{x(share):.1f} {y(low):.1f}V{y(high):.1f}M{x(0):.1f} {y(f1):.1f}H{x(1):.1f}" stroke="#ddd"/>',
            words(x(share), height - bottom + 18, f"{share:.0%}"),
            words(left - 8, y(f1) + 4, f"{f1:.3f}", "end"),
        ]
    for number, curve in enumerate(curves):
        colour = f"hsl({number * 300 // max(1, len(curves))},65%,42%)"
        line = " ".join(f"{x(point.share):.1f},{y(point.f1):.1f}" for point in curve.points)
        parts += [
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<rect x="{width - right + 14}" y="{top + 20 * number}" width="14" height="4" fill="{colour}"/>',
            words(width - right + 34, top + 6 + 20 * number, f"right {curve.accuracy:.0%}", "start"),
        ]
    return "\n".join([*parts, "</svg>\n"])
