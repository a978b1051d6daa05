"""Records from files and folders of every format that is known, with the format found from the content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from hybridner.data.records import Reading
from hybridner.data.formats.conll import iter_conll, looks_like_conll
from hybridner.data.json_formats import SCHEMAS, detect_schema, iter_json
from hybridner.data.formats.markup import iter_markup
from hybridner.data.repairs import RepairLog
from hybridner.data.formats.columns import iter_parquet, iter_saved, saved_splits
from hybridner.errors import DataError
from hybridner.spans import Record

_Reader = Callable[[Path, Reading], Iterator[Record]]

_READERS: dict[str, _Reader] = {
    **{schema: partial(lambda path, reading, schema: iter_json(path, schema, reading), schema=schema) for schema in SCHEMAS},
    "conll": iter_conll,
    "markup": iter_markup,
    "parquet": iter_parquet,
    "saved": iter_saved,
}

#: The formats that `iter_records` takes by name.
FORMATS = tuple(_READERS)

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


def detect_format(path: str | Path) -> str:
    """The name of the format of a file or a saved folder, from its content.

    Raises:
        DataError: the path does not exist, is empty, or has an unknown form.
    """
    path = Path(path)
    if path.is_dir():
        if (path / "state.json").is_file():
            return "saved"
        raise DataError("this folder holds no single saved data set; give one of its files, or use read_splits", str(path))
    if not path.is_file():
        raise DataError("no such file", str(path))
    with path.open("rb") as binary:
        if binary.read(4) == b"PAR1":
            return "parquet"
    with path.open(encoding="utf-8-sig") as handle:
        line = next((line.rstrip("\n") for line in handle if line.strip()), "")
    if not line:
        raise DataError("the file is empty", str(path))
    if line.startswith("# doc "):
        return "markup"
    if looks_like_conll(line):
        return "conll"
    if line.lstrip()[0] in "{[":
        return detect_schema(path)
    raise DataError(
        f"unknown format: the first line is {line[:60]!r}; expected JSON objects, lines of a token and a tag, "
        f"or marked-up text that starts with `# doc`. Known formats: {', '.join(FORMATS)}",
        f"{path}, line 1",
    )


def iter_records(
    path: str | Path,
    format: str | None = None,
    *,
    repairs: RepairLog | None = None,
    label_map: Mapping[str, str | None] | None = None,
    prefix: str = "",
) -> Iterator[Record]:
    """The records of a file, one at a time; memory does not grow with the file.

    Args:
        path: a file, or a folder that `Dataset.save_to_disk` wrote.
        format: one of `FORMATS`; found from the content when not given.
        repairs: counts the repairs of known defects. ``RepairLog(strict=True)`` makes each of them an error. Without one they
            are written to the program's log at the end.
        label_map: the new name of every label, None for a label that is left out.
        prefix: begins the id of records that have none of their own, in place of the file's name.

    Raises:
        DataError: an unknown format or defect; it names the file, the record and the field.
    """
    path = Path(path)
    if format is not None and format not in _READERS:
        raise DataError(f"unknown format {format!r}; known formats: {', '.join(FORMATS)}", str(path))
    reading = Reading(repairs if repairs is not None else RepairLog(), label_map, prefix)
    try:
        yield from _READERS[format or detect_format(path)](path, reading)
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 at byte {error.start}: {error.reason}; convert the file to UTF-8", str(path)) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", str(path)) from error
    if repairs is None:
        reading.repairs.report()


def read_records(
    path: str | Path,
    format: str | None = None,
    *,
    repairs: RepairLog | None = None,
    label_map: Mapping[str, str | None] | None = None,
) -> list[Record]:
    """All records of a file at once; see `iter_records`."""
    return list(iter_records(path, format, repairs=repairs, label_map=label_map))


def split_files(folder: str | Path) -> dict[str, Path]:
    """The file (or saved folder) of each split in a folder, under the names train, validation and test.

    Reads what `hybridner data prepare` and `DatasetDict.save_to_disk` write, and folders of files named train, dev (or valid,
    validation) and test with any ending or prefix, such as ``CMeEE_train.json`` or ``msra_test_bio``.

    Raises:
        DataError: no split is found, or two files for one.
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


def read_splits(folder: str | Path, format: str | None = None, *, repairs: RepairLog | None = None) -> dict[str, list[Record]]:
    """The records of every split of a folder; see `split_files`."""
    return {split: read_records(file, format, repairs=repairs) for split, file in split_files(folder).items()}
