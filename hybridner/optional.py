"""Packages that come with an extra: imported when they are needed, with the command that installs them where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from hybridner.errors import MissingPackageError


def require(package: str, extra: str) -> Any:
    """Import a package or module that comes with one of hybridner's extras.

    Raises:
        MissingPackageError: it is not installed, or cannot be imported; the message has the command that installs it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        is_absent = isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == name
        problem = f"{name} is not installed" if is_absent else f"{name} cannot be imported ({error})"
        raise MissingPackageError(f'{problem}; install it with `pip install "hybridner[{extra}]"`') from error
