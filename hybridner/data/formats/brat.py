"""brat stand-off: a text in NAME.txt and its entities in NAME.ann, ``T1<tab>PER 0 2<tab>李明``; the end is exclusive.

The path is that of either file, or of a folder of such pairs. Relations, events, attributes and notes are left out and counted.
Discontinuous entities cannot be expressed and are refused by name.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from hybridner.data.decoding import BYTE_ORDER_MARK, detect_encoding_of
from hybridner.data.formats.base import BY_HAND, AnnotatedRecord, Conventions, Format, RawEntity, RawRecord
from hybridner.data.options import ReadOptions
from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError
from hybridner.files import write_text
from hybridner.spans import Record

_ENTITY = re.compile(r"(T\S*)\t(\S+) ([\d ;]+)(?:\t(.*))?")
_RELATION_LIKE = ("R", "E", "A", "M", "N", "#", "*")


def find_pairs(path: Path) -> list[tuple[Path, Path]]:
    """(text, annotations) of the documents at a path: a folder, or one of the two files."""
    if path.is_dir():
        return [(ann.with_suffix(".txt"), ann) for ann in sorted(path.glob("*.ann"))]
    return [(path.with_suffix(".txt"), path.with_suffix(".ann"))]


def is_brat(path: Path) -> bool:
    """Whether a path is a folder with .ann files, or one of a pair of files."""
    if path.is_dir():
        return any(path.glob("*.ann"))
    return path.suffix == ".ann" or (path.suffix == ".txt" and path.with_suffix(".ann").is_file())


def read(path: Path, options: ReadOptions) -> Iterator[RawRecord]:
    """One record a document; its id is the file's name."""
    for text_path, ann_path in find_pairs(path):
        if not text_path.is_file():
            raise DataError(
                f"the text of {ann_path.name} is missing; brat keeps it in {text_path.name} beside it", str(text_path)
            )
        yield _document(text_path, ann_path, options)


def _document(text_path: Path, ann_path: Path, options: ReadOptions) -> RawRecord:
    text = _read(text_path, options)
    entities: list[RawEntity] = []
    for number, line in enumerate(_read(ann_path, options).splitlines() if ann_path.is_file() else (), 1):
        where = f"{ann_path}, line {number}"
        if not line.strip():
            continue
        if line.startswith("T"):
            entities.append(_entity(line, where))
        elif line.startswith(_RELATION_LIKE):
            options.repairs.add("relations_left_out", where)
        else:
            raise DataError(f"expected `T1<tab>LABEL START END<tab>WORD`, found {line[:60]!r}", where)
    return RawRecord(text, entities, str(ann_path), text_path.stem)


def _entity(line: str, where: str) -> RawEntity:
    match = _ENTITY.fullmatch(line)
    if match is None:
        raise DataError(f"expected `T1<tab>LABEL START END<tab>WORD`, found {line[:60]!r}", where)
    name, label, places, word = match.groups()
    if ";" in places:
        raise DataError(
            f"the entity {name} ({label} {places}) is discontinuous, which no span can express; make one entity of its parts, or "
            "one of each part",
            where,
        )
    offsets = places.split()
    if len(offsets) != 2:
        raise DataError(f"the entity {name} needs a start and an end, not {places!r}", where)
    return RawEntity(int(offsets[0]), int(offsets[1]), label, word, place=f"entity {name}")


def _read(path: Path, options: ReadOptions) -> str:
    """The whole file, with its line ends as they are: brat counts them."""
    try:
        data = path.read_bytes()
        return data.decode(options.encoding or detect_encoding_of(data, str(path)))
    except (OSError, UnicodeError) as error:
        raise DataError(f"cannot be read: {error}", str(path)) from error


def _write(records: Iterable[AnnotatedRecord], path: Path, log: RepairLog, predictions: bool) -> int:
    """A folder of pairs, named after the records; it appears only when everything went well."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError("exists already; brat's documents go into a new folder: remove it or choose another one", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        names: set[str] = set()
        labels: set[str] = set()
        for number, annotated in enumerate(records):
            name = _file_name(annotated.record.id or f"{path.name}-{number}", names)
            labels.update(span.label for span in annotated.record.entities)
            text = annotated.record.text
            # A byte order mark that is a character of the text comes after one that is none.
            (unfinished / f"{name}.txt").write_bytes(text.encode("utf-8-sig" if text.startswith(BYTE_ORDER_MARK) else "utf-8"))
            write_text(unfinished / f"{name}.ann", "".join(_lines(annotated.record, f"{path}, {name}")))
        sections = ("[entities]", *sorted(labels), "", "[relations]", "", "[events]", "", "[attributes]", "")
        write_text(unfinished / "annotation.conf", "\n".join(sections))
        if path.exists():
            path.rmdir()
        unfinished.chmod(0o755)  # mkdtemp gives a folder that only its owner can read
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return len(names)


def _lines(record: Record, where: str) -> Iterator[str]:
    for number, (start, end, label) in enumerate(record.entities, 1):
        if re.search(r"\s", label):
            raise DataError(
                f"brat's labels hold no spaces: rename {label!r}, as with --label-map, where a JSON file maps it to another name",
                where,
            )
        word = re.sub(r"[\n\r\t]", " ", record.text[start:end])
        yield f"T{number}\t{label} {start} {end}\t{word}\n"


def _file_name(id: str, taken: set[str]) -> str:
    """A name for a document's files that no other has, without what paths cannot hold."""
    base = re.sub(r"[^\w.-]", "_", id)[:80].lstrip(".") or "document"
    name, number = base, 1
    while name.casefold() in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name.casefold())
    return name


FORMAT = Format(
    "brat", "brat stand-off: NAME.txt and NAME.ann, or a folder of them", read, Conventions(repairs=BY_HAND), write=_write
)
