"""Terms from files: CSV, plain text, YAML, and the OWL file of an ontology. The ending of the name says which."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hybridner.data.decoding import open_text
from hybridner.data.terms.owl import read_owl
from hybridner.data.terms.term import Term, checked_term
from hybridner.errors import DataError

#: Names that people give the columns; the first is ours.
_COLUMNS = {
    "term": ("term", "surface", "word", "text", "name", "entity", "术语", "词", "词语", "名称"),
    "label": ("label", "type", "entity_group", "category", "类型", "标签", "类别"),
    "count": ("count", "frequency", "freq", "频次", "次数"),
    "requires": ("requires", "context", "语境"),
    "blocked": ("blocked", "block", "屏蔽"),
}
_TRUE = {"true", "yes", "1", "y", "是"}
_FALSE = {"false", "no", "0", "n", "否", ""}
#: Stands between the words of `requires` in one cell.
_BETWEEN = "|"
#: The key of blocked terms in YAML, and the label that means the same in CSV and text.
BLOCKED = "blocked"


def read_terms(path: str | Path, label: str | None = None) -> Iterator[Term]:
    r"""The terms of a file, one at a time; files of millions of lines are read in little memory (YAML and OWL at once).

    Args:
        path: ``.csv`` or ``.tsv`` with a header that names the columns term, label and, if you like, count, requires (words
            between ``|``) and blocked; ``.yaml`` with terms by label; ``.owl``, ``.rdf`` or ``.xml`` of an ontology; all else
            is text with one term a line, a tab before its label, and perhaps a second before its count. Lines that begin with
            ``#`` say nothing. The label "blocked" (in YAML the key) marks blocked terms.
        label: of the terms that have none in the file.

    Raises:
        DataError: a file that cannot be read, or a term without a label; it names the line.

    Examples:
        >>> Path("countries.txt").write_text("俄罗斯\n叙利亚\n", encoding="utf-8")
        8
        >>> [term.surface for term in read_terms("countries.txt", "LOC")]
        ['俄罗斯', '叙利亚']
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower(), _read_text)
    count = 0
    for count, term in enumerate(reader(path, label), 1):  # noqa: B007
        yield term
    if not count:
        raise DataError("there is no term in it", str(path))


def _read_csv(path: Path, label: str | None) -> Iterator[Term]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    rows = csv.reader(open_text(path), delimiter=delimiter)
    try:
        header = [name.strip().lower().lstrip("\ufeff") for name in next(rows, [])]
        places = {key: next((header.index(name) for name in names if name in header), None) for key, names in _COLUMNS.items()}
        if places["term"] is None:
            raise DataError(
                f"the first line must name the columns, of which one is `term`; it has {', '.join(header) or 'nothing'}",
                str(path),
            )
        for row in rows:
            if any(cell.strip() for cell in row):
                yield _from_row(row, places, label, f"{path}, line {rows.line_num}")
    except csv.Error as error:
        raise DataError(f"is no CSV: {error}", f"{path}, line {rows.line_num}") from error


def _from_row(row: list[str], places: Mapping[str, int | None], label: str | None, where: str) -> Term:
    def cell(key: str) -> str:
        place = places[key]
        return row[place].strip() if place is not None and place < len(row) else ""

    blocked = cell("blocked").lower()
    if blocked not in _TRUE | _FALSE:
        raise DataError(f"blocked must be true or false, not {blocked!r}", where)
    requires = tuple(word for word in cell("requires").split(_BETWEEN) if word.strip())
    return _named(cell("term"), BLOCKED if blocked in _TRUE else cell("label"), cell("count"), requires, label, where)


def _read_text(path: Path, label: str | None) -> Iterator[Term]:
    for number, line in enumerate(open_text(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        surface, _, rest = line.rstrip("\r\n").partition("\t")
        own, _, count = rest.partition("\t")
        yield _named(surface, own, count, (), label, f"{path}, line {number}")


def _named(surface: str, own: str, count: str, requires: tuple[str, ...], label: str | None, where: str) -> Term:
    """A term of a line, under its own label or the one given for the whole file."""
    name = own.strip() or label
    if not name:
        raise DataError(f"{surface!r} has no label; give one in its line, or one for all terms of the file", where)
    if count.strip() and not count.strip().isdecimal():
        raise DataError(f"the count of {surface!r} must be a whole number, not {count.strip()!r}", where)
    return checked_term(surface, "" if name == BLOCKED else name, int(count.strip() or 0), requires, where=where)


def _read_yaml(path: Path, label: str | None) -> Iterator[Term]:
    try:
        content = yaml.safe_load("\n".join(open_text(path)))
    except yaml.YAMLError as error:
        raise DataError(f"cannot be read as YAML: {error}", str(path)) from error
    if not isinstance(content, Mapping):
        raise DataError("expected a mapping of labels to lists of terms", str(path))
    for name, terms in content.items():
        if not isinstance(terms, list):
            raise DataError(f"expected a list of terms, not {terms!r}", f"{path}, {name}")
        for number, term in enumerate(terms):
            yield _from_yaml(term, "" if name == BLOCKED else name, f"{path}, {name}[{number}]")


def _from_yaml(term: Any, label: object, where: str) -> Term:
    if not isinstance(term, Mapping):
        return checked_term(term, label, where=where)
    unknown = term.keys() - {"term", "count", "requires"}
    if unknown or "term" not in term:
        raise DataError(f"a term is a text, or has the keys term, count and requires; got {', '.join(map(str, term))}", where)
    requires = term.get("requires", [])
    if not isinstance(requires, list):
        raise DataError(f"requires must be a list of words, not {requires!r}", where)
    return checked_term(term["term"], label, term.get("count", 0), tuple(requires), where=where)


_Reader = Callable[[Path, str | None], Iterator[Term]]
_READERS: dict[str, _Reader] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".owl": read_owl,
    ".rdf": read_owl,
    ".xml": read_owl,
}
