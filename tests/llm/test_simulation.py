"""The simulated curves: what is certain about them without any LLM."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from hybridner.ensemble import Candidate
from hybridner.llm import draw_curves, simulate
from hybridner.spans import LabelSet, Span
from tests.llm.scripted_server import candidate


@pytest.fixture
def corpus() -> tuple[list[list[Candidate]], list[list[Span]]]:
    """200 texts with one right, one wrong, one missed and one needless candidate, the wrong ones more uncertain."""
    row = [
        candidate(0, 2, "LOC", 0.8, u=0.15),
        candidate(3, 5, "LOC", 0.5, u=0.6),
        candidate(6, 8, "O", 0.5, u=0.7),
        candidate(9, 11, "PER", 0.5, u=0.55),
    ]
    gold = [Span(0, 2, "LOC"), Span(3, 5, "PER"), Span(6, 8, "ORG")]
    return [row] * 200, [gold] * 200


@pytest.mark.parametrize("fusion", ["replace", "bayes"])
def test_ends_of_the_curves(fusion: str, corpus: tuple[list[list[Candidate]], list[list[Span]]], labels: LabelSet) -> None:
    curves = simulate(*corpus, labels, fusion=fusion)
    assert [curve.accuracy for curve in curves] == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    local = 2 * 1 / (3 + 3)
    for curve in curves:
        assert (curve.points[0].threshold, curve.points[0].share, curve.points[0].f1) == (1.0, 0.0, pytest.approx(local))
        assert (curve.points[-1].threshold, curve.points[-1].share) == (0.0, 1.0)
        assert [p.share for p in curve.points] == sorted(p.share for p in curve.points)
    assert curves[-1].points[-1].f1 == pytest.approx(1.0)
    at_the_end = [curve.points[-1].f1 for curve in curves]
    assert at_the_end == sorted(at_the_end)


def test_the_same_seed_gives_the_same_curves(corpus: tuple[list[list[Candidate]], list[list[Span]]], labels: LabelSet) -> None:
    once, twice, other = (simulate(*corpus, labels, accuracies=[0.7], fusion="replace", seed=seed) for seed in (1, 1, 2))
    assert once == twice != other


def test_nothing_to_simulate(labels: LabelSet) -> None:
    assert all(point.f1 == 0 for curve in simulate([], [], labels) for point in curve.points)
    ElementTree.fromstring(draw_curves([]))


def test_the_picture_says_that_it_is_a_simulation(
    corpus: tuple[list[list[Candidate]], list[list[Span]]], labels: LabelSet
) -> None:
    picture = draw_curves(simulate(*corpus, labels), "a < b")
    root = ElementTree.fromstring(picture)
    words = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Simulation, no LLM was asked: a < b" in words
    assert "right 50%" in words
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 6
