"""The gazetteer as a member of a ballot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hybridner.data import assign_folds
from hybridner.ensemble import ABSTAIN, Ballot, Predictions
from hybridner.gazetteer.building import document_numbers, sample_hits
from hybridner.gazetteer.gazetteer import Gazetteer
from hybridner.gazetteer.hits import Hits, Integers
from hybridner.gazetteer.reliability import Floats, Reliability

GAZETTEER = "gazetteer"
"""What a gazetteer is called among the members."""
#: Folds that its reliability is cross-fitted over where the predictions have none of their own.
_FOLDS, _SEED = 5, 42


def add_votes(ballot: Ballot, places: Integers, probabilities: Floats) -> Ballot:
    """The ballot with one more member, who votes where it has found something and abstains elsewhere.

    Its silence says nothing: most entities are in no dictionary. Where it speaks, it votes for its most probable label, which may
    be O for a term that is hardly ever an entity.

    Args:
        ballot: of C candidates.
        places: [S, 3] row, start, end, sorted; those that are no candidates have no effect.
        probabilities: [S, K + 1] P(label | what is found there).

    Examples:
        >>> ballot = add_votes(predictions.ballot, np.array([[0, 0, 2]]), np.array([[0.1, 0.7, 0.1, 0.1]]))
        >>> ballot.votes[-1, :3].tolist()       # -1: it abstains
        [1, -1, -1]
    """
    size = ballot.num_labels
    votes = np.full(len(ballot.spans), ABSTAIN, dtype=np.int64)
    given = np.full((len(ballot.spans), size), 1.0 / size)
    if len(places) and len(ballot.spans):
        wide = int(max(ballot.spans[:, 1:].max(), places[:, 1:].max())) + 1
        keys, wanted = _keys(places, wide), _keys(ballot.spans, wide)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        known = keys[at] == wanted
        given[known] = probabilities[at[known]]
        votes[known] = given[known].argmax(axis=1)
    return replace(
        ballot,
        votes=np.concatenate([ballot.votes, votes[None]]),
        probabilities=np.concatenate([ballot.probabilities, given[None]]),
    )


def add_gazetteer(predictions: Predictions, gazetteer: Gazetteer) -> Predictions:
    """Predictions with the gazetteer as one more member, as it reads any texts.

    Only spans that are candidates already can be voted on.

    Args:
        predictions: of any records.
        gazetteer: over labels that they have.

    Raises:
        DataError: the gazetteer has terms of a label that the predictions lack.

    Examples:
        >>> from hybridner.data.terms import Term
        >>> gazetteer = Gazetteer.from_terms([Term("甲乙", "LOC")], ["LOC"])
        >>> add_gazetteer(predictions, gazetteer).members[-1]
        'gazetteer'
    """
    gazetteer = gazetteer.for_labels(predictions.labels[1:])
    return _with_member(predictions, *gazetteer.judge([record.text for record in predictions.records]))


def add_cross_fitted(predictions: Predictions, gazetteer: Gazetteer) -> Predictions:
    """As `add_gazetteer`, on labelled predictions that weights are to be fitted on.

    No text is judged by terms of its own document, nor by a reliability that was fitted on its own fold: where the gazetteer's
    counts come from these texts, or nothing was fitted yet, reliability is worked out from the other folds.

    Args:
        predictions: labelled.
        gazetteer: over labels that they have.

    Examples:
        >>> from hybridner.data.terms import Term
        >>> gazetteer = Gazetteer.from_terms([Term("甲乙", "LOC")], ["LOC", "ORG", "PER"])
        >>> add_cross_fitted(predictions, gazetteer).ballot.votes.shape
        (5, 120)
    """
    gazetteer = gazetteer.for_labels(predictions.labels[1:])
    is_known = gazetteer.is_from([record.text for record in predictions.records])
    if gazetteer.reliability.hits and not is_known.any():
        return add_gazetteer(predictions, gazetteer)
    hits, gold = sample_hits(gazetteer, predictions.records)
    folds = predictions.folds
    if len(np.unique(folds)) < 2:
        documents = len(np.unique(document_numbers(predictions.records)))
        folds = np.array(assign_folds(predictions.records, min(_FOLDS, documents), _SEED)) if documents > 1 else folds
    return _with_member(predictions, *_cross_fitted(hits, gold, folds[hits.places[:, 0]], len(gazetteer.labels)))


def _with_member(predictions: Predictions, places: Integers, probabilities: Floats) -> Predictions:
    ballot = add_votes(predictions.ballot, places, probabilities)
    return replace(predictions, ballot=ballot, members=(*predictions.members, GAZETTEER))


def _cross_fitted(hits: Hits, gold: Integers, folds: Integers, num_labels: int) -> tuple[Integers, Floats]:
    """Places and distributions of the hits, those of each fold by a reliability fitted on the others."""
    parts = []
    for fold in np.unique(folds):
        inside = folds == fold
        reliability = Reliability.fit(hits.select(~inside), gold[~inside], num_labels)
        parts.append(reliability.distributions(hits.select(inside)))
    if not parts:
        return np.zeros((0, 3), dtype=np.int64), np.zeros((0, num_labels + 1))
    places = np.concatenate([places for places, _ in parts])
    order = np.lexsort(places.T[::-1])
    return places[order], np.concatenate([probabilities for _, probabilities in parts])[order]


def _keys(places: Integers, wide: int) -> Integers:
    """One number for each place, in their order."""
    return np.asarray((places[:, 0] * wide + places[:, 1]) * wide + places[:, 2])
