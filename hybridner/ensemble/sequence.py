"""Voting of taggers character by character: the legal BIO sequence that collects the most votes (VM over sequences, section
3.2)."""

from __future__ import annotations

import numpy as np

from hybridner.ensemble.ballot import Ballot, Integers
from hybridner.spans.tags import begin_tag, inside_tag, numbered_spans

#: Of sequences with equally many votes the one with more O is taken.
_TIE = 1e-3


def vote_sequences(ballot: Ballot, lengths: Integers) -> list[list[tuple[int, int, int]]]:
    """Entities of each text by a vote of the taggers on every character's tag.

    A plain majority for each character can give sequences that BIO forbids; the Viterbi search is over legal ones only. Votes
    can make spans that no tagger proposed.

    Args:
        ballot: of all texts; SpanNER has no say.
        lengths: [texts] characters of each text.

    Returns:
        for each text the (start, end, label number from 1).
    """
    taggers = [number for number in range(len(ballot.votes)) if number != ballot.scorer]
    borders = np.searchsorted(ballot.spans[:, 0], np.arange(len(lengths) + 1))
    num_tags = 2 * (ballot.num_labels - 1) + 1
    results = []
    for text, length in enumerate(lengths.tolist()):
        inside = slice(borders[text], borders[text + 1])
        votes = np.zeros((length, num_tags))
        for tagger in taggers:
            votes[np.arange(length), _tags(ballot.spans[inside, 1:], ballot.votes[tagger, inside], length)] += 1.0
        results.append([(start, end, label + 1) for start, end, label in numbered_spans(best_legal_tags(votes))])
    return results


def _tags(spans: Integers, labels: Integers, length: int) -> Integers:
    tags = np.zeros(length, dtype=np.int64)
    for (start, end), label in zip(spans[labels > 0].tolist(), labels[labels > 0].tolist(), strict=True):
        tags[start:end] = inside_tag(label - 1)
        tags[start] = begin_tag(label - 1)
    return tags


def best_legal_tags(votes: np.ndarray) -> list[int]:
    """The legal BIO sequence of the largest total of votes [n, 2K + 1]; empty for n = 0."""
    length, num_tags = votes.shape
    if not length:
        return []
    tag = np.arange(num_tags)
    inside = (tag > 0) & (tag % 2 == 0)
    legal = ~inside[None, :] | ((tag[:, None] + 1) // 2 == (tag[None, :] + 1) // 2)
    votes = votes + _TIE * (tag == 0)
    total = np.where(inside, -np.inf, votes[0])
    back = np.zeros((length, num_tags), dtype=np.int64)
    for position in range(1, length):
        through = np.where(legal, total[:, None], -np.inf)
        back[position] = through.argmax(axis=0)
        total = through.max(axis=0) + votes[position]
    best = int(total.argmax())
    path = [best]
    for position in range(length - 1, 0, -1):
        best = int(back[position, best])
        path.append(best)
    return path[::-1]
