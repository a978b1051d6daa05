"""Label maps: JSON objects that give every label its new name, or null for one that is left out."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from hybridner.errors import DataError
from hybridner.files import read_json


def read_label_map(path: str | Path, names: Collection[str] | None = None) -> dict[str, str | None]:
    """Read a label map.

    Args:
        path: the JSON file.
        names: those it may map to; any by default.

    Raises:
        DataError: the file is no object of names, or maps to a name that is none of `names`.
    """
    path = Path(path)
    try:
        mapping = read_json(path)
    except FileNotFoundError as error:
        raise DataError("no such file", str(path)) from error
    except (OSError, ValueError) as error:
        raise DataError(f"not JSON: {error}", str(path)) from error
    if not isinstance(mapping, dict) or not all(name is None or (isinstance(name, str) and name) for name in mapping.values()):
        raise DataError("expected an object that maps each label to its new name or to null", str(path))
    for label, name in mapping.items():
        if names is not None and name is not None and name not in names:
            raise DataError(f"{name!r} is none of the labels {', '.join(names)}", f"{path}, {label}")
    return mapping
