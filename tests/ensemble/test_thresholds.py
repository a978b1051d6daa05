from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.ensemble import AdaptiveThreshold, Candidate, FixedThreshold, Threshold, as_threshold, find_doubtful
from hybridner.errors import ModelError
from hybridner.hybrid import HybridNerConfig
from tests.support.predictions import fixed_thresholds

LABELS = ["O", "LOC", "PER"]
fixed = fixed_thresholds(LABELS)
adaptive = st.builds(AdaptiveThreshold, st.floats(0.01, 0.99), start=fixed, step=st.floats(0.01, 1))
labels, uncertainties = st.sampled_from(LABELS), st.floats(0, 1)
candidates = st.lists(
    st.builds(
        # A label other than O that is no entity lost its place to an overlapping one.
        lambda label, u, is_entity: Candidate(0, 1, label, is_entity and label != "O", (), 0.0, u, {}),
        labels,
        uncertainties,
        st.booleans(),
    ),
    max_size=20,
)


def state(threshold: Threshold) -> dict[str, Any]:
    return copy.deepcopy(vars(threshold))


@given(fixed | adaptive, labels, uncertainties)
def test_asking_changes_nothing(threshold: Threshold, label: str, u: float) -> None:
    before = state(threshold)
    assert threshold.exceeded(label, u) == threshold.exceeded(label, u)
    assert threshold.value(label) == threshold.value(label)
    assert state(threshold) == before


@given(fixed, labels, uncertainties)
def test_a_fixed_threshold_is_exceeded_above_the_labels_own_value(threshold: FixedThreshold, label: str, u: float) -> None:
    before = state(threshold)
    threshold.update(label, u)
    assert state(threshold) == before
    assert threshold.value(label) == threshold.by_label.get(label, threshold.default)
    assert threshold.exceeded(label, u) == (u > threshold.value(label))


@given(adaptive, labels, uncertainties)
def test_an_adaptive_threshold_is_exceeded_above_its_value(threshold: AdaptiveThreshold, label: str, u: float) -> None:
    value = threshold.value(label)
    if abs(u - value) > 1e-6 and 0.001 < value < 0.999:
        assert threshold.exceeded(label, u) == (u > value)


@given(fixed)
def test_a_fixed_threshold_survives_json(threshold: FixedThreshold) -> None:
    assert FixedThreshold.from_dict(json.loads(json.dumps(threshold.to_dict()))) == threshold


@given(fixed)
def test_a_configuration_holds_it(threshold: FixedThreshold) -> None:
    config = HybridNerConfig()
    config.review_threshold = threshold
    assert config.review_threshold == threshold
    assert HybridNerConfig.from_dict(json.loads(config.to_json_string())).review_threshold == threshold


@given(fixed | adaptive, candidates, st.sampled_from([("entity",), ("entity", "lost", "near_miss"), ()]))
def test_a_threshold_moves_on_past_the_kinds_that_count(threshold: Any, row: list[Candidate], kinds: Any) -> None:
    other = copy.deepcopy(threshold)
    expected = []
    for candidate in row:
        expected.append(other.exceeded(candidate.label, candidate.uncertainty))
        if candidate.kind in kinds:
            other.update(candidate.label, candidate.uncertainty)
    assert find_doubtful(row, threshold, kinds) == expected
    assert state(threshold) == state(other)
    if isinstance(threshold, AdaptiveThreshold):
        assert threshold.total == sum(candidate.kind in kinds for candidate in row)


@pytest.mark.parametrize("threshold", [1.5, -0.1, float("nan"), True, "0.5", None])
def test_what_is_no_threshold_is_refused(threshold: object) -> None:
    with pytest.raises(ModelError, match="threshold must be a number from 0 to 1"):
        as_threshold(threshold)
    with pytest.raises(ModelError, match="threshold of 'PER' must be a number from 0 to 1"):
        FixedThreshold(0.5, {"PER": threshold})
