"""Composites as stored predictions have them: fitted on records that no member was trained for, to be scored on test records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from hybridner.calibration.errors import fit_error_model, with_error_models
from hybridner.calibration.evaluated import Parts, cross_fit, fit_settings
from hybridner.ensemble import DecisionSettings, Predictions, concat_predictions

STRATEGY = "pool"
#: What each set's composite is fitted on: folds, or dev sentences that early stopping did not read, or dev where there are few.
FITTED_ON = {
    "cluener": "fold*",
    "cmeee": "fresh",
    "msra": "fresh",
    "sncm_draft": "dev",
    "sncm_open": "dev",
}
_SEEDS = {"sncm_draft": (42, 43), "sncm_open": (42, 43)}


@dataclass(frozen=True)
class Composite:
    """A set's stored predictions.

    Attributes:
        name, seed: of the set and of the training.
        fitting, test: records to fit on, and to score.
    """

    name: str
    seed: int
    fitting: Predictions
    test: Predictions

    @property
    def labels(self) -> tuple[str, ...]:
        return self.test.labels

    @property
    def decoding(self) -> str:
        return "nested" if self.name == "cmeee" else "flat"

    @cached_property
    def parts(self) -> Parts:
        """The fitting records in folds, each with settings and an error model that were fitted on the others."""
        return with_error_models(self._parts, STRATEGY)

    @cached_property
    def settings(self) -> DecisionSettings:
        """Fitted on all fitting records, with the probability of error; u is 1 - score."""
        fitted = fit_settings(self.fitting, (), self.decoding)
        return replace(fitted, strategy=STRATEGY, uncertainty="score", error_model=fit_error_model(self._parts, STRATEGY))

    @cached_property
    def _parts(self) -> Parts:
        return cross_fit(self.fitting, (), self.decoding)


def composites(folder: Path) -> Iterator[Composite]:
    """All sets and seeds of a folder of predictions, `SET-SEED-test.parquet` among them."""
    for name, parts in FITTED_ON.items():
        for seed in _SEEDS.get(name, (42,)):
            fitting = [Predictions.load(path) for path in sorted(folder.glob(f"{name}-{seed}-{parts}.parquet"))]
            yield Composite(name, seed, concat_predictions(fitting), Predictions.load(folder / f"{name}-{seed}-test.parquet"))
