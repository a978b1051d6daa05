"""What an LLM must offer to be asked: one small protocol, a question, an answer and an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pydantic import ConfigDict

from hybridner.errors import LlmError


class Message(NamedTuple):
    """One turn of a chat.

    Attributes:
        role: "system", "user" or "assistant".
        content: what is said.
    """

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    """One call to the LLM.

    Attributes:
        messages: the chat so far; what is the same in all questions comes first, so that providers can cache it.
        options: the closed list of answers, as written in the prompt; empty when any text may be answered.
        count: how many spans are asked about; with more than one, each line of the answer is "number: option".
        max_tokens: tokens that the answer needs, where the verifier's own limit may be too small for it.

    Examples:
        >>> Question((Message("user", "北约：国家还是武器？"),), options=("国家", "武器"), max_tokens=8).count
        1
    """

    messages: tuple[Message, ...]
    options: tuple[str, ...] = ()
    count: int = 1
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one question.

    Attributes:
        content: the text of the answer, not yet read.
        model: name of the model that answered, as the server gave it.
        prompt_tokens, completion_tokens: as counted by the server for all attempts; 0 where it did not say.
        cached_prompt_tokens: those of the prompt that the server had in its own prompt cache, which many providers bill at less.
        latency: seconds from sending the attempt that succeeded to its last byte.
        attempts: how many times the question was sent until this answer came.
        truncated: whether the answer was cut at the token limit.
        probabilities: for each span P(option) over the question's options, from verifiers that know it; else empty, for a single
            span too.
        features: abilities of the server that this answer made use of, such as "logprobs" or "grammar".

    Examples:
        >>> Answer("State", "deepseek-flash", prompt_tokens=310, completion_tokens=2).content
        'State'
    """

    #: A record of an answer has these fields and no others.
    __pydantic_config__ = ConfigDict(extra="forbid")

    content: str
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency: float = 0.0
    attempts: int = 1
    truncated: bool = False
    probabilities: tuple[tuple[float, ...], ...] = ()
    cached_prompt_tokens: int = 0
    features: tuple[str, ...] = ()


class FailureKind(StrEnum):
    """Why a routed span has no label of the LLM."""

    #: The key, the account or the model's name is refused.
    REFUSED = "refused"
    #: No server answers at the address, or the connection broke.
    UNREACHABLE = "unreachable"
    #: No answer within the time limit of the request or of the whole call.
    TIMED_OUT = "timed_out"
    #: The server asked to send less.
    RATE_LIMITED = "rate_limited"
    #: The server refused the request as it is, or reported an error of its own.
    SERVER_ERROR = "server_error"
    #: The provider's content filter, or the model itself, refused this span.
    FILTERED = "filtered"
    #: The response is no chat completion, or blank.
    BAD_RESPONSE = "bad_response"
    #: An answer came, and it does not name exactly one label.
    UNREADABLE = "unreadable"
    #: The question is not in the record that is replayed.
    NOT_RECORDED = "not_recorded"
    #: The budget is used up; no request was sent.
    OVER_BUDGET = "over_budget"
    #: The verifier itself failed: a model that cannot be loaded, an error of its own.
    BROKEN = "broken"


class VerifierError(LlmError):
    """A question got no usable answer.

    Args:
        problem: what went wrong; never holds a key.
        kind: the same for programs.
        fatal: the next question would fail in the same way (a refused key, a wrong model name, no server at the address).
        attempts: how many times the question was sent.
        prompt_tokens, completion_tokens: what the server counted for these attempts nevertheless.

    Examples:
        >>> error = VerifierError("no answer in 30 s", FailureKind.TIMED_OUT, attempts=3)
        >>> error.kind.value, error.fatal
        ('timed_out', False)
    """

    def __init__(
        self,
        problem: str,
        kind: FailureKind = FailureKind.BROKEN,
        *,
        fatal: bool = False,
        attempts: int = 0,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
    ) -> None:
        super().__init__(problem)
        self.kind = kind
        self.fatal = fatal
        self.attempts = attempts
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens


@runtime_checkable
class Verifier(Protocol):
    """Anything that answers questions; write these three attributes and two coroutines to bring your own.

    Attributes:
        model: the name that is asked for; part of the cache's key.
        parameters: what else shapes an answer (temperature, ...), as JSON types and without secrets; part of the cache's key.
        concurrency: how many questions may be under way at once.

    Examples:
        >>> class FirstOption:
        ...     model, parameters, concurrency = "first-option", {}, 1
        ...     async def complete(self, question):
        ...         return Answer(question.options[0], self.model)
        ...     async def close(self):
        ...         pass
        >>> found = pipe(text, llm=FirstOption(), threshold=0.0, llm_settings={"fusion": "replace"})
        >>> {entity["entity_group"] for entity in found}, {entity["source"] for entity in found}
        ({'Adversarial Events'}, {'llm'})
    """

    @property
    def model(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Any]: ...

    @property
    def concurrency(self) -> int: ...

    async def complete(self, question: Question) -> Answer:
        """Answer one question, trying again as often as makes sense.

        Raises:
            VerifierError: no usable answer.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and memory."""
        ...
