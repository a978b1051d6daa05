"""What calls cost: a price table that users edit, an estimate of tokens, and budgets that hold while calls are under way."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hybridner.errors import LlmError
from hybridner.llm.verifier import Answer, Message

_TABLE = Path(__file__).parent / "prices.yaml"
_NUMBERS = ("input", "cached_input", "output")
_KEYS = {*_NUMBERS, "currency", "source"}
#: Tokens per character: Chinese about one, Latin about a third. On the high side, so that budgets are kept rather than broken.
_PER_WIDE, _PER_NARROW = 1.0, 0.34
#: Tokens around each message of a chat.
_PER_MESSAGE = 4


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls and tokens, measured or estimated; `cached_prompt_tokens` are those of `prompt_tokens` in the provider's cache."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_prompt_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_prompt_tokens + other.cached_prompt_tokens,
        )

    def __neg__(self) -> Usage:
        return Usage(-self.calls, -self.prompt_tokens, -self.completion_tokens, -self.cached_prompt_tokens)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a million tokens.

    Attributes:
        input, output: per million tokens sent and received.
        currency: unit of all.
        source: where the figures come from.
        cached_input: per million tokens sent that the provider had in its prompt cache; None for as much as the others.
    """

    input: float
    output: float
    currency: str = "USD"
    source: str = ""
    cached_input: float | None = None

    def __post_init__(self) -> None:
        if not (self.input >= 0 and self.output >= 0 and (self.cached_input is None or self.cached_input >= 0)):
            raise LlmError(f"a price must not be negative, got {self}")

    def of(self, usage: Usage) -> float:
        """Cost of the tokens in `currency`."""
        cached = usage.cached_prompt_tokens
        cached_input = self.input if self.cached_input is None else self.cached_input
        whole = (usage.prompt_tokens - cached) * self.input + cached * cached_input + usage.completion_tokens * self.output
        return whole / 1e6


def load_prices(path: str | Path | None = None) -> dict[str, Price]:
    """The price table: model name to price; by default the one that comes with the package.

    Raises:
        LlmError: a file that cannot be read or an entry with a missing, unknown or wrong value.
    """
    path = Path(path) if path is not None else _TABLE
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise LlmError(f"{path}: no price table ({error})") from error
    if not isinstance(table, Mapping):
        raise LlmError(f"{path}: expected model names with `input` and `output` under each")
    prices: dict[str, Price] = {}
    for model, entry in table.items():
        where = f"{path}, {model}"
        if not isinstance(entry, Mapping) or not {"input", "output"} <= set(entry) or set(entry) - _KEYS:
            raise LlmError(f"{where}: expected `input` and `output` (and perhaps `cached_input`, `currency`, `source`)")
        numbers = [entry[key] for key in _NUMBERS if key in entry]
        if not all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers):
            raise LlmError(f"{where}: `input`, `cached_input` and `output` must be numbers per million tokens")
        prices[str(model)] = Price(**entry)
    return prices


def usage_of(answer: Answer) -> Usage:
    """What the call that brought an answer used, as the server counted it."""
    return Usage(1, answer.prompt_tokens, answer.completion_tokens, answer.cached_prompt_tokens)


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has, without the model's tokenizer; rather too many than too few."""
    narrow = sum(character.isascii() for character in text)
    return round(_PER_NARROW * narrow + _PER_WIDE * (len(text) - narrow) + 0.5)


def estimate_prompt(messages: tuple[Message, ...]) -> int:
    """About how many tokens a chat has."""
    return sum(_PER_MESSAGE + estimate_tokens(message.content) for message in messages)


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper limits; None sets none. Answers from the cache cost nothing.

    Attributes:
        calls_per_text: questions about one text (in one call of the stage).
        calls, tokens: questions and tokens over the life of the stage.
        cost: money over the life of the stage, in the price's currency.
    """

    calls_per_text: int | None = None
    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        for name in ("calls_per_text", "calls", "tokens", "cost"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise LlmError(f"budget `{name}` must not be negative, got {value}")


def as_budget(budget: Budget | Mapping[str, Any] | None) -> Budget:
    """A budget from its fields.

    Raises:
        LlmError: an unknown field or a value that makes no sense.
    """
    if budget is None or isinstance(budget, Budget):
        return budget or Budget()
    try:
        return Budget(**budget)
    except TypeError as error:
        raise LlmError(f"`budget` has calls_per_text, calls, tokens and cost, all numbers: {error}") from None


class Ledger:
    """What was spent and what is set aside for calls under way; safe for threads.

    Raises:
        LlmError: a budget of money without a price.
    """

    def __init__(self, budget: Budget, price: Price | None) -> None:
        if budget.cost is not None and price is None:
            raise LlmError("a budget of money needs the model's price; add it to a price table and give that as `prices`")
        self._budget = budget
        self._price = price
        self._total = Usage()
        self._lock = threading.Lock()

    def reserve(self, estimate: Usage) -> bool:
        """Set the estimate aside where the budget still has room for it."""
        with self._lock:
            total = self._total + estimate
            if not self._fits(total):
                return False
            self._total = total
            return True

    def settle(self, estimate: Usage, actual: Usage) -> None:
        """Replace an estimate that was set aside by what was really used."""
        with self._lock:
            self._total = self._total + -estimate + actual

    def copy(self) -> Ledger:
        """A ledger in the same state, to plan with."""
        twin = Ledger(self._budget, self._price)
        twin._total = self._total
        return twin

    def _fits(self, total: Usage) -> bool:
        budget = self._budget
        return (
            (budget.calls is None or total.calls <= budget.calls)
            and (budget.tokens is None or total.tokens <= budget.tokens)
            and (budget.cost is None or self._price is None or self._price.of(total) <= budget.cost)
        )
