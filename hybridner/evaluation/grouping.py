"""Which runs belong together: the same setting, over several seeds or folds."""

from __future__ import annotations

from collections.abc import Sequence

from hybridner.errors import DataError
from hybridner.evaluation.runs import Run


def group_runs(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs of the same data, split, encoder, training size and decoding together, sorted by seed and fold.

    Returns:
        the settings, in the order in which they first come.

    Raises:
        DataError: no run, the same seed and fold twice in a setting, or runs of one fold (or of none) that differ in their texts
            or in gold.
    """
    if not runs:
        raise DataError("there is no run to compare")
    groups: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        about = run.about
        groups.setdefault((about.data, about.split, about.encoder, about.train_size, about.decoding), []).append(run)
    for group in groups.values():
        group.sort(key=lambda run: (run.about.seed or 0, run.about.fold or 0))
        _check(group)
    return list(groups.values())


def _check(group: Sequence[Run]) -> None:
    first_of_turn: dict[tuple[int | None, int | None], Run] = {}
    first_of_fold: dict[int | None, Run] = {}
    for run in group:
        about = run.about
        where = f"{about.data} {about.split}"
        if (about.seed, about.fold) in first_of_turn:
            turn = f"seed {about.seed}" + ("" if about.fold is None else f", fold {about.fold}")
            raise DataError(f"two runs of {turn} with the same encoder and training size; was one given twice?", where)
        first_of_turn[about.seed, about.fold] = run
        other = first_of_fold.setdefault(about.fold, run)
        if other.texts != run.texts or other.gold != run.gold:
            what = "texts" if other.texts != run.texts else "gold"
            raise DataError(
                f"the runs of seeds {other.about.seed} and {about.seed} differ in their {what}; measure them alike", where
            )
