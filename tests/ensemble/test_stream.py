"""A stream that has become one of other texts is noticed once; one of known texts hardly ever."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.ensemble import AdaptiveThreshold
from hybridner.ensemble.stream import StreamWatch


def test_known_texts_raise_no_alarm() -> None:
    dice = np.random.default_rng(0)
    alarms = 0
    for _ in range(40):
        watch = StreamWatch()
        alarms += sum(map(watch.update, dice.random(1000))) > 0
    assert alarms <= 1


@pytest.mark.parametrize(("share", "within"), [(1.0, 10), (0.6, 60), (0.4, 200)])
def test_other_texts_are_noticed_once_and_soon(share: float, within: int) -> None:
    dice = np.random.default_rng(1)
    watch = StreamWatch()
    for score in dice.random(300):
        assert not watch.update(score)
    scores = np.where(dice.random(400) < share, 0.99, dice.random(400))
    alarms = [number for number, score in enumerate(scores) if watch.update(score)]
    assert len(alarms) == 1
    assert alarms[0] < within
    assert watch.has_changed
    assert f"of the last {watch.total}" in watch.notice
    for score in dice.random(200):
        watch.update(score)
    assert not watch.has_changed, "the stream has come back"


@given(scores=st.lists(st.floats(0, 1), max_size=60), cut=st.integers(0, 60))
def test_it_goes_on_where_it_was(scores: list[float], cut: int) -> None:
    whole, first = AdaptiveThreshold(0.2), AdaptiveThreshold(0.2)
    seen = [whole.stream.update(score) for score in scores]
    before = [first.stream.update(score) for score in scores[:cut]]
    second = AdaptiveThreshold.from_dict(json.loads(json.dumps(first.to_dict())))
    assert before + [second.stream.update(score) for score in scores[cut:]] == seen
    assert second.to_dict() == whole.to_dict()


def test_what_was_stored_before_there_was_a_watch_still_loads() -> None:
    stored = AdaptiveThreshold(0.3).to_dict()
    del stored["stream"]
    assert AdaptiveThreshold.from_dict(stored).stream.total == 0


def test_the_stranger_the_more_evidence() -> None:
    low, high = StreamWatch(), StreamWatch()
    for a, b in zip(np.linspace(0, 0.95, 30), np.linspace(0.3, 1, 30), strict=True):
        low.update(a)
        high.update(b)
        assert high.evidence >= low.evidence
