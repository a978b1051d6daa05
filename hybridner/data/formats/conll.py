"""CoNLL-style files: one token and its tag a line, a blank line after each sentence.

Columns are split by a tab where there is one, else by spaces. The token is the first column, or the second where the first
numbers the tokens; the tag is the last column that holds nothing but tags. The scheme is found from the prefixes of the whole
file: M makes it BMES, E BIOES, L or U BILOU, S alone BIOS, else BIO. A `-DOCSTART-` line starts a new document; the group of its
sentences is the document's number, and their ids have the form ``DOCUMENT:NUMBER``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hybridner.data.decoding import BYTE_ORDER_MARK, detect_encoding, open_text
from hybridner.data.formats.base import AnnotatedRecord, Format, RawEntity, RawRecord
from hybridner.data.formats.tags import find_scheme, is_closed_by_end, is_tag, join_tokens, token_spans
from hybridner.data.options import ReadOptions
from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError
from hybridner.files import atomic_write
from hybridner.spans import Record
from hybridner.spans.tags import spans_to_tags, tag_names

DOCUMENT_START = "-DOCSTART-"

#: Columns are counted from the end up to so many.
_MOST_COLUMNS = 12
#: A token of so many characters that holds Chinese punctuation is a whole sentence.
_LONG_TOKEN = 10
_SENTENCE_MARK = re.compile(r"[。！？；，、：]")
_LINE_BREAKS = re.compile(r"[\n\r\t]")


@dataclass
class Layout:
    """Where the columns of a file are, from one pass over it.

    Attributes:
        tag: place of the tag's column, counted from the end (-1 is the last).
        index: whether the first column numbers the tokens.
        digits: whether every token ends in its place in a word, as in Weibo's files.
        spaced_labels: whether labels hold spaces in a file without tabs, so that all columns from the second on are the tag.
        scheme: of the tags.
    """

    tag: int = -1
    index: bool = False
    digits: bool = False
    spaced_labels: bool = False
    scheme: str = "BIO"


def looks_like_conll(line: str) -> bool:
    """Whether a line could stand in a CoNLL-style file: at least two columns, a later one a tag."""
    columns = _split(line)
    if columns[0] == DOCUMENT_START:
        return True
    return len(columns) > 1 and any(is_tag(column.strip()) for column in columns[1:])


def _split(line: str) -> list[str]:
    """The columns of a line. A space can be a token itself; a split would take it for a separator."""
    if "\t" in line:
        return line.split("\t")
    columns = line.split()
    if line[:1].isspace():
        columns.insert(0, line[0])
    if line[-1:].isspace() and len(columns) == 1 and len(line) > 1:
        columns.append("")
    return columns or [line]


@dataclass
class _Survey:
    """What is noticed about a file's columns while it is gone through."""

    lines: int = 0
    tags_at: set[int] = field(default_factory=lambda: set(range(-_MOST_COLUMNS, 0)))
    index: bool = True
    digits: bool = True
    spaced: bool = True
    names: set[str] = field(default_factory=set)
    prefixes: dict[int, dict[str, int]] = field(default_factory=dict)
    place: int = 0

    def blank(self) -> None:
        self.place = 0

    def add(self, number: int, line: str, columns: list[str]) -> None:
        self.lines += 1
        self.tags_at = {at for at in self.tags_at if len(columns) >= 1 - at and is_tag(columns[at].strip() or "O")}
        for at in self.tags_at:
            tag = columns[at].strip()
            if tag[1:2] in ("-", "_"):
                self.prefixes.setdefault(at, {}).setdefault(tag[0], number)
        self.index = self.index and len(columns) > 2 and columns[0].isdigit() and int(columns[0]) - self.place in (0, 1)
        # Numbers may begin at 0 or at 1, and go on by one.
        self.place = int(columns[0]) + 1 if self.index else self.place
        self.digits = self.digits and len(columns[0]) > 1 and columns[0][-1].isdigit()
        self.names.add(columns[0][:-1])
        self.spaced = self.spaced and "\t" not in line and len(columns) > 1 and is_tag(columns[1])


def find_layout(path: Path, encoding: str | None = None) -> Layout:
    """The layout of a file, from all of its lines.

    Raises:
        DataError: the prefixes of its tags fit no scheme.
    """
    survey = _Survey()
    for number, line in _token_lines(path, encoding):
        if line is None:
            survey.blank()
        else:
            survey.add(number, line, _split(line))
    spaced = survey.spaced and not survey.tags_at
    layout = Layout(
        tag=max(survey.tags_at, default=-1),
        index=survey.index and survey.lines > 1,
        # All tokens would end in a digit by chance only in a file of a few numbers.
        digits=survey.digits and len(survey.names) > 1 and any(not name.isdigit() for name in survey.names),
        spaced_labels=spaced,
    )
    prefixes = survey.prefixes.get(layout.tag, {}) if survey.tags_at else _prefixes(path, encoding, layout)
    layout.scheme = find_scheme(prefixes, str(path))
    return layout


def _prefixes(path: Path, encoding: str | None, layout: Layout) -> dict[str, int]:
    """Where each prefix stands first, in a file none of whose columns holds nothing but known tags."""
    prefixes: dict[str, int] = {}
    for number, line in _token_lines(path, encoding):
        if line is not None:
            tag = _columns(line, layout, f"{path}, line {number}")[1]
            if tag[1:2] in ("-", "_"):
                prefixes.setdefault(tag[0], number)
    return prefixes


def _token_lines(path: Path, encoding: str | None) -> Iterator[tuple[int, str | None]]:
    """(number, line) of every line of a token; None in place of a blank line or a start of a document."""
    for number, line in enumerate(open_text(path, encoding), 1):
        yield number, None if not line.strip() or line.startswith(DOCUMENT_START) else line


def _columns(line: str, layout: Layout, where: str) -> tuple[str, str]:
    """The token and the tag of a line; an empty tag where the line ends after its separator."""
    columns = _split(line)
    if layout.index and len(columns) > 2:
        columns = columns[1:]
    token = columns[0]
    if not token:
        raise DataError("the token is missing before the tab", f"{where}, column 1")
    if len(columns) == 1:
        raise DataError(f"expected a token and a tag, found one column: {line!r}", where)
    if len(token) > _LONG_TOKEN and _SENTENCE_MARK.search(token):
        raise DataError(
            f"the token is a whole sentence: {token[:20]!r}...; put each character (or word) and its tag on a line of its own",
            where,
        )
    if layout.spaced_labels:
        return token, " ".join(columns[1:])
    return token, columns[max(layout.tag, 1 - len(columns))].strip()


def read(path: Path, options: ReadOptions) -> Iterator[RawRecord]:
    """The sentences of a CoNLL-style file."""
    encoding = options.encoding or detect_encoding(path)
    layout = find_layout(path, encoding)
    for rule in (("index_column",) if layout.index else ()) + (("segmentation_digits",) if layout.digits else ()):
        options.repairs.add(rule, str(path))
    document, number = 0, 0
    for line_number, tokens, tags in _sentences(path, encoding, layout, options):
        if tokens[0] == DOCUMENT_START:
            document += 1
            continue
        where = f"{path}, sentence from line {line_number}"
        text, starts = join_tokens(tokens)
        entities = [
            RawEntity(starts[first], starts[last] + len(tokens[last]), label)
            for first, last, label in token_spans(tags, is_closed_by_end(layout.scheme), options.repairs, where)
        ]
        group = options.numbered_id(path, document) if document else ""
        id = f"{group}:{number}" if group else options.numbered_id(path, number)
        yield RawRecord(text, entities, where, id, group)
        number += 1


def _sentences(path: Path, encoding: str, layout: Layout, options: ReadOptions) -> Iterator[tuple[int, list[str], list[str]]]:
    """(line of the first token, tokens, tags) of each sentence; a -DOCSTART- line comes as a sentence of its own."""
    tokens: list[str] = []
    tags: list[str] = []
    start = 1
    for number, line in enumerate(open_text(path, encoding), 1):
        if line.startswith(DOCUMENT_START) or not line.strip():
            if tokens:
                yield start, tokens, tags
                tokens, tags = [], []
            if line.strip():
                yield number, [DOCUMENT_START], ["O"]
            continue
        if not tokens:
            start = number
        token, tag = _columns(line, layout, f"{path}, line {number}")
        if not tag:
            options.repairs.add("empty_tag", f"{path}, line {number}")
            tag = "O"
        tokens.append(token[:-1] if layout.digits else token)
        tags.append(tag)
    if tokens:
        yield start, tokens, tags


def _write(records: Iterable[AnnotatedRecord], path: Path, log: RepairLog, predictions: bool) -> int:
    """One character a line with BIO tags; documents begin with a -DOCSTART- line where records have groups."""
    written, group = 0, ""
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as file:
        for annotated in records:
            record = annotated.record
            if not record.text:
                continue
            if record.group and record.group != group:
                file.write(f"{DOCUMENT_START}\tO\n\n")
            group = record.group
            if not (written or group) and record.text.startswith(BYTE_ORDER_MARK):
                file.write(BYTE_ORDER_MARK)  # the text's own would be taken for the file's
            file.writelines(f"{character}\t{tag}\n" for character, tag in _tagged(record, log, f"{path}, record {written}"))
            file.write("\n")
            written += 1
    return written


def _tagged(record: Record, log: RepairLog, where: str) -> Iterator[tuple[str, str]]:
    labels = sorted({span.label for span in record.entities})
    tags = spans_to_tags(record.entities, len(record.text), labels)
    for _ in range(len(record.entities) - sum(tag % 2 for tag in tags)):
        log.add("overlap_left_out", where)
    for _ in _LINE_BREAKS.findall(record.text):
        log.add("line_break_written", where)
    names = tag_names(labels)
    return ((character, names[tag]) for character, tag in zip(_LINE_BREAKS.sub(" ", record.text), tags, strict=True))


FORMAT = Format("conll", "CoNLL-style lines of a token and a tag: BIO, BIOS, BIOES, BMES or BILOU", read, write=_write)
