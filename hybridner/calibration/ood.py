"""Fitting what tells a composite's own domain from others, and ranking held-out texts by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import numpy as np

from hybridner.calibration.reliability import detection
from hybridner.ensemble import decide, select_entities
from hybridner.ensemble.ballot import Floats
from hybridner.ensemble.ood import OodDetector, surroundings
from hybridner.errors import DataError
from hybridner.hybrid import CompositeModel, HybridNerModel, require_torch
from hybridner.hybrid.ballots import predict_ballots
from hybridner.hybrid.states import mean_states

#: At most so many texts of each kind are read, drawn with a fixed seed; and fewer than so many held-out ones rank nothing.
_MOST, _LEAST_HELD_OUT, _SEED = 2_000, 20, 42
#: The share of known texts that is held out where no others are given.
_HELD_OUT = 1 / 3
_BATCH_SIZE = 16
#: Whose spread counts how much: that of the background against that of the known texts, nonsense within the background, and the
#: part of the covariance that is made round. Chosen on SNCM-open (validation) against training parts of CLUENER, CMeEE, MSRA and
#: the SNCM draft, see benchmarks/results/unknown_texts.md.
_BACKGROUND_SHARE, _NONSENSE_SHARE, _SHRINKAGE = 0.8, 0.15, 0.03
#: So many values say as much about a text's rank as is stored.
_STORED = 500


def fit_ood(
    model: CompositeModel, known: Sequence[str], held_out: Sequence[str] | None = None, background: Sequence[str] | None = None
) -> dict[str, Any]:
    """Teach a composite which texts are unlike those it knows; from then on its predictions have an `ood_score`.

    A linear discriminant on the encoder's mean state leads from known texts to a background of other texts and of nonsense; new
    texts are ranked along it, see `fit_direction`.

    Args:
        model: changed in place; save it afterwards.
        known: texts of the domain, such as those the members were trained on.
        held_out: others of the same kind that no member was trained on, which new texts are ranked against. By default a third
            of `known`: then the ranks are as good as these texts are new to the members.
        background: texts of as many other kinds as can be had, the more the better; by default a few hundred sentences that come
            with hybridner.

    Returns:
        how many texts of each kind were used, and `separation`: how well background that was left out of the fit is told from
        the held-out texts (AUROC and AUPR).

    Raises:
        DataError: too few different texts.
        ModelError: a composite that was exported to ONNX.
    """
    composite = require_torch(model)
    known, held_out = _distinct(known), None if held_out is None else _distinct(held_out)
    if held_out is not None:
        seen = frozenset(known)
        held_out = [text for text in held_out if text not in seen]
    if held_out is None or len(held_out) < _LEAST_HELD_OUT <= len(known) // 2:
        cut = round(len(known) * _HELD_OUT)
        known, held_out = known[cut:], known[:cut]
    if len(held_out) < _LEAST_HELD_OUT or len(known) < _LEAST_HELD_OUT:
        raise DataError(
            f"{len(known)} different texts to learn a domain from and {len(held_out)} held out are too few; {_LEAST_HELD_OUT} of "
            "each are the least"
        )
    others = _distinct(built_in_background() if background is None else background)
    if len(others) < _LEAST_HELD_OUT:
        raise DataError(f"{len(others)} different texts of other kinds are too few for a background; thousands are better")
    inside, outside, broken = (mean_states(composite, texts) for texts in (known, others, nonsense(known)))
    left_out = np.arange(len(outside)) % 5 == 0
    trial = fit_direction(inside, outside[~left_out], broken)
    separation = detection(
        np.concatenate([mean_states(composite, held_out) @ trial, outside[left_out] @ trial]),
        np.arange(len(held_out) + left_out.sum()) >= len(held_out),
    )
    _store(composite, fit_direction(inside, outside, broken), held_out)
    return {
        "known": len(known),
        "held_out": len(held_out),
        "background": len(outside) + len(broken),
        "built_in_background": background is None,
        "separation": asdict(separation),
    }


def fit_direction(known: Floats, background: Floats, nonsense: Floats) -> Floats:
    """[d] Fisher's linear discriminant from known texts to all others.

    The difference of the means is divided by a covariance that is mostly that of the others. So directions count little along
    which texts of all kinds differ among themselves: how they are punctuated, whether they are prose, headlines or records, how
    many digits and Latin letters they hold. What is left is what they are about.

    Args:
        known: [N, d] mean states of known texts.
        background: [M, d] of texts of as many other kinds as can be had.
        nonsense: [L, d] of what is no text at all; it keeps its weight however large the background is.

    Returns:
        weights under which known texts have a variance of 1.
    """
    others = np.concatenate([background, nonsense])
    weight = np.repeat(
        [(1 - _NONSENSE_SHARE) / len(background), _NONSENSE_SHARE / len(nonsense)], [len(background), len(nonsense)]
    )
    apart = others - weight @ others
    spread = _BACKGROUND_SHARE * (apart.T * weight) @ apart + (1 - _BACKGROUND_SHARE) * np.cov(known.T)
    size = len(spread)
    spread = (1 - _SHRINKAGE) * spread + _SHRINKAGE * np.trace(spread) / size * np.eye(size)
    direction = np.linalg.solve(spread, weight @ others - known.mean(axis=0))
    return np.asarray(direction / (known @ direction).std())


def built_in_background() -> list[str]:
    """Sentences of many walks of life, one a line, that come with hybridner."""
    text = files("hybridner.calibration").joinpath("background.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line]


def nonsense(texts: Sequence[str], count: int = 60) -> list[str]:
    """Known texts with their characters shuffled, and runs of Latin letters and digits: what no domain is made of."""
    dice = np.random.default_rng(_SEED)
    shuffled = ["".join(dice.permutation(list(texts[number % len(texts)]))) for number in range(count // 2)]
    latin = ["".join(dice.choice(list("abcdefghijklmnopqrstuvwxyz 0123456789"), 40)) for _ in range(count // 2)]
    return shuffled + latin


def _store(model: HybridNerModel, direction: Floats, held_out: Sequence[str]) -> None:
    direction = np.round(direction, 6)
    # The engine measures along the direction that the configuration has; what it ranks against comes after that.
    model.config.update({"ood": OodDetector(direction, np.zeros(1), np.zeros(1)).to_dict()})
    texts: list[float] = []
    passages: list[float] = []
    labels, settings = model.config.labels.with_outside, model.decision_settings
    for group in predict_ballots(model, held_out, batch_size=_BATCH_SIZE, decoding=settings.decoding):
        decided = decide(group.ballot, len(group.numbers), labels, model.voter_names, settings)
        for row, strangeness in zip(decided, group.strangeness or [], strict=True):
            spans = np.array([(entity.start, entity.end) for entity in select_entities(row)], dtype=np.int64).reshape(-1, 2)
            texts.append(float(strangeness.mean()))
            passages += surroundings(strangeness, spans).tolist()
    known = _sample(texts)
    detector = OodDetector(direction, known, _sample(passages) if len(passages) >= _LEAST_HELD_OUT else known)
    model.config.update({"ood": detector.to_dict()})


def _sample(values: Sequence[float]) -> Floats:
    """At most `_STORED` of the values, ascending."""
    drawn = np.random.default_rng(_SEED).permutation(np.asarray(values, dtype=np.float64))[:_STORED]
    return np.sort(np.round(drawn, 5))


def _distinct(texts: Sequence[str]) -> list[str]:
    """At most `_MOST` different texts with something in them, in an order that is the same every time."""
    found = list(dict.fromkeys(text for text in texts if text.strip()))
    return [found[index] for index in np.random.default_rng(_SEED).permutation(len(found))[:_MOST]]
