"""Whether results are the same but for the last digits of their numbers."""

from __future__ import annotations

from typing import Any

import pytest

#: Matrix libraries add in different orders, on another processor or when texts share a batch.
_TOLERANCE = 1e-4


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    """Equal, numbers within the tolerance."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), where
        for key, value in expected.items():
            assert_same(found[key], value, f"{where} / {key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), f"{where}: {found} instead of {expected}"
        for number, value in enumerate(expected):
            assert_same(found[number], value, f"{where} / {number}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=_TOLERANCE), where
    else:
        assert found == expected, where
