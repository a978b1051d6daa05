"""From the log-probabilities of an answer's tokens to the probabilities of the labels it might have given."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

#: What may stand before a label within a token.
_LEAD = " \t\n\"'“`*"


@dataclass(frozen=True, slots=True)
class Token:
    """A token of an answer, and the most probable ones in its place, itself among them as a rule: (text, natural logarithm)."""

    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...]


def option_probabilities(tokens: Sequence[Token], options: Sequence[str], count: int) -> tuple[tuple[float, ...], ...]:
    """P(option) for each span that an answer gives an option for.

    The answer's tokens are followed from where an option begins. Whatever other token could have stood there counts for the
    options that begin so (in equal parts where it may be several), until only one option is left that begins as the answer does.

    Args:
        tokens: the whole answer.
        options: the closed list.
        count: how many spans were asked about; of several, each line or field begins with its number.

    Returns:
        for each span a row that sums to 1, empty where no option is found in the answer; nothing without any tokens.
    """
    if not tokens:
        return ()
    content = "".join(token.text for token in tokens)
    return tuple(_row(tokens, _start(content, number if count > 1 else None, options), options) for number in range(1, count + 1))


def _start(content: str, number: int | None, options: Sequence[str]) -> int | None:
    """Where the option of a span begins in the answer."""
    names = "|".join(re.escape(option) for option in sorted(options, key=len, reverse=True))
    before = "" if number is None else rf"(?:^|[\n{{,])\W*{number}\W{{1,6}}?"
    match = re.search(rf"{before}({names})", content)
    return match.start(1) if match else None


def _row(tokens: Sequence[Token], start: int | None, options: Sequence[str]) -> tuple[float, ...]:
    if start is None:
        return ()
    share = dict.fromkeys(options, 0.0)
    alive, written, mass, position = list(options), "", 1.0, 0
    for token in tokens:
        position += len(token.text)
        if position <= start:
            continue
        for text, logprob in token.alternatives:
            if text != token.text:
                begun = (written + text).lstrip(_LEAD)
                could = [option for option in alive if begun and _agree(begun, option)]
                for option in could:
                    share[option] += mass * math.exp(logprob) / len(could)
        written = (written + token.text).lstrip(_LEAD)
        mass *= math.exp(token.logprob)
        alive = [option for option in alive if _agree(written, option)]
        if len(alive) <= 1 or not any(len(option) > len(written) for option in alive):
            break
    # Where one option is the beginning of another, the longest that the answer holds is meant.
    given = [option for option in alive if written.startswith(option)] or alive
    if given:
        share[max(given, key=len)] += mass
    total = sum(share.values())
    return tuple(share[option] / total for option in options) if total > 0 else ()


def _agree(begun: str, option: str) -> bool:
    return option.startswith(begun) or begun.startswith(option)
