"""The formats of labelled files, one a module, and how a file's format is found from its content."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from hybridner.data.decoding import open_text
from hybridner.data.formats import (
    argilla,
    brat,
    cluener,
    cmeee,
    columns,
    conll,
    doccano,
    jsonl,
    label_studio,
    markup,
    prodigy,
    texts,
    token_tags,
)
from hybridner.data.formats.base import Format, JsonObject, Recognition
from hybridner.data.formats.json_fields import find_annotations, find_text
from hybridner.data.formats.json_stream import iter_objects
from hybridner.data.options import ReadOptions
from hybridner.errors import DataError

#: Formats of JSON objects, in the order in which they are tried.
JSON_FORMATS: tuple[Format, ...] = (
    label_studio.FORMAT,
    label_studio.MIN_FORMAT,
    argilla.FORMAT,
    token_tags.FORMAT,
    cluener.FORMAT,
    cmeee.FORMAT,
    doccano.FORMAT,
    prodigy.FORMAT,
    jsonl.FORMAT,
    texts.FORMAT,
)

FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        jsonl.FORMAT,
        cluener.FORMAT,
        cmeee.FORMAT,
        doccano.FORMAT,
        label_studio.FORMAT,
        label_studio.MIN_FORMAT,
        prodigy.FORMAT,
        argilla.FORMAT,
        token_tags.FORMAT,
        texts.FORMAT,
        conll.FORMAT,
        brat.FORMAT,
        markup.FORMAT,
        columns.PARQUET,
        columns.SAVED,
    )
}
"""Every format that can be read, by its name."""
WRITABLE = tuple(name for name, format in FORMATS.items() if format.write is not None)
"""The formats that can be written."""

#: Objects looked at before a file of nothing but empty lists of entities is taken for our own form.
_UNDECIDED = 1000


def get_format(name: str) -> Format:
    """The format of that name.

    Raises:
        DataError: there is none.
    """
    if name not in FORMATS:
        raise DataError(f"unknown format {name!r}; known formats: {', '.join(FORMATS)}")
    return FORMATS[name]


def detect_format(path: str | Path, options: ReadOptions | None = None) -> Recognition:
    """The format of a file or a folder, from its content, and what it was told by.

    Args:
        path: a file or a folder.
        options: how it will be read.

    Raises:
        DataError: the path does not exist, is empty, or has an unknown form.

    Examples:
        >>> detect_format("train.jsonl").format
        'jsonl'
    """
    path = Path(path)
    options = options or ReadOptions()
    if path.is_dir():
        return _detect_folder(path)
    if columns.is_parquet(path):
        return Recognition("parquet", "the file begins with Parquet's mark")
    if brat.is_brat(path):
        return Recognition("brat", f"{path.with_suffix('.txt').name} and {path.with_suffix('.ann').name} lie beside each other")
    line = next((line for line in open_text(path, options.encoding) if line.strip()), "")
    if not line:
        raise DataError("the file is empty", str(path))
    if line.startswith("# doc "):
        return Recognition("markup", "its first line begins with `# doc`")
    if conll.looks_like_conll(line):
        return Recognition("conll", f"its first line, {line[:40]!r}, is a token and a tag")
    if line.lstrip()[0] in "{[":
        return _detect_json(path, options)
    raise DataError(
        f"unknown format: the first line is {line[:60]!r}; expected JSON objects, lines of a token and a tag, "
        f"or marked-up text that starts with `# doc`. Known formats: {', '.join(FORMATS)}",
        f"{path}, line 1",
    )


def is_single(path: Path) -> bool:
    """Whether a folder is one data set of its own and not one of splits, or a file one of a pair."""
    return (path / "state.json").is_file() or brat.is_brat(path)


def _detect_folder(path: Path) -> Recognition:
    if (path / "state.json").is_file():
        return Recognition("saved", "the folder has the state.json of save_to_disk")
    if brat.is_brat(path):
        return Recognition("brat", "the folder holds .ann files")
    raise DataError("this folder holds no single saved data set; give one of its files, or use read_splits", str(path))


def _detect_json(path: Path, options: ReadOptions) -> Recognition:
    """The first format that recognizes an object; objects with empty lists of entities leave it open.

    Raises:
        DataError: an object has none of the known forms, or looks like annotations of an unknown one.
    """
    undecided = ""
    for where, item in islice(iter_objects(path, options.encoding), _UNDECIDED):
        for format in JSON_FORMATS:
            assert format.recognize is not None
            why = _recognized(format, item, where)
            if why and format.name != "texts":
                return Recognition(format.name, f"{why} ({where.removeprefix(f'{path}, ')})")
        # Nothing but a text, or an empty field for annotations.
        find_text(item, where, options)
        undecided = undecided or ("texts" if find_annotations(item, where) is None else "jsonl")
    if not undecided:
        raise DataError("the file holds no record", str(path))
    if undecided == "texts":
        return Recognition("texts", "its objects have a text and nothing that looks like annotations")
    return Recognition("jsonl", "its objects have a field for entities, which is empty in all of them")


def _recognized(format: Format, item: JsonObject, where: str) -> str:
    assert format.recognize is not None
    try:
        return format.recognize(item)
    except DataError as error:
        raise DataError(error.problem, where) from error
