"""What is given out is right as often as promised, in all but a stated share of calibrations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.ensemble.selection import RISK, SelectionTable
from hybridner.errors import ModelError


def drawn(dice: np.random.Generator, count: int, slope: float) -> SelectionTable:
    """Entities of uniform u, each wrong with a probability of slope · u."""
    u = dice.random(count)
    return SelectionTable.of("pool", "error", u, dice.random(count) < slope * u)


@pytest.mark.parametrize(("count", "slope", "promise"), [(150, 0.5, 0.9), (600, 0.4, 0.9), (600, 0.2, 0.95), (2000, 0.9, 0.8)])
def test_the_promise_is_kept_over_many_calibrations(count: int, slope: float, promise: float) -> None:
    dice = np.random.default_rng(count)
    levels = [drawn(dice, count, slope).level_for(promise) for _ in range(400)]
    # Of entities up to level t a share of slope · t / 2 is wrong.
    broken = np.mean([level is not None and slope * level / 2 > 1 - promise for level in levels])
    assert broken <= RISK + 3 * np.sqrt(RISK * (1 - RISK) / 400)
    found = [level for level in levels if level is not None]
    best = min(1.0, 2 * (1 - promise) / slope)
    assert count < 600 or np.mean(found) > best / 2, "it is of use"


tables = st.integers(0, 2**32 - 1).map(lambda seed: drawn(np.random.default_rng(seed), seed % 700, 0.5))


@given(table=tables, promises=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)))
def test_more_is_promised_of_fewer(table: SelectionTable, promises: tuple[float, float]) -> None:
    low, high = (table.level_for(promise) or 0.0 for promise in sorted(promises))
    # Levels whose test is possible differ between promises, and with them the starting points: one more start may pass.
    if table.level_for(max(promises)) is not None:
        assert table.level_for(min(promises)) is not None
    assert 0 <= high <= 1
    assert 0 <= low <= 1


def test_an_error_more_never_loosens() -> None:
    u = np.linspace(0, 1, 500)
    wrong = np.random.default_rng(0).random(500) < u * 0.3
    before = SelectionTable.of("pool", "error", u, wrong).level_for(0.9)
    for number in np.flatnonzero(~wrong)[::25]:
        more = wrong.copy()
        more[number] = True
        after = SelectionTable.of("pool", "error", u, more).level_for(0.9)
        assert after is None or (before is not None and after <= before)


def test_with_too_few_entities_nothing_is_promised() -> None:
    assert SelectionTable.of("pool", "error", [0.1] * 20, [False] * 20).level_for(0.95) is None
    assert SelectionTable.of("pool", "error", [], []).level_for(0.5) is None
    assert SelectionTable.of("pool", "error", [0.1] * 200, [False] * 200).level_for(0.95) == 0.1


@pytest.mark.parametrize("promise", [0, 1, 1.5, True, "0.9", float("nan")])
def test_a_promise_is_a_share(promise: object) -> None:
    with pytest.raises(ModelError, match="min_precision"):
        SelectionTable.of("pool", "error", [0.1], [False]).level_for(promise)  # type: ignore[arg-type]


def test_it_survives_json_and_damage_is_said() -> None:
    table = drawn(np.random.default_rng(1), 300, 0.5)
    data = json.loads(json.dumps(table.to_dict()))
    assert SelectionTable.from_dict(data) == table
    for damage in ({"levels": [1]}, {"wrong": [10**6] * len(table.kept)}, {"kept": None}):
        with pytest.raises(ModelError, match="calibrate"):
            SelectionTable.from_dict({**data, **damage})
