"""`min_precision`: what a composite's calibration allows to promise about the entities that are given out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hybridner.ensemble import SelectionTable
from hybridner.errors import ModelError
from hybridner.hybrid import HybridNerConfig


def level_for(config: HybridNerConfig, min_precision: float, given: Mapping[str, Any]) -> float:
    """The largest uncertainty that an entity may have to be given out.

    Args:
        config: of the composite.
        min_precision: the share of entities that are to be right.
        given: parameters of the pipeline; a strategy or decoding among them is in place of the composite's own.

    Raises:
        ModelError: the composite was not calibrated, or for other settings, or on too few texts for such a promise.
    """
    if config.selection is None:
        raise ModelError("nothing can be promised of a composite that was not calibrated; `hybridner calibrate` does it")
    table = SelectionTable.from_dict(config.selection)
    chosen = (given.get("strategy", config.strategy), config.uncertainty, given.get("decoding", config.decoding))
    if chosen != (table.strategy, table.uncertainty, config.decoding):
        raise ModelError(
            f"min_precision holds for the strategy {table.strategy!r}, the uncertainty {table.uncertainty!r} and the decoding "
            f"{config.decoding!r} that were calibrated, not for {', '.join(map(repr, chosen))}"
        )
    level = table.level_for(min_precision)
    if level is None:
        raise ModelError(
            f"the calibration data allow no promise that {min_precision:.1%} of the entities are right; ask for less, or "
            "calibrate on more labelled texts"
        )
    return level
