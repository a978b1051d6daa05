"""Where the files of a model are, in a folder or on the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers.utils.hub import cached_file

from hybridner.errors import ModelError
from hybridner.files import read_json

_HUB_OPTIONS = ("revision", "token", "cache_dir", "force_download", "local_files_only", "subfolder", "proxies")


def hub_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the keyword arguments of `from_pretrained` that are about finding files on the Hub."""
    return {option: options[option] for option in _HUB_OPTIONS if options.get(option) is not None}


def optional_file(source: Any, name: str, options: Mapping[str, Any]) -> str | None:
    """Path of a file of a model, or None where there is none.

    Args:
        source: folder or Hub id.
        name: of the file.
        options: the keyword arguments of `from_pretrained`.

    Raises:
        OSError: the Hub cannot be reached, or has no such model.
    """
    found = cached_file(source, name, **hub_options(options), _raise_exceptions_for_missing_entries=False)
    return None if found is None else str(found)


def weight_files(source: Any, options: Mapping[str, Any]) -> list[str]:
    """Paths of a model's safetensors files; none where there are none.

    Args:
        source: folder or Hub id.
        options: the keyword arguments of `from_pretrained`.

    Raises:
        OSError: see `optional_file`; or a file that the index names is missing.
        ModelError: the index is damaged.
    """
    suffix = f".{options['variant']}" if options.get("variant") else ""
    single = optional_file(source, f"model{suffix}.safetensors", options)
    if single is not None:
        return [single]
    index = optional_file(source, f"model.safetensors.index{suffix}.json", options)
    if index is None:
        return []
    try:
        names = sorted(set(read_json(index)["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{index} is damaged ({error!r}); fetch the whole folder again") from error
    return [str(cached_file(source, name, **hub_options(options))) for name in names]
