"""Corpus text with entities marked in the line: ``{克拉苏哈-4S|OFFSYS}``.

A document starts with ``# doc ID | genre=GENRE | title=TITLE``; every other line is a sentence. A line
``> 1 uses 2; 3 targets 1`` after a sentence lists relations between its entities, which are numbered from 1 as they are
written. Entities do not nest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from hybridner.data.decoding import open_text
from hybridner.data.formats.base import Format, RawEntity, RawRecord
from hybridner.data.options import ReadOptions
from hybridner.data.records import build_record
from hybridner.errors import DataError
from hybridner.spans import Record

_HEADER = re.compile(r"# doc (?P<id>\S+) \| genre=(?P<genre>\S+) \| title=(?P<title>.*\S)\s*")
_ENTITY = re.compile(r"\{([^{}|]+)\|([^{}|]+)\}")
_RELATION = re.compile(r"\s*(\d+) (\w+) (\d+)\s*")


@dataclass(frozen=True)
class Relation:
    """A typed, directed relation between two entities of a sentence.

    Attributes:
        head: index from 0 of the entity it starts from, in the record's entities.
        tail: index of the entity it leads to.
        type: what it says, such as "carries".

    Examples:
        >>> Relation(head=0, tail=1, type="uses")
        Relation(head=0, tail=1, type='uses')
    """

    head: int
    tail: int
    type: str


@dataclass(frozen=True)
class Sentence:
    """A record with the relations between its entities.

    Attributes:
        record: the sentence and its entities.
        relations: between these entities.
        where: "FILE, line N", for errors.

    Examples:
        >>> record = Record("北约的雷达", (Span(0, 2, "State"), Span(3, 5, "System")))
        >>> Sentence(record, (Relation(0, 1, "uses"),)).relations[0].type
        'uses'
    """

    record: Record
    relations: tuple[Relation, ...] = ()
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Document:
    """One document of a corpus.

    Attributes:
        id: its name in the corpus.
        genre: what sort of text it is.
        title: its title.
        sentences: in the order of the text.

    Examples:
        >>> Document("D1", "news", "北约的雷达", (Sentence(Record("北约的雷达")),)).sentences[0].record.text
        '北约的雷达'
    """

    id: str
    genre: str
    title: str
    sentences: tuple[Sentence, ...]


def read_corpus(path: str | Path | Iterable[str | Path], options: ReadOptions | None = None) -> list[Document]:
    r"""The documents of one file, of several files, or of all ``*.txt`` files of a folder in the order of their names.

    Args:
        path: a file, several files or a folder.
        options: how they are read.

    Raises:
        DataError: a line that cannot be read, an id used twice, or no document at all.

    Examples:
        >>> lines = "# doc D1 | genre=news | title=例子\n{北约|State}的{雷达|System}。\n> 1 uses 2\n"
        >>> _ = Path("corpus.txt").write_text(lines, encoding="utf-8")
        >>> (document,) = read_corpus("corpus.txt")
        >>> document.sentences[0].record.text, document.sentences[0].relations
        ('北约的雷达。', (Relation(head=0, tail=1, type='uses'),))
    """
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(one) for one in path]
    files = [file for one in paths for file in (sorted(one.glob("*.txt")) if one.is_dir() else [one])]
    documents: dict[str, Document] = {}
    for file in files:
        for document in iter_documents(file, options or ReadOptions()):
            if document.id in documents:
                raise DataError(f"the document id {document.id!r} is used twice", str(file))
            documents[document.id] = document
    if not documents:
        raise DataError("no document found; expected lines such as `# doc ID | genre=GENRE | title=TITLE`", str(path))
    return list(documents.values())


def is_corpus(path: Path) -> bool:
    """Whether a path is a folder of marked-up text."""
    if not path.is_dir():
        return False
    first = next(iter(sorted(path.glob("*.txt"))), None)
    return first is not None and first.stat().st_size > 0 and next(open_text(first), "").startswith("# doc")


def iter_documents(path: Path, options: ReadOptions) -> Iterator[Document]:
    """The documents of one file, one at a time."""
    current: Document | None = None
    sentences: list[Sentence] = []
    for part in _parts(path, options):
        if isinstance(part, Document):
            if current:
                yield replace(current, sentences=tuple(sentences))
            current, sentences = part, []
        elif isinstance(part, RawRecord):
            sentences.append(Sentence(build_record(part, options), (), part.where))
        else:
            line, where = part
            if not sentences or sentences[-1].relations:
                raise DataError("a relation line must follow its sentence, one line for all of them", where)
            sentences[-1] = _with_relations(sentences[-1], line, where)
    if current:
        yield replace(current, sentences=tuple(sentences))


def _parts(path: Path, options: ReadOptions) -> Iterator[Document | RawRecord | tuple[str, str]]:
    """Headers, sentences, and (line, where) of relations, in the order of the file."""
    document: Document | None = None
    number = 0
    for line_number, line in enumerate(open_text(path, options.encoding), 1):
        line, where = line.strip(), f"{path}, line {line_number}"
        if not line:
            continue
        if line.startswith("# doc"):
            document, number = _header(line, where), 0
            yield document
        elif document is None:
            raise DataError("a sentence before the first `# doc ID | genre=GENRE | title=TITLE` line", where)
        elif line.startswith(">"):
            yield line, where
        else:
            text, spans = parse_line(line, where)
            yield RawRecord(text, spans, where, f"{document.id}:{number}", document.id)
            number += 1


def read(path: Path, options: ReadOptions) -> Iterator[RawRecord]:
    """The sentences of one file: id ``DOCUMENT:NUMBER`` (from 0), group the document."""
    return (part for part in _parts(path, options) if isinstance(part, RawRecord))


def parse_line(line: str, where: str = "") -> tuple[str, list[RawEntity]]:
    """The bare text of a sentence and its marked spans, in text order.

    Raises:
        DataError: a brace or bar that belongs to no mark, or a mark with spaces at its ends.
    """
    parts: list[str] = []
    spans: list[RawEntity] = []
    length = position = 0
    for match in _ENTITY.finditer(line):
        before, (surface, code) = line[position : match.start()], match.groups()
        if surface != surface.strip() or code != code.strip():
            raise DataError(f"spaces at the ends of the mark {match[0]!r}", where)
        start = length + len(before)
        length = start + len(surface)
        spans.append(RawEntity(start, length, code))
        parts += before, surface
        position = match.end()
    parts.append(line[position:])
    text = "".join(parts)
    broken = re.search(r"[{}|]", text)
    if broken:
        raise DataError(f"broken mark near character {broken.start()}: expected {{surface|CODE}}", where)
    return text, spans


def _header(line: str, where: str) -> Document:
    match = _HEADER.fullmatch(line)
    if not match:
        raise DataError(f"expected `# doc ID | genre=GENRE | title=TITLE`, found {line!r}", where)
    return Document(match["id"], match["genre"], match["title"], ())


def _with_relations(sentence: Sentence, line: str, where: str) -> Sentence:
    count = len(sentence.record.entities)
    relations: list[Relation] = []
    for part in line[1:].split(";"):
        match = _RELATION.fullmatch(part)
        if not match:
            raise DataError(f"expected `HEAD relation TAIL`, found {part.strip()!r}", where)
        relation = Relation(int(match[1]) - 1, int(match[3]) - 1, match[2])
        if not (0 <= relation.head < count and 0 <= relation.tail < count) or relation.head == relation.tail:
            raise DataError(f"{part.strip()!r} does not join two of the sentence's {count} entities", where)
        if relation in relations:
            raise DataError(f"relation {part.strip()!r} is listed twice", where)
        relations.append(relation)
    return replace(sentence, relations=tuple(relations))


FORMAT = Format("markup", "hybridner's marked-up text: {word|LABEL} in the line, documents that begin with # doc", read)
