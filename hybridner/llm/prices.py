"""What calls cost: a price table that users edit, an estimate of tokens, and budgets that hold while calls are under way."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import yaml
from pydantic import Field

from hybridner.errors import HybridNerError, LlmError
from hybridner.files import read_text
from hybridner.llm.verifier import Answer, Message
from hybridner.validation import Integer, Number, Settings, validate

_TABLE = Path(__file__).parent / "prices.yaml"
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


class Price(Settings):
    """Price of a million tokens.

    Attributes:
        input, output: per million tokens sent and received.
        currency: unit of all.
        source: where the figures come from.
        cached_input: per million tokens sent that the provider had in its prompt cache; None for as much as the others.

    Examples:
        >>> price = Price(input=0.28, output=0.42)
        >>> price.output
        0.42
    """

    error_class: ClassVar[type[HybridNerError]] = LlmError

    input: Number = Field(ge=0.0)
    output: Number = Field(ge=0.0)
    currency: str = "USD"
    source: str = ""
    cached_input: Number | None = Field(default=None, ge=0.0)

    def of(self, usage: Usage) -> float:
        """Cost of the tokens in `currency`."""
        cached = usage.cached_prompt_tokens
        cached_input = self.input if self.cached_input is None else self.cached_input
        cost = (usage.prompt_tokens - cached) * self.input + cached * cached_input + usage.completion_tokens * self.output
        return cost / 1e6


def load_prices(path: str | Path | None = None) -> dict[str, Price]:
    """The price table: model name to price.

    Args:
        path: a YAML file; by default the table that comes with the package.

    Raises:
        LlmError: a file that cannot be read or an entry with a missing, unknown or wrong value.

    Examples:
        >>> load_prices()["deepseek-flash"].currency
        'USD'
    """
    path = Path(path) if path is not None else _TABLE
    try:
        table = yaml.safe_load(read_text(path)) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise LlmError(f"{path}: no price table ({error})") from error
    return validate(dict[str, Price], table, LlmError, str(path))


def usage_from_answer(answer: Answer) -> Usage:
    """What the call that brought an answer used, as the server counted it."""
    return Usage(1, answer.prompt_tokens, answer.completion_tokens, answer.cached_prompt_tokens)


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has, without the model's tokenizer; rather too many than too few."""
    narrow = sum(character.isascii() for character in text)
    return round(_PER_NARROW * narrow + _PER_WIDE * (len(text) - narrow) + 0.5)


def estimate_prompt(messages: tuple[Message, ...]) -> int:
    """About how many tokens a chat has."""
    return sum(_PER_MESSAGE + estimate_tokens(message.content) for message in messages)


class Budget(Settings):
    """Upper limits; None sets none. Answers from the cache cost nothing.

    Attributes:
        calls_per_text: questions about one text (in one call of the stage).
        calls, tokens: questions and tokens over the life of the stage.
        cost: money over the life of the stage, in the price's currency.

    Examples:
        >>> Budget(calls=100, cost=0.5).tokens is None
        True
    """

    error_class: ClassVar[type[HybridNerError]] = LlmError

    calls_per_text: Integer | None = Field(default=None, ge=0)
    calls: Integer | None = Field(default=None, ge=0)
    tokens: Integer | None = Field(default=None, ge=0)
    cost: Number | None = Field(default=None, ge=0.0)


class BudgetTracker:
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
        """Set the estimate aside where it still fits the budget."""
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

    def copy(self) -> BudgetTracker:
        """A budget_tracker in the same state, to plan with."""
        twin = BudgetTracker(self._budget, self._price)
        twin._total = self._total
        return twin

    def _fits(self, total: Usage) -> bool:
        budget = self._budget
        return (
            (budget.calls is None or total.calls <= budget.calls)
            and (budget.tokens is None or total.tokens <= budget.tokens)
            and (budget.cost is None or self._price is None or self._price.of(total) <= budget.cost)
        )
