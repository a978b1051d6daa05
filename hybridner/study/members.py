"""Members, votes, stackers, `score` and `pool` on stored predictions: the paper's tables 2 and 3 without an LLM."""

from __future__ import annotations

from collections.abc import Sequence

from hybridner.calibration import fit_settings
from hybridner.ensemble import available_strategies
from hybridner.evaluation import Run, make_run, systems_of
from hybridner.study.files import Turn


def members_run(turn: Turn, stackers: Sequence[str] = ()) -> Run:
    """What every member and every way of combining finds in the test part, with weights fitted on the fitting parts.

    Args:
        turn: one training of a set's members.
        stackers: which of `STACKERS` to fit as well.

    Raises:
        ModelError: see `fit_stacker`.
        DataError: a file that cannot be read.
    """
    settings = fit_settings(turn.fitting, stackers, turn.about.decoding)
    systems = systems_of(turn.test, settings, available_strategies(settings.weights))
    return make_run(turn.metadata(), turn.test.records, systems)
