"""Fitting how far an LLM is to be trusted, on labelled sentences that neither it nor the composite has learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from hybridner.ensemble import Candidate
from hybridner.ensemble.ballot import Floats
from hybridner.errors import DataError
from hybridner.llm import ConfusionMatrix, MemberReliability
from hybridner.spans import NON_ENTITY, Span

#: Spans of each label that count as much as the LLM's average over all labels.
_LABEL_PRIOR = 10.0
#: Wrong and right spans that are added where it alone proposes: without any of its own it is not believed.
_ALONE_WRONG, _ALONE_RIGHT = 3.5, 0.5
#: How firmly trust is held to 1, as a standard deviation.
_TRUST_SPREAD = 0.05
_MAX_TRUST = 1.5
_MIN_PROB = 1e-9


def fit_member(
    candidates: Sequence[Sequence[Candidate]],
    found: Sequence[Sequence[Span]],
    gold: Sequence[Sequence[Span]],
    characters: int,
    labels: Sequence[str],
) -> MemberReliability:
    """The reliability of an LLM as a member, from what it extracted; some fifty sentences will do.

    What few answers cannot tell is drawn towards "ignore it": rows of the matrix towards each other (`ConfusionMatrix.fit`),
    labels that hardly occur towards all labels, spans that it alone proposes towards being wrong.

    Args:
        candidates: of each sentence, as `decide` returns them.
        found: what the LLM extracted from it.
        gold: gold spans of it.
        characters: of all sentences together.
        labels: the K + 1 names, O first.

    Raises:
        DataError: no sentence, or not as many of one as of the others.

    Examples:
        >>> from hybridner.ensemble import DecisionSettings, decide_predictions
        >>> candidates = decide_predictions(predictions, DecisionSettings())
        >>> gold = [record.entities for record in predictions.records]
        >>> found = [spans[:1] for spans in gold]       # an LLM that finds the first entity of each text and no other
        >>> reliability = fit_member(candidates, found, gold, characters=360, labels=predictions.labels)
        >>> reliability.matrix.rows[1][1] > reliability.matrix.rows[1][2]
        True
    """
    if not candidates or not len(candidates) == len(found) == len(gold):
        raise DataError(f"{len(candidates)} sentences with candidates, {len(found)} with answers and {len(gold)} with gold")
    distributions: list[tuple[float, ...]] = []
    pairs: list[tuple[str, str]] = []
    alone: list[tuple[str, bool]] = []
    for row, mine, truth in zip(candidates, found, gold, strict=True):
        said = {(span.start, span.end): span.label for span in reversed(mine)}
        true = {(span.start, span.end): span.label for span in truth}
        for candidate in row:
            place = (candidate.start, candidate.end)
            distributions.append(candidate.distribution)
            pairs.append((true.get(place, NON_ENTITY), said.get(place, NON_ENTITY)))
        known = {(candidate.start, candidate.end) for candidate in row}
        alone += [(label, true.get(place) == label) for place, label in said.items() if place not in known]
    matrix = ConfusionMatrix.fit(pairs, labels)
    trust = fit_trust(np.array(distributions).reshape(-1, len(labels)), matrix, pairs)
    rate = tuple(sum(label == name for label, _ in alone) / max(characters, 1) for name in labels)
    return MemberReliability(replace(matrix, trust=trust), _share_right(alone, labels), rate)


def fit_trust(
    distributions: Floats, matrix: ConfusionMatrix, pairs: Sequence[tuple[str, str]], spread: float = _TRUST_SPREAD
) -> float:
    """How much of the evidence of answers counts beside the composite's own distribution; see `ConfusionMatrix.trust`.

    The exponent of the largest likelihood of the true labels, held to 1: a verifier whose errors are the composite's own tells
    less than its matrix says.

    Args:
        distributions: [N, K + 1] the composite's, before the answer.
        matrix: fitted on these answers.
        pairs: N times true label and answer.
        spread: standard deviation of the normal prior around 1.

    Examples:
        >>> from hybridner.llm import ConfusionMatrix
        >>> pairs = [("LOC", "LOC"), ("O", "O"), ("ORG", "LOC")]
        >>> matrix = ConfusionMatrix.fit(pairs, predictions.labels)
        >>> 0 < fit_trust(np.full((3, 4), 0.25), matrix, pairs) <= 2
        True
    """
    if not pairs:
        return 1.0
    number = {label: index for index, label in enumerate(matrix.labels)}
    true, answer = np.array([[number[name] for name in pair] for pair in pairs]).T
    prior = np.log(np.clip(distributions, _MIN_PROB, 1.0))
    evidence = np.log(np.clip(np.array(matrix.rows)[:, answer].T, _MIN_PROB, 1.0))

    def loss(trust: float) -> float:
        fit = -log_softmax(prior + trust * evidence, axis=1)[np.arange(len(true)), true].sum()
        return float(fit + 0.5 * ((trust - 1.0) / spread) ** 2)

    return float(minimize_scalar(loss, bounds=(0.0, _MAX_TRUST), method="bounded").x)


def _share_right(alone: Sequence[tuple[str, bool]], labels: Sequence[str]) -> tuple[float, ...]:
    overall = (sum(right for _, right in alone) + _ALONE_RIGHT) / (len(alone) + _ALONE_RIGHT + _ALONE_WRONG)

    def share(name: str) -> float:
        own = [right for label, right in alone if label == name]
        return (sum(own) + _LABEL_PRIOR * overall) / (len(own) + _LABEL_PRIOR)

    return tuple(share(name) for name in labels)
