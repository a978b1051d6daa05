from __future__ import annotations

import pytest

from hybridner import Label, LabelSet
from hybridner.errors import DataError


def test_a_label_set_survives_its_dictionary() -> None:
    labels = LabelSet((Label("State", "对抗国家", "行动的一方。"), Label("Place")), "卫星导航对抗")
    assert LabelSet.from_dict(labels.to_dict()) == labels
    assert labels.with_outside == ("O", "State", "Place")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"labels": []}, "at least one"),
        ({"labels": ["A", "A"]}, "more than once: A"),
        ({"labels": ["O"]}, "reserved"),
        ({"labels": [" "]}, "non-empty"),
        ({"labels": [{"title": "x"}]}, r"labels\[0\]"),
        ({"labels": [{"name": "A", "colour": "red"}]}, "unknown key 'colour'"),
        ({"labels": "A"}, "must be a list"),
        ({}, "must be a list"),
    ],
)
def test_what_is_wrong_with_a_label_set_is_said(data: dict, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        LabelSet.from_dict(data)
