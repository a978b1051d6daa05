"""Records from files and folders of every format that is known, with the format found from the content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from hybridner.data.decoding import detect_encoding, resolve_encoding
from hybridner.data.formats import detect_format, get_format, is_single
from hybridner.data.formats.base import AnnotatedRecord
from hybridner.data.formats.columns import is_parquet, saved_splits
from hybridner.data.offsets import Offsets
from hybridner.data.options import ReadOptions
from hybridner.data.records import build_annotated
from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError
from hybridner.files import check_is_file
from hybridner.spans import Record

#: What people call the three splits.
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


def iter_annotated(path: str | Path, format: str | None = None, options: ReadOptions | None = None) -> Iterator[AnnotatedRecord]:
    r"""The records of a file with scores and proposals where it has them, one at a time; memory does not grow with the file.

    Args:
        path: a file, a folder that `Dataset.save_to_disk` wrote, or a folder of brat's pairs of files.
        format: one of `FORMATS`; found from the content when not given.
        options: how it is read. Without any, repairs are written to the program's log at the end.

    Raises:
        DataError: an unknown format or defect; it names the file, the record and the field.

    Examples:
        >>> line = {"text": text, "entities": [{"start": 0, "end": 3, "entity_group": "State", "score": 0.9}]}
        >>> _ = Path("found.jsonl").write_text(json.dumps(line, ensure_ascii=False) + "\n", encoding="utf-8")
        >>> annotated = next(iter_annotated("found.jsonl"))
        >>> [(text[span.start : span.end], found.score) for span, found in annotated.scores.items()]
        [('俄罗斯', 0.9)]
    """
    path = Path(path)
    given, options = options, _with_encoding(path, options or ReadOptions())
    found = get_format(format or detect_format(path, options).format)
    try:
        for raw in found.read(path, options):
            yield build_annotated(raw, options, found.conventions)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", str(path)) from error
    if given is None:
        options.repairs.report()


def _with_encoding(path: Path, options: ReadOptions) -> ReadOptions:
    """The options with the encoding of a text file, so that it is found out only once; another one than UTF-8 is noted."""
    if path.is_dir() or is_parquet(path) or is_single(path):
        return options
    if options.encoding is not None:
        return replace(options, encoding=resolve_encoding(options.encoding))
    encoding = detect_encoding(path)
    if not encoding.startswith("utf-8"):
        options.repairs.add("recoded", f"{path} ({encoding})")
    return replace(options, encoding=encoding)


def iter_records(
    path: str | Path,
    format: str | None = None,
    *,
    repairs: RepairLog | None = None,
    label_map: Mapping[str, str | None] | None = None,
    prefix: str = "",
    offsets: Offsets | None = None,
) -> Iterator[Record]:
    """The records of a file, one at a time; memory does not grow with the file.

    Args:
        path: a file, a folder that `Dataset.save_to_disk` wrote, or a folder of brat's pairs of files.
        format: one of `FORMATS`; found from the content when not given.
        repairs: counts the repairs of known defects. ``RepairLog(strict=True)`` makes each of them an error. Without one they
            are written to the program's log at the end.
        label_map: the new name of every label, None for a label that is left out.
        prefix: begins the id of records that have none of their own, in place of the file's name.
        offsets: how offsets are counted, where not as the format has them; see `hybridner.data.offsets`.

    Raises:
        DataError: an unknown format or defect; it names the file, the record and the field.

    Examples:
        >>> next(iter_records("train.jsonl", label_map={"State": "国家", "Place": None})).entities
        (Span(start=0, end=3, label='国家'),)
    """
    options = ReadOptions(repairs if repairs is not None else RepairLog(), label_map, prefix, offsets)
    for annotated in iter_annotated(path, format, options):
        yield annotated.record
    if repairs is None:
        options.repairs.report()


def read_records(
    path: str | Path,
    format: str | None = None,
    *,
    repairs: RepairLog | None = None,
    label_map: Mapping[str, str | None] | None = None,
    offsets: Offsets | None = None,
) -> list[Record]:
    """All records of a file at once.

    Args:
        path, format, repairs, label_map, offsets: as for `iter_records`.

    Raises:
        DataError: an unknown format or defect; it names the file, the record and the field.

    Examples:
        >>> records = read_records("train.jsonl")
        >>> records[0].text, records[0].entities[0]
        ('俄罗斯在叙利亚部署了干扰机！', Span(start=0, end=3, label='State'))
    """
    return list(iter_records(path, format, repairs=repairs, label_map=label_map, offsets=offsets))


def split_files(folder: str | Path) -> dict[str, Path]:
    """The file (or saved folder) of each split in a folder, under the names train, validation and test.

    Reads what `hybridner data prepare` and `DatasetDict.save_to_disk` write, and folders of files named train, dev (or valid,
    validation) and test with any ending or prefix, such as ``CMeEE_train.json`` or ``msra_test_bio``.

    Args:
        folder: where the files lie.

    Raises:
        DataError: no split is found, or two files for one.

    Examples:
        >>> {split: path.name for split, path in split_files(".").items()}
        {'train': 'train.jsonl', 'validation': 'dev.jsonl'}
    """
    folder = Path(folder)
    if (folder / "dataset_dict.json").is_file():
        return {_SPLIT_NAMES.get(name, name): folder / name for name in saved_splits(folder)}
    place = folder / "data" if any(folder.glob("data/*.parquet")) else folder
    if not place.is_dir():
        raise DataError("no such folder", str(folder))
    found: dict[str, Path] = {}
    for file in sorted(place.iterdir()):
        words = file.name.lower().replace("-", "_").replace(".", "_").split("_")
        split = next((_SPLIT_NAMES[word] for word in words if word in _SPLIT_NAMES), None)
        if split is None or not file.is_file():
            continue
        if split in found:
            raise DataError(f"both {found[split].name} and {file.name} look like the {split} split; keep one", str(place))
        found[split] = file
    if not found:
        raise DataError("no file named train, dev or test in it (any ending will do)", str(folder))
    return {split: found[split] for split in ("train", "validation", "test") if split in found}


def find_files(path: str | Path) -> dict[str, Path]:
    """What there is to read at a path, by name: the file itself (or saved data set, or brat's folder), else a folder's splits.

    Raises:
        DataError: nothing is there.
    """
    path = Path(path)
    check_is_file(path)
    if path.is_file() or is_single(path):
        return {path.stem: path}
    if not path.exists():
        raise DataError("no such file or folder", str(path))
    return split_files(path)


def read_splits(folder: str | Path, format: str | None = None, *, repairs: RepairLog | None = None) -> dict[str, list[Record]]:
    """The records of every split of a folder.

    Args:
        folder: see `split_files`.
        format: of all its files; found from their content when not given.
        repairs: as for `iter_records`.

    Raises:
        DataError: no split, two files for one, or whatever is wrong with a file.

    Examples:
        >>> {split: len(records) for split, records in read_splits(".").items()}
        {'train': 24, 'validation': 4}
    """
    return {split: read_records(file, format, repairs=repairs) for split, file in split_files(folder).items()}
