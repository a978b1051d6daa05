"""The label set of a data set: one that is known by name, a YAML file, or what occurs in the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path

import yaml

from hybridner.data.corpora.catalog import SOURCES, label_set
from hybridner.data.splitting import collect_labels
from hybridner.errors import DataError
from hybridner.files import check_is_file
from hybridner.spans import LabelSet, Record


def load_label_set(source: str | None, records: Sequence[Record]) -> LabelSet:
    """The label set of a known data set or of a YAML file, or of what occurs in the records.

    Args:
        source: "cluener", "cmeee", "msra" or "sncm"; or a YAML file with `labels` and perhaps `domain`; or None.
        records: labelled sentences.

    Raises:
        DataError: no entity at all, a file that cannot be read, or labels in the data that the label set lacks.
    """
    if not any(record.entities for record in records):
        raise DataError("the labelled data holds no entity at all; check the file and its format")
    found = collect_labels(records)
    if source is None:
        return found
    labels = label_set(source) if source in SOURCES else _read_label_set(source)
    missing = [name for name in found.names if name not in labels.names]
    if missing:
        raise DataError(f"labels {', '.join(missing)} occur in the data but not in this label set", source)
    return labels


def as_label_set(labels: object) -> LabelSet:
    """A label set from what users write as `labels=`.

    Args:
        labels: a label set; names, or mappings of name, title and description; a mapping of `labels` and `domain`; the name of a
            known data set; or a YAML file.

    Raises:
        DataError: none of these, or a file that cannot be read.
    """
    if isinstance(labels, LabelSet):
        return labels
    if isinstance(labels, (str, PathLike)):
        return label_set(str(labels)) if labels in SOURCES else _read_label_set(str(labels))
    if isinstance(labels, Mapping):
        return LabelSet.from_dict(labels)
    if isinstance(labels, Iterable):
        return LabelSet.from_dict({"labels": list(labels)})
    raise DataError(f"`labels` must be names, a label set, or a YAML file of one, not {type(labels).__name__}")


def _read_label_set(path: str) -> LabelSet:
    check_is_file(path)
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"cannot be read as a YAML label set: {error}", path) from error
    if not isinstance(content, dict):
        raise DataError("expected `labels` and, if you like, `domain`", path)
    return LabelSet.from_dict(content)
