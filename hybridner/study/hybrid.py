"""The composite with an LLM, and the LLM alone, from recorded answers: the paper's full method and its ablations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from hybridner.calibration import fit_settings
from hybridner.data import assign_folds
from hybridner.ensemble import Candidate, DecisionSettings, Predictions, available_strategies, decide_predictions, select_entities
from hybridner.errors import DataError
from hybridner.evaluation import Run, make_run, systems_of
from hybridner.evaluation.runs import CEILING, HYBRID
from hybridner.llm.confusion import ConfusionMatrix
from hybridner.llm.fusion import FUSIONS, resolve_again
from hybridner.spans import Record, Span
from hybridner.study.answers import DEFAULT_CONDITION, RecordedAnswers
from hybridner.study.files import Turn

#: The confusion matrix that judges a document is fitted on the documents of the other folds.
_FOLDS, _SEED = 5, 42
#: The LLM that reads whole sentences, without the composite.
LLM_ALONE = HYBRID + "zero-shot extraction"

_Spans = list[list[Span]]


def hybrid_runs(turn: Turn, answers: RecordedAnswers, extractions: Mapping[str, Sequence[Span]] | None = None) -> list[Run]:
    """One run on the texts that the LLM was asked about, and one on those that it also read on its own.

    A candidate is routed where an answer is recorded. `replace` takes the answer as it is, on `score` (the paper's method) and on
    `pool`; `bayes` weighs it by a confusion matrix fitted on the documents of other folds.

    Args:
        turn: one training of a set's members.
        answers: about its doubtful spans.
        extractions: entities by text that the LLM found in whole sentences; where some of these texts are not among those that
            it was asked about, their run has no hybrids.

    Raises:
        DataError: answers about other texts or labels, or about spans that are no candidates.
    """
    settings = fit_settings(turn.fitting, (), turn.about.decoding)
    local = systems_of(turn.test, settings, available_strategies(settings.weights))
    asked = range(min(turn.about.answered or len(turn.test), len(turn.test)))
    hybrids = _hybrids(turn, turn.test.select_records(asked), settings, answers)
    split, test = turn.about.split, turn.test
    part = split if len(asked) == len(test) else f"{split}, first {len(asked):,}"
    runs = [_part(turn, part, asked, {**local, **hybrids})]
    read = [number for number, record in enumerate(test.records) if record.text in (extractions or {})]
    if extractions and read:
        alone = [list(extractions.get(record.text, ())) for record in test.records]
        systems = {**local, **(hybrids if max(read) in asked else {}), LLM_ALONE: alone}
        runs.append(_part(turn, f"{split}, sample of {len(read):,}", read, systems))
    return runs


def _part(turn: Turn, split: str, rows: Sequence[int], systems: Mapping[str, _Spans]) -> Run:
    """The run of some of the test records."""
    found = {name: [spans[row] for row in rows] for name, spans in systems.items()}
    return make_run(turn.metadata(split), [turn.test.records[row] for row in rows], found)


def _hybrids(turn: Turn, test: Predictions, settings: DecisionSettings, answers: RecordedAnswers) -> dict[str, _Spans]:
    """Entities of each record by every way of using the answers."""
    decoding = turn.about.decoding
    score, pool = (
        decide_predictions(test, replace(settings, strategy=strategy, uncertainty="score")) for strategy in ("score", "pool")
    )
    systems: dict[str, _Spans] = {}
    for condition, labels in answers.by_condition.items():
        suffix = "" if condition == DEFAULT_CONDITION else f", {condition}"
        found = _answered(test, pool, labels, f"answers about {turn.name}-{turn.seed}, {condition}")
        systems[f"{HYBRID}score, replace{suffix}"] = _fused(test, score, found, "replace", decoding)
        systems[f"{HYBRID}pool, replace{suffix}"] = _fused(test, pool, found, "replace", decoding)
        systems[f"{HYBRID}pool, bayes{suffix}"] = _fused(test, pool, found, "bayes", decoding)
        right = [{index: (truth, truth) for index, (truth, _) in row.items()} for row in found]
        systems.setdefault(CEILING, _fused(test, pool, right, "replace", decoding))
    return systems


#: For each record: candidate number -> numbers of the true label and of the answer.
_Answered = list[dict[int, tuple[int, int]]]


def _answered(
    test: Predictions, rows: Sequence[Sequence[Candidate]], labels: Mapping[tuple[str, int, int], str], where: str
) -> _Answered:
    number = {label: index for index, label in enumerate(test.labels)}
    if strange := sorted(set(labels.values()) - set(number)):
        raise DataError(f"name labels that the predictions do not have: {', '.join(strange)}", where)
    found: _Answered = []
    for record, row in zip(test.records, rows, strict=True):
        gold = {(span.start, span.end): number[span.label] for span in record.entities}
        found.append(
            {
                index: (gold.get((c.start, c.end), 0), number[labels[record.text, c.start, c.end]])
                for index, c in enumerate(row)
                if (record.text, c.start, c.end) in labels
            }
        )
    if not any(found):
        raise DataError("are about no candidate of these predictions; do they belong to another training or set?", where)
    return found


def _fused(test: Predictions, rows: Sequence[Sequence[Candidate]], found: _Answered, fusion: str, decoding: str) -> _Spans:
    """Entities of each record after fusion."""
    matrices = _matrices(test, found) if fusion == "bayes" else [ConfusionMatrix.from_accuracy(1.0, test.labels)] * len(rows)
    number = {label: index for index, label in enumerate(test.labels)}
    results = []
    for row, given, matrix in zip(rows, found, matrices, strict=True):
        fused = {
            index: FUSIONS[fusion](row[index].distribution, number[row[index].label], answer, matrix)
            for index, (_, answer) in given.items()
        }
        final = select_entities(resolve_again(row, fused, test.labels, decoding))
        results.append([Span(c.start, c.end, c.label) for c in final])
    return results


def _matrices(test: Predictions, found: _Answered) -> list[ConfusionMatrix]:
    """For each record the matrix fitted on the answers about documents of the other folds."""
    folds = np.array(assign_folds(test.records, _fold_count(test.records), _SEED))
    fitted = {
        fold: ConfusionMatrix.fit(list(_pairs(test, found, np.flatnonzero(folds != fold))), test.labels)
        for fold in np.unique(folds).tolist()
    }
    return [fitted[fold] for fold in folds.tolist()]


def _pairs(test: Predictions, found: _Answered, rows: np.ndarray) -> Iterator[tuple[str, str]]:
    for row in rows.tolist():
        for truth, answer in found[row].values():
            yield test.labels[truth], test.labels[answer]


def _fold_count(records: Sequence[Record]) -> int:
    return min(_FOLDS, len({record.group or record.text for record in records}))
