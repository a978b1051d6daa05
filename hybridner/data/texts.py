"""Bare texts to be read by a model, from files of every kind: what a file holds is found from its content, not from its name.

JSON of any arrangement gives the text of each object, whatever is annotated in it; Parquet its column of texts; files of tokens
and tags their sentences; any other file its lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from hybridner.data.decoding import detect_encoding, open_text, resolve_encoding
from hybridner.data.formats import conll, label_studio
from hybridner.data.formats.base import JsonObject
from hybridner.data.formats.columns import is_parquet
from hybridner.data.formats.json_fields import TEXT_FIELDS, find_only_text, find_text
from hybridner.data.formats.json_stream import is_pair, iter_objects
from hybridner.data.formats.tags import join_tokens
from hybridner.data.options import ReadOptions
from hybridner.errors import DataError
from hybridner.text.surrogates import replace_surrogates

#: Lines that must all be tokens and tags before a file is taken for one of these; prose may end in a lone letter now and then.
_TAGGED_LINES = 5
_ROWS = 1000


def iter_texts(path: str | Path, options: ReadOptions | None = None) -> Iterator[str]:
    """The texts of a file, one at a time; memory does not grow with the file.

    Args:
        path: a file.
        options: its encoding and the field of the text, where they are not found rightly; its repairs count halves of
            characters, which without options are written to the program's log.

    Raises:
        DataError: it cannot be read; one line that says why.
    """
    path = Path(path)
    given, options = options, options or ReadOptions()
    for text, where in _texts(path, options):
        if not isinstance(text, str):
            raise DataError(f"the text must be a string, not {type(text).__name__}", where)
        clean, halves = replace_surrogates(text)
        for _ in range(halves):
            options.repairs.add("lone_surrogate", where)
        yield clean
    if given is None:
        options.repairs.report()


def _texts(path: Path, options: ReadOptions) -> Iterator[tuple[Any, str]]:
    """(text, where it stands)."""
    if is_parquet(path):
        yield from _of_parquet(path, options)
        return
    encoding = resolve_encoding(options.encoding) if options.encoding else detect_encoding(path)
    if not encoding.startswith("utf-8") and options.encoding is None:
        options.repairs.add("recoded", f"{path} ({encoding})")
    options = ReadOptions(options.repairs, text_field=options.text_field, encoding=encoding)
    head = list(islice((line for line in open_text(path, encoding) if line.strip()), _TAGGED_LINES))
    if not head:
        raise DataError("the file is empty", str(path))
    if is_json_line(head[0]):
        yield from ((extract_text(item, where, options), where) for where, item in iter_objects(path, encoding))
    elif len(head) > 1 and all(map(conll.looks_like_conll, head)):
        yield from ((record.text, record.where) for record in conll.read(path, options))
    else:
        yield from ((line, f"{path}, line {number}") for number, line in enumerate(open_text(path, encoding), 1))


def is_json_line(line: str) -> bool:
    """Whether the first line of a file begins JSON objects, and not a text in brackets."""
    line = line.strip()
    after = line[1:].lstrip()[:1]
    if line[0] == "[" and after == '"':
        with suppress(ValueError, RecursionError):
            return is_pair(json.loads(line))
    return line in ("{", "[") or (line[0] == "{" and after in ('"', "}")) or (line[0] == "[" and after in ("{", "["))


def extract_text(item: JsonObject, where: str, options: ReadOptions) -> Any:
    """The text of an object of any format.

    Raises:
        DataError: there is none.
    """
    if isinstance(item.get("data"), dict):
        return label_studio.find_task_text(item["data"], (), where, options)
    if isinstance(item.get("fields"), dict):
        return find_only_text(item["fields"], where, options)
    tokens = next((item[name] for name in ("tokens", "words", *TEXT_FIELDS) if isinstance(item.get(name), list)), None)
    if tokens and not options.text_field and not any(isinstance(item.get(name), str) for name in TEXT_FIELDS):
        return join_tokens(map(str, tokens))[0]
    return find_text(item, where, options)


def _of_parquet(path: Path, options: ReadOptions) -> Iterator[tuple[Any, str]]:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        file = parquet.ParquetFile(path)
        name = options.text_field or next((name for name in TEXT_FIELDS if name in file.schema_arrow.names), "text")
        if name not in file.schema_arrow.names:
            raise DataError(f"no column {name!r}; it has {', '.join(file.schema_arrow.names)}", str(path))
        number = 0
        for batch in file.iter_batches(batch_size=_ROWS, columns=[name]):
            for text in batch.column(0).to_pylist():
                yield text, f"{path}, row {number}"
                number += 1
    except pyarrow.ArrowException as error:
        raise DataError(f"cannot be read as Parquet: {error}", str(path)) from error
