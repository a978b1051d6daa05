"""Finding out once what a server can do, and remembering it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from hybridner.llm.constraints import CONSTRAINTS, PROBE, Abilities, Constraint, constraint_fields, is_obeyed
from hybridner.llm.openai_response import AttemptError
from hybridner.llm.prices import Usage, estimate_prompt, usage_from_answer
from hybridner.llm.verifier import Answer, FailureKind

#: What a server refuses in this way it does not know; other failures tell nothing about it.
_UNKNOWN = (FailureKind.SERVER_ERROR, FailureKind.BAD_RESPONSE)

Send = Callable[[dict[str, Any]], Awaitable[Answer]]


class AbilityMemory(Protocol):
    """Where what servers can do is remembered; `AnswerCache` is one."""

    def get_abilities(self, endpoint: str) -> str | None: ...

    def put_abilities(self, endpoint: str, abilities: str) -> None: ...


async def probe(send: Send) -> tuple[Abilities, Usage]:
    """Ask a few short questions with the fields that a server might know.

    Args:
        send: sends `PROBE` with further fields.

    Returns:
        what the server can do, and what finding out has used.

    Raises:
        AttemptError: the server does not answer at all.
    """
    used = Usage()
    logprobs = False
    constraint: Constraint | None = None
    for fields, kind in [({"logprobs": True, "top_logprobs": 10}, None), *((_fields(kind), kind) for kind in CONSTRAINTS)]:
        try:
            answer = await send(fields)
        except AttemptError as error:
            if error.kind not in _UNKNOWN:
                raise
            used += Usage(1, *error.usage)
            continue
        used += usage_from_answer(answer)
        if kind is None:
            logprobs = "logprobs" in answer.features
        elif is_obeyed(answer.content):
            constraint = kind
            break
    return Abilities(logprobs, constraint), used


def estimate_probe() -> Usage:
    """What `probe` will use at most."""
    calls = 1 + len(CONSTRAINTS)
    return Usage(calls, calls * estimate_prompt(PROBE.messages), calls * (PROBE.max_tokens or 0))


def _fields(kind: Constraint) -> dict[str, Any]:
    return constraint_fields(kind, PROBE.options, 1)
