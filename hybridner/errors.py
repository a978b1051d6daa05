"""Errors a user can act on: each says what was wrong, where, and how to put it right."""

from __future__ import annotations


class HybridNerError(Exception):
    """Base class of every error that hybridner raises on purpose.

    Examples:
        >>> try:
        ...     read_records("no-such-file.jsonl")
        ... except HybridNerError as error:
        ...     print(type(error).__name__, error)
        DataError no-such-file.jsonl: no such file
    """


class DataError(HybridNerError):
    """A record, file or field that cannot be read.

    Args:
        problem: what was wrong and how to fix it.
        where: the file, record and field, as precisely as known.

    Examples:
        >>> print(DataError("label must not be empty", "train.jsonl, line 3"))
        train.jsonl, line 3: label must not be empty
    """

    def __init__(self, problem: str, where: str = "") -> None:
        self.problem = problem
        self.where = where
        super().__init__(f"{where}: {problem}" if where else problem)


class RecipeError(HybridNerError):
    """A recipe key that is unknown, missing or has a wrong value."""


class ModelError(HybridNerError):
    """A model folder or a combination of models that cannot work together."""


class LlmError(HybridNerError):
    """The LLM stage cannot do what it should: a setting, a file or the LLM itself."""


class InputError(HybridNerError, TypeError):
    """Something other than text was given where text was expected."""


class OutputError(HybridNerError):
    """A file or folder that cannot be written."""


class MissingPackageError(HybridNerError, ImportError):
    """A package that comes with one of hybridner's extras is not installed."""
