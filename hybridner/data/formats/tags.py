"""Tags of tokens in any scheme, as entities: BIO, BIOS, BIOES, BMES and BILOU, with ``B-PER`` or ``B_PER``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError

#: The prefixes each scheme uses beside O.
SCHEMES = {
    "BIO": frozenset("BI"),
    "BIOS": frozenset("BIS"),
    "BIOES": frozenset("BIES"),
    "BMES": frozenset("BMES"),
    "BILOU": frozenset("BILU"),
}
_CLOSED_BY_END = ("BIOES", "BMES", "BILOU")
_TAG = re.compile(r"([BIMESLU])[-_](.*\S)\s*")
#: BILOU's names for E and S.
_SAME = {"L": "E", "U": "S"}
_LATIN_WORD = re.compile(r"[^\W_]{2,}", re.ASCII)


def is_tag(tag: str) -> bool:
    return tag == "O" or _TAG.fullmatch(tag) is not None


def split_tag(tag: str, where: str = "") -> tuple[str, str]:
    """("B", "PER") from "B-PER"; ("O", "") from "O". L and U of BILOU come as E and S.

    Raises:
        DataError: the tag has no known prefix or no label.
    """
    if tag == "O":
        return "O", ""
    match = _TAG.fullmatch(tag)
    if match is None:
        raise DataError(f"unknown tag {tag!r}; expected O, or one of B- I- M- E- S- followed by a label", where)
    return _SAME.get(match[1], match[1]), match[2]


def find_scheme(first_of_prefix: Mapping[str, int], where: str) -> str:
    """The scheme that has all these prefixes.

    Args:
        first_of_prefix: where each prefix stands first.

    Raises:
        DataError: they fit none, as when M and I are mixed.
    """
    for scheme, prefixes in SCHEMES.items():
        if first_of_prefix.keys() <= prefixes:
            return scheme
    found = ", ".join(f"{prefix} (first in line {number})" for prefix, number in sorted(first_of_prefix.items()))
    raise DataError(f"the tag prefixes {found} fit none of {', '.join(SCHEMES)}", where)


def is_closed_by_end(scheme: str) -> bool:
    """Whether a scheme marks the last token of an entity of several tokens."""
    return scheme in _CLOSED_BY_END


def token_spans(tags: Sequence[str], closed_by_end: bool, repairs: RepairLog, where: str) -> Iterator[tuple[int, int, str]]:
    """(first token, last token, label) of each entity.

    Raises:
        DataError: an unknown tag.
    """
    start, label = -1, ""
    for position, tag in enumerate([*tags, "O"]):
        if tag == "O" and start < 0:
            continue
        at = f"{where}, token {position}"
        prefix, named = split_tag(tag, at)
        goes_on = prefix in "IME"
        if start >= 0 and not (goes_on and named == label):
            if closed_by_end:
                repairs.add("broken_tags", at)
            yield start, position - 1, label
            start = -1
        if goes_on and start < 0:
            repairs.add("broken_tags", at)
        if start < 0 and prefix != "O":
            start, label = position, named
        if prefix in "ES":
            yield start, position, label
            start = -1


def join_tokens(tokens: Iterable[str]) -> tuple[str, list[int]]:
    """The text of a sentence and where in it each token starts.

    Tokens are joined without a space, but two Latin words or numbers of several characters each get one between them.
    """
    parts: list[str] = []
    starts: list[int] = []
    length, after_word = 0, False
    for token in tokens:
        word = len(token) > 1 and _LATIN_WORD.fullmatch(token) is not None
        if word and after_word:
            parts.append(" ")
            length += 1
        starts.append(length)
        parts.append(token)
        length += len(token)
        after_word = word
    return "".join(parts), starts
