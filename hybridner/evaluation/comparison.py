"""Comparing the systems of one run or of many: means over seeds, intervals, differences to a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from hybridner.errors import DataError
from hybridner.evaluation.grouping import group_runs
from hybridner.evaluation.metrics import PrecisionRecallF1, score_spans, text_counts
from hybridner.evaluation.partial import score_boundaries, score_types
from hybridner.evaluation.runs import HYBRID, STRATEGY, Run, RunMetadata
from hybridner.evaluation.significance import (
    LEVEL,
    SAMPLES,
    SEED,
    Wilcoxon,
    bootstrap_p,
    combined_p,
    count_discordant,
    f1_from_counts,
    holm,
    interval,
    mcnemar_p,
    mean_and_sd,
    resample,
    wilcoxon,
)
from hybridner.evaluation.slices import score_by_length, score_by_nesting, score_by_seen

#: Kinds of systems: one model, a way of combining several, and that with an LLM.
KINDS = ("member", "combiner", "hybrid")


@dataclass(frozen=True)
class MetricSummary:
    """A ratio (0..1, or a difference of two) over the runs of a setting.

    Attributes:
        mean: over the runs.
        sd: standard deviation (n - 1) over the runs; None for a single one.
        values: of each run.
    """

    mean: float
    sd: float | None
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> MetricSummary:
        return cls(*mean_and_sd(values), tuple(values))


@dataclass(frozen=True)
class Difference:
    """A system against the baseline, on the same texts and in the same runs.

    Attributes:
        f1: F1 of the system minus F1 of the baseline.
        interval: paired bootstrap over documents, of the mean over the runs.
        p: two-sided, from the same bootstrap.
        p_holm: p, raised for all the comparisons of this setting.
        only_system, only_baseline: decisions (label of a stretch of text) that only the system has right, and only the baseline;
            mean per run.
        mcnemar_p: exact test of these two against each other; of several runs twice the median.
        wilcoxon: signed-rank test over the runs.
    """

    f1: MetricSummary
    interval: tuple[float, float]
    p: float
    p_holm: float
    only_system: float
    only_baseline: float
    mcnemar_p: float
    wilcoxon: Wilcoxon


@dataclass(frozen=True)
class SystemResult:
    """What one system reaches in one setting.

    Attributes:
        name: as in the runs.
        precision, recall, f1: micro averages.
        f1_interval: bootstrap over documents, of the mean over the runs.
        macro_f1: mean over the labels.
        parts: F1 by what was looked at: boundaries, types, flat, nested, seen, unseen, and lengths such as "3-5"; the counts of
            all runs together. Empty parts are left out.
        labels: the same for each label.
        difference: to the baseline; None for the baseline itself.
    """

    name: str
    precision: MetricSummary
    recall: MetricSummary
    f1: MetricSummary
    f1_interval: tuple[float, float]
    macro_f1: MetricSummary
    parts: dict[str, PrecisionRecallF1]
    labels: dict[str, PrecisionRecallF1]
    difference: Difference | None = None

    @property
    def kind(self) -> str:
        """member, combiner or hybrid"""
        return KINDS[_rank(self.name)]

    @property
    def title(self) -> str:
        """The name without its prefix."""
        return self.name.removeprefix(STRATEGY).removeprefix(HYBRID)


@dataclass(frozen=True)
class Setting:
    """The same data, encoder, training size and decoding, over one or several seeds or folds.

    Attributes:
        about: the metadata that the runs share; of seed and fold those of the first run.
        seeds, folds: of the runs, sorted; without those that are not known.
        runs: how many runs.
        sentences, documents, entities: of all distinct texts together.
        hardware, fitted_on: of the runs.
        systems: those that are in every run, members first, then combiners, then hybrids.
        left_out: systems that are not in every run.
    """

    about: RunMetadata
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    runs: int
    sentences: int
    documents: int
    entities: int
    hardware: tuple[str, ...]
    fitted_on: tuple[str, ...]
    systems: tuple[SystemResult, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """All settings, and what they say together.

    Attributes:
        baseline: name of the system that differences are to.
        settings: one for each data set and way of training.
        overall: for each system in several runs: Wilcoxon's signed-rank test of its F1 against the baseline's over all runs.
        samples, level, seed: of the bootstrap.
    """

    baseline: str
    settings: tuple[Setting, ...]
    overall: dict[str, Wilcoxon]
    samples: int = SAMPLES
    level: float = LEVEL
    seed: int = SEED

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; counts come with their ratios."""
        plain = asdict(self)
        for setting, results in zip(plain["settings"], (s.systems for s in self.settings), strict=True):
            for system, result in zip(setting["systems"], results, strict=True):
                system["parts"] = {name: prf.to_dict() for name, prf in result.parts.items()}
                system["labels"] = {name: prf.to_dict() for name, prf in result.labels.items()}
        return plain


def compare(runs: Sequence[Run], baseline: str = "majority", samples: int = SAMPLES) -> Comparison:
    """Compare the systems of runs with a baseline.

    Args:
        runs: in any order; those of the same setting are put together.
        baseline: a member, a strategy or a hybrid, with or without its prefix.
        samples: of the bootstrap.

    Raises:
        DataError: no run, the same seed and fold twice in a setting, runs that say different gold about the same texts, or a
            setting without the baseline.
    """
    groups = group_runs(runs)
    full = {_full_name(baseline, group) for group in groups}
    if len(full) > 1:
        raise DataError(f"the baseline {baseline!r} means {' and '.join(sorted(full))}; give it with its prefix")
    name = full.pop()
    settings = tuple(_compare_group(group, name, samples) for group in groups)
    return Comparison(name, settings, _overall(settings, name), samples)


def _full_name(baseline: str, group: Sequence[Run]) -> str:
    names = [name for name in group[0].systems if all(name in run.systems for run in group)]
    for name in (baseline, STRATEGY + baseline, HYBRID + baseline):
        if name in names:
            return name
    about = group[0].about
    raise DataError(
        f"no system {baseline!r} in every run to compare with; there are {', '.join(names)}", f"{about.data} {about.split}"
    )


def _overall(settings: Sequence[Setting], baseline: str) -> dict[str, Wilcoxon]:
    pairs: dict[str, tuple[list[float], list[float]]] = {}
    for setting in settings:
        base = next(system for system in setting.systems if system.name == baseline)
        for system in setting.systems:
            if system.name != baseline:
                ours, theirs = pairs.setdefault(system.name, ([], []))
                ours += system.f1.values
                theirs += base.f1.values
    return {name: wilcoxon(*pair) for name, pair in pairs.items() if len(pair[0]) > 1}


def _compare_group(group: Sequence[Run], baseline: str, samples: int) -> Setting:
    every = list(dict.fromkeys(name for run in group for name in run.systems))
    names = sorted((name for name in every if all(name in run.systems for run in group)), key=_rank)
    # [documents, systems, 3] of each run, and the resampled F1 [samples, systems] of the mean over the runs.
    counts = [_by_document(run, np.stack([text_counts(run.gold, run.systems[n]) for n in names], axis=1)) for run in group]
    resampled = _resampled_f1(group, counts, samples)
    base = names.index(baseline)
    results = [_result(group, name, resampled[:, index]) for index, name in enumerate(names)]
    others = [index for index in range(len(names)) if index != base]
    p_values = [bootstrap_p(resampled[:, index] - resampled[:, base]) for index in others]
    for index, p, p_holm in zip(others, p_values, holm(p_values), strict=True):
        ours, theirs = results[index].f1.values, results[base].f1.values
        verdicts = [count_discordant(run.gold, run.systems[names[index]], run.systems[baseline]) for run in group]
        difference = Difference(
            f1=MetricSummary.of([a - b for a, b in zip(ours, theirs, strict=True)]),
            interval=interval(resampled[:, index] - resampled[:, base]),
            p=p,
            p_holm=p_holm,
            only_system=sum(one for one, _ in verdicts) / len(group),
            only_baseline=sum(other for _, other in verdicts) / len(group),
            mcnemar_p=combined_p([mcnemar_p(*pair) for pair in verdicts]),
            wilcoxon=wilcoxon(ours, theirs),
        )
        results[index] = replace(results[index], difference=difference)
    distinct = {run.texts: run for run in group}.values()
    return Setting(
        about=group[0].about,
        seeds=tuple(sorted({run.about.seed for run in group if run.about.seed is not None})),
        folds=tuple(sorted({run.about.fold for run in group if run.about.fold is not None})),
        runs=len(group),
        sentences=sum(len(run.gold) for run in distinct),
        documents=sum(len(set(run.documents or range(len(run.gold)))) for run in distinct),
        entities=sum(run.entities for run in distinct),
        hardware=tuple(dict.fromkeys(run.about.hardware for run in group)),
        fitted_on=tuple(dict.fromkeys(run.about.fitted_on for run in group if run.about.fitted_on)),
        systems=tuple(results),
        left_out=tuple(name for name in every if name not in names),
    )


def _by_document(run: Run, counts: np.ndarray) -> np.ndarray:
    """[texts, ...] -> [documents, ...]: texts of one document hang together, so they are drawn together."""
    if run.documents is None:
        return counts
    total = np.zeros((max(run.documents) + 1, *counts.shape[1:]), dtype=counts.dtype)
    np.add.at(total, np.array(run.documents), counts)
    return total


def _rank(name: str) -> int:
    return 2 if name.startswith(HYBRID) else 1 if ":" in name else 0


def _resampled_f1(group: Sequence[Run], counts: Sequence[np.ndarray], samples: int) -> np.ndarray:
    """[samples, systems]: mean over the runs of the F1 of resampled documents; runs on the same texts are drawn alike."""
    total = np.zeros((samples, counts[0].shape[1]))
    for number, texts in enumerate(dict.fromkeys(run.texts for run in group)):
        alike = np.stack([part for run, part in zip(group, counts, strict=True) if run.texts == texts], axis=1)
        total += f1_from_counts(resample(alike, samples, SEED + number)).sum(axis=1)
    return total / len(group)


def _result(group: Sequence[Run], name: str, resampled: np.ndarray) -> SystemResult:
    scores = [score_spans(run.gold, run.systems[name]) for run in group]
    return SystemResult(
        name=name,
        precision=MetricSummary.of([score.micro.precision for score in scores]),
        recall=MetricSummary.of([score.micro.recall for score in scores]),
        f1=MetricSummary.of([score.micro.f1 for score in scores]),
        f1_interval=interval(resampled),
        macro_f1=MetricSummary.of([score.macro_f1 for score in scores]),
        parts={part: prf for part, prf in _sum_counts([_parts(run, name) for run in group]).items() if prf.predicted or prf.gold},
        labels=_sum_counts([score.per_label for score in scores]),
    )


def _parts(run: Run, name: str) -> dict[str, PrecisionRecallF1]:
    gold, predicted = run.gold, run.systems[name]
    nesting = score_by_nesting(gold, predicted)
    return {
        "boundaries": score_boundaries(gold, predicted),
        "types": score_types(gold, predicted),
        # Where nothing is nested, "flat" would only say the whole again.
        **(nesting if nesting["nested"].predicted or nesting["nested"].gold else {}),
        **({} if run.seen is None else score_by_seen(gold, predicted, run.seen)),
        **score_by_length(gold, predicted),
    }


def _sum_counts(parts: Sequence[dict[str, PrecisionRecallF1]]) -> dict[str, PrecisionRecallF1]:
    """The counts of several runs together, for what all of them have looked at."""
    names = list(dict.fromkeys(name for part in parts for name in part))
    chosen = {name: [part[name] for part in parts if name in part] for name in names}
    return {
        name: PrecisionRecallF1(sum(p.correct for p in prfs), sum(p.predicted for p in prfs), sum(p.gold for p in prfs))
        for name, prfs in chosen.items()
    }
