"""What combining strategies have learned, as numbers that travel in the composite's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hybridner.ensemble.ballot import Ballot, Floats
from hybridner.ensemble.pool import PoolWeights
from hybridner.errors import ModelError
from hybridner.spans import NON_ENTITY

if TYPE_CHECKING:
    from hybridner.ensemble.stacking import StoredStacker


class Stacker(Protocol):
    """A trained classifier over the ballot; see `hybridner.ensemble.stacking`."""

    def log_probabilities(self, ballot: Ballot) -> Floats:
        """[C, K + 1] ln P(label | ballot)."""

    def to_stored(self) -> StoredStacker:
        """The same as it lies in a file."""


@dataclass(frozen=True)
class CombinerWeights:
    """What strategies beyond the plain ones need, over m members and K entity types; `hybridner.calibration` fits it (section
    3.2).

    Attributes:
        priors: [K + 1] share of each label among candidates.
        f1: [m] each member's entity F1.
        class_f1: [m, K + 1] each member's F1 on each label, drawn towards its overall F1 where the label is rare; O
            counts as overall.
        pool: of the strategy `pool`.
        stackers: trained stackers by the name of their strategy.

    Examples:
        >>> weights = model.combiner_weights
        >>> weights.f1.shape, weights.class_f1.shape
        ((4,), (4, 14))
    """

    priors: Floats
    f1: Floats
    class_f1: Floats
    pool: PoolWeights
    stackers: Mapping[str, Stacker] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """All but the stackers, as JSON can hold it."""
        return {name: np.round(getattr(self, name), 6).tolist() for name in _NUMBERS} | {"pool": self.pool.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], stackers: Mapping[str, Stacker] | None = None) -> CombinerWeights:
        """Raises ModelError when a part is missing or is not what it should be."""
        again = "run `hybridner calibrate` again"
        if not isinstance(data, Mapping):
            raise ModelError(f"the fitted weights of this composite are {data!r}; {again}")
        missing = [name for name in (*_NUMBERS, "pool") if name not in data]
        if missing:
            raise ModelError(f"the fitted weights of this composite lack {', '.join(missing)}; {again}")
        try:
            numbers = {name: np.asarray(data[name], dtype=np.float64) for name in _NUMBERS}
        except (TypeError, ValueError) as error:
            raise ModelError(f"the fitted weights of this composite are no numbers ({error}); {again}") from error
        return cls(**numbers, pool=PoolWeights.from_dict(data["pool"]), stackers=stackers or {})

    def resized(self, members: int) -> CombinerWeights:
        """For so many members, until they are fitted again: the first ones keep their numbers, new ones count as the average of
        these. Stackers are gone, for they know their members."""
        new = range(len(self.f1), members)
        f1 = [*self.f1[:members], *(self.f1.mean() for _ in new)]
        class_f1 = [*self.class_f1[:members], *(self.class_f1.mean(axis=0) for _ in new)]
        return CombinerWeights(self.priors, np.array(f1), np.array(class_f1), self.pool.resized(members))

    def check_shape(self, members: int, labels: int) -> None:
        """Raise a ModelError when the weights were fitted for other members or labels (K + 1)."""
        if self.class_f1.shape != (members, labels) or len(self.pool.calibration) != members:
            raise ModelError(
                f"the fitted weights are for {len(self.f1)} members and {len(self.priors)} labels (with {NON_ENTITY}), the "
                f"composite has {members} and {labels}; run `hybridner calibrate` again"
            )


_NUMBERS = ("priors", "f1", "class_f1")
