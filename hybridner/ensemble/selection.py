"""Giving out only entities that are right with a promised share: which uncertainty still keeps the promise.

Learn then Test (Angelopoulos et al., 2021): for a row of levels of u, from strict to lax, an exact binomial test on calibration
data asks whether more entities at or below the level are wrong than promised. A level is used only when all that are stricter,
from one of a few starting points on, have passed as well (fixed sequence testing), so the promise fails with a probability of at
most δ over calibration sets, for texts like those of the calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import bdtr

from hybridner.errors import ModelError

#: δ: in so many of 100 calibrations the promise may turn out to be broken.
RISK = 0.1
#: Levels of u that are tried, and starting points, which share δ between them.
_LEVELS, _STARTS = 50, 5


@dataclass(frozen=True)
class SelectionTable:
    """How many entities of the calibration data lie at or below each level of u, and how many of them are wrong.

    Attributes:
        strategy, uncertainty: how entities were decided, and what u is.
        levels: [T] ascending.
        kept, wrong: [T].

    Examples:
        >>> table = SelectionTable("pool", "error", levels=(0.1, 0.9), kept=(200, 400), wrong=(2, 90))
        >>> table.level_for(min_precision=0.95)
        0.1
    """

    strategy: str
    uncertainty: str
    levels: tuple[float, ...]
    kept: tuple[int, ...]
    wrong: tuple[int, ...]

    @classmethod
    def of(cls, strategy: str, uncertainty: str, values: Sequence[float], is_wrong: Sequence[bool]) -> SelectionTable:
        """From the uncertainties of entities and whether each is wrong. The levels do not depend on what is wrong."""
        u, errors = np.asarray(values, dtype=np.float64), np.asarray(is_wrong, dtype=bool)
        # Up to the sixth place, so that what is stored counts as what was counted.
        levels = np.unique(np.ceil(np.quantile(u, np.linspace(0, 1, _LEVELS + 1)[1:]) * 1e6) / 1e6) if len(u) else np.empty(0)
        below = u[None, :] <= levels[:, None]
        return cls(strategy, uncertainty, tuple(levels.tolist()), _counts(below), _counts(below & errors))

    def level_for(self, min_precision: float, risk: float = RISK) -> float | None:
        """The largest u that may be given out so that at least this share of the entities is right; None where nothing can be
        promised.

        Args:
            min_precision: between 0 and 1.
            risk: δ, the probability with which the promise may fail.

        Raises:
            ModelError: one of them is not between 0 and 1.

        Examples:
            >>> SelectionTable("pool", "error", (0.1, 0.9), (200, 400), (2, 90)).level_for(0.95)
            0.1
        """
        for name, value in (("min_precision", min_precision), ("risk", risk)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
                raise ModelError(f"{name} must be a number between 0 and 1, not {value!r}")
        kept = np.asarray(self.kept, dtype=np.int64)
        p_values = bdtr(np.asarray(self.wrong, dtype=np.int64), kept, 1 - min_precision)
        # Where even no error at all would not do there is no use in starting.
        testable = np.flatnonzero(bdtr(0, kept, 1 - min_precision) <= risk / _STARTS)
        starts = {int(part[0]) for part in np.array_split(testable, _STARTS) if len(part)}
        passed = [number for start in starts for number in _until_failed(p_values[start:] <= risk / _STARTS, start)]
        return self.levels[max(passed)] if passed else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SelectionTable:
        """From what `to_dict` gave.

        Raises:
            ModelError: it is something else.
        """
        try:
            table = cls(data["strategy"], data["uncertainty"], *(tuple(data[name]) for name in ("levels", "kept", "wrong")))
            rows = np.array([table.levels, table.kept, table.wrong], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"`selection` in the composite's config.json is no table of levels ({error}); run `hybridner calibrate` again"
            ) from error
        if (rows[2] > rows[1]).any() or (np.diff(rows, axis=1) < 0).any() or not np.isfinite(rows).all():
            raise ModelError("`selection` in the composite's config.json is damaged; run `hybridner calibrate` again")
        return table


def _counts(rows: np.ndarray) -> tuple[int, ...]:
    return tuple(rows.sum(axis=1).tolist())


def _until_failed(passed: np.ndarray, start: int) -> range:
    """The numbers of those that passed before the first that did not."""
    failed = np.flatnonzero(~passed)
    return range(start, start + (int(failed[0]) if len(failed) else len(passed)))
