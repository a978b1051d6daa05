"""The LLM of a job: what was spent is in the answers that are kept, and what is left is divided among the processes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from hybridner.errors import DataError
from hybridner.llm import (
    AnswerCache,
    Budget,
    ConfusionMatrix,
    LlmError,
    MemberReliability,
    Price,
    Verifier,
    as_verifier,
    load_prices,
)
from hybridner.llm.guidelines import LANGUAGES
from hybridner.llm.prices import Usage
from hybridner.validation import validate

#: Folder of the answers; one file for each process, for SQLite is not to be shared over a network.
_ANSWERS = "answers"
#: Settings that may change when a job goes on: they decide how far it gets, not what is right.
_FREE = ("budget", "time_limit", "on_llm_error")
#: Settings that name a file.
_FILES = ("guidelines", "template")

Llm = str | Mapping[str, Any] | Verifier


def describe_llm(llm: Llm, settings: Mapping[str, Any], examples: str | None = None) -> dict[str, Any]:
    """What decides the answers and their use, as JSON types and without secrets."""
    verifier = as_verifier(llm)
    kept = {name: value for name, value in settings.items() if name not in _FREE}
    kept = {
        name: value.to_dict() if isinstance(value, (ConfusionMatrix, MemberReliability)) else value
        for name, value in kept.items()
    }
    files = {"examples": examples, **{name: kept[name] for name in _FILES if kept.get(name) not in (None, *LANGUAGES)}}
    # A file may change under its name: answers to questions that show something else do not belong to the same job.
    shown = {name: digest_of_file(path) for name, path in files.items() if path is not None}
    settings = {name: value for name, value in kept.items() if name not in files}
    return {"model": verifier.model, "parameters": dict(verifier.parameters), "settings": settings, **shown}


class JobLlm:
    """The LLM on one process of a job: who is asked, the answers kept, and this process's part of the budget.

    All processes make theirs before any of them asks. Use it in a ``with`` block.

    Args:
        folder: the job's output.
        llm, settings, examples: as the pipeline takes them; `budget` (a `Budget` or its fields) is that of the whole job.
        process, processes: which of how many this is.

    Raises:
        LlmError: settings that cannot work, or a budget of money for a model without a price.
    """

    def __init__(self, folder: Path, llm: Llm, settings: Mapping[str, Any], examples: Any, process: int, processes: int) -> None:
        self._verifier, self._examples = as_verifier(llm), examples
        self._settings = dict(settings)
        budget = validate(Budget, self._settings.pop("budget", None) or {}, LlmError, "budget")
        self._price = load_prices().get(self._verifier.model)
        if budget.cost is not None and self._price is None:
            raise LlmError(f"the price of {self._verifier.model!r} is not known, so that no cost can be limited; limit tokens")
        self._part = share(left(budget, spent(folder), self._price), process, processes)
        self._answers = AnswerCache(answers_file(folder, process))
        self._before = self._told = self._answers.usage()

    def parameters(self) -> dict[str, Any]:
        """What the pipeline's next call is given; its budget is what is left by now."""
        budget = left(self._part, self._answers.usage() + -self._before, self._price)
        return {
            "llm": self._verifier,
            "llm_settings": {**self._settings, "budget": budget},
            "llm_cache": self._answers,
            "llm_examples": self._examples,
        }

    def since_last(self) -> dict[str, int]:
        """Calls and tokens since this was last asked."""
        now = self._answers.usage()
        used, self._told = now + -self._told, now
        return {"calls": used.calls, "prompt_tokens": used.prompt_tokens, "completion_tokens": used.completion_tokens}

    def __enter__(self) -> JobLlm:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._answers.close()


def answers_file(folder: Path, process: int) -> Path:
    """Where a process of the job in this folder keeps its answers."""
    return folder / _ANSWERS / f"process-{process:05d}.sqlite"


def digest_of_file(path: str | Path) -> str:
    """What tells the content of a file from another one's.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", str(path)) from error


def spent(folder: Path) -> Usage:
    """Calls and tokens of all answers that any process of the job ever got, those before a kill too."""
    total = Usage()
    for path in sorted((folder / _ANSWERS).glob("process-*.sqlite")):
        answers = AnswerCache(path)
        total += answers.usage()
        answers.close()
    return total


def left(budget: Budget, used: Usage, price: Price | None) -> Budget:
    """What remains of a budget; never less than nothing."""
    return Budget(
        calls_per_text=budget.calls_per_text,
        calls=None if budget.calls is None else max(0, budget.calls - used.calls),
        tokens=None if budget.tokens is None else max(0, budget.tokens - used.tokens),
        cost=None if budget.cost is None or price is None else max(0.0, budget.cost - price.of(used)),
    )


def share(budget: Budget, process: int, processes: int) -> Budget:
    """The part of one process; all parts add up to the whole."""

    def part(limit: int | None) -> int | None:
        return None if limit is None else limit // processes + (process < limit % processes)

    return Budget(
        calls_per_text=budget.calls_per_text,
        calls=part(budget.calls),
        tokens=part(budget.tokens),
        cost=None if budget.cost is None else budget.cost / processes,
    )
