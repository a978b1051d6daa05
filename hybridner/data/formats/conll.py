"""CoNLL-style files: one token and its tag a line, a blank line after each sentence.

The token is the first column and the tag the last; columns are split by a tab where there is one, else by spaces. The scheme is
found from the prefixes of the whole file: M makes it BMES, E BIOES, S alone BIOS, else BIO. Tokens are joined without a space,
but two Latin words or numbers of several characters each get one between them. A `-DOCSTART-` line starts a new document;
the group of its sentences is the document's number, and their ids have the form ``DOCUMENT:NUMBER``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hybridner.data.records import RawSpan, Reading
from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError
from hybridner.spans import Record
from hybridner.spans.tags import parse_tag

DOCUMENT_START = "-DOCSTART-"

#: The prefixes each scheme uses beside O.
_SCHEMES = {"BIO": frozenset("BI"), "BIOS": frozenset("BIS"), "BIOES": frozenset("BIES"), "BMES": frozenset("BMES")}
_LATIN_WORD = re.compile(r"[^\W_]{2,}", re.ASCII)
_TAG = re.compile(r"O|[BIMES]-\S+")


def looks_like_conll(line: str) -> bool:
    """Whether a line could stand in a CoNLL-style file: at least two columns, the last one a tag."""
    columns = line.split("\t") if "\t" in line else line.split()
    tag = columns[-1].strip()
    return columns[0] == DOCUMENT_START or (len(columns) > 1 and _TAG.fullmatch(tag) is not None)


def detect_scheme(path: Path) -> str:
    """BIO, BIOS, BIOES or BMES, from every tag of the file.

    Raises:
        DataError: the prefixes fit no scheme, as when M and I are mixed.
    """
    used: dict[str, int] = {}
    with path.open(encoding="utf-8-sig") as handle:
        for number, line in enumerate(handle, 1):
            _, _, tag = line.rstrip().rpartition("\t" if "\t" in line else " ")
            if tag[1:2] == "-":
                used.setdefault(tag[0], number)
    for scheme, prefixes in _SCHEMES.items():
        if used.keys() <= prefixes:
            return scheme
    found = ", ".join(f"{prefix} (first in line {number})" for prefix, number in sorted(used.items()))
    raise DataError(f"the tag prefixes {found} fit none of {', '.join(_SCHEMES)}", str(path))


def iter_conll(path: Path, reading: Reading) -> Iterator[Record]:
    """The sentences of a CoNLL-style file."""
    closed_by_end = "E" in _SCHEMES[detect_scheme(path)]
    document, number = 0, 0
    for line_number, tokens, tags in _sentences(path, reading.repairs):
        if tokens[0] == DOCUMENT_START:
            document += 1
            continue
        where = f"{path}, sentence from line {line_number}"
        text, starts = _joined(tokens)
        spans = [
            (starts[first], starts[last] + len(tokens[last]), label)
            for first, last, label in token_spans(tags, closed_by_end, reading.repairs, where)
        ]
        group = reading.numbered_id(path, document) if document else ""
        id = f"{group}:{number}" if group else reading.numbered_id(path, number)
        yield reading.record(text, spans, where=where, id=id, group=group)
        number += 1


def _sentences(path: Path, repairs: RepairLog) -> Iterator[tuple[int, list[str], list[str]]]:
    """(line of the first token, tokens, tags) of each sentence; a -DOCSTART- line comes as a sentence of its own."""
    tokens: list[str] = []
    tags: list[str] = []
    start = 1
    with path.open(encoding="utf-8-sig") as handle:
        for number, line in enumerate(handle, 1):
            line = line.rstrip("\n")
            if line.startswith(DOCUMENT_START) or not line.strip():
                if tokens:
                    yield start, tokens, tags
                    tokens, tags = [], []
                if line.strip():
                    yield number, [DOCUMENT_START], ["O"]
                continue
            if not tokens:
                start = number
            token, tag = _columns(line, path, number)
            if not tag:
                repairs.add("empty_tag", f"{path}, line {number}")
                tag = "O"
            tokens.append(token)
            tags.append(tag)
    if tokens:
        yield start, tokens, tags


def _columns(line: str, path: Path, number: int) -> tuple[str, str]:
    """The token and the tag; an empty tag where the line ends after its separator."""
    if "\t" in line:
        columns = line.split("\t")
        token, tag = columns[0], columns[-1].strip()
    else:
        columns = line.split()
        # A space can be a token itself; the split takes it for a separator.
        token = line[0] if line[0].isspace() else columns[0]
        tag = "" if len(columns) == 1 and line[-1].isspace() else columns[-1]
        if len(columns) == 1 and tag == token:
            raise DataError(f"expected a token and a tag, found one column: {line!r}", f"{path}, line {number}")
    if not token:
        raise DataError("the token is missing before the tab", f"{path}, line {number}, column 1")
    return token, tag


def _joined(tokens: list[str]) -> tuple[str, list[int]]:
    """The text of a sentence and where in it each token starts."""
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


def token_spans(tags: list[str], closed_by_end: bool, repairs: RepairLog, where: str) -> Iterator[RawSpan]:
    """(first token, last token, label) of each entity.

    Args:
        closed_by_end: whether the scheme closes an entity of several tokens with E (BIOES, BMES).

    Raises:
        DataError: an unknown tag.
    """
    start, label = -1, ""
    for position, tag in enumerate([*tags, "O"]):
        if tag == "O" and start < 0:
            continue
        at = f"{where}, token {position}"
        prefix, named = parse_tag(tag, at)
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
