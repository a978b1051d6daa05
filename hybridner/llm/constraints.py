"""Fields of a request that hold a server to the closed list, in the ways that servers know, and a question to find them out.

Servers ignore fields that they do not know, so that only an answer tells: each probe asks for a word that its constraint forbids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from hybridner.llm.verifier import Message, Question

#: choice: vLLM and SGLang; grammar: llama.cpp; json_schema: OpenAI and many others.
Constraint = Literal["choice", "grammar", "json_schema"]
CONSTRAINTS: tuple[Constraint, ...] = ("choice", "grammar", "json_schema")
#: Most alternatives that servers give for a token.
_TOP = 10
_PROBE_OPTIONS = ("pear", "plum")
PROBE = Question((Message("user", "Answer with one word: banana"),), _PROBE_OPTIONS, max_tokens=16)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server has been seen to do.

    Attributes:
        logprobs: gives the log-probabilities of an answer's tokens.
        constraint: the way in which it can be held to a closed list, None where it cannot.
    """

    logprobs: bool = False
    constraint: Constraint | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Abilities | None:
        """None for what `to_json` does not give."""
        try:
            data = json.loads(text)
            known = cls(bool(data["logprobs"]), data["constraint"])
        except (ValueError, KeyError, TypeError):
            return None
        return known if known.constraint in (None, *CONSTRAINTS) else None


def request_fields(question: Question, abilities: Abilities) -> dict[str, Any]:
    """Fields to be added to the request of a question with a closed list."""
    if not question.options:
        return {}
    fields: dict[str, Any] = {"logprobs": True, "top_logprobs": _TOP} if abilities.logprobs else {}
    return fields | (constraint_fields(abilities.constraint, question.options, question.count) if abilities.constraint else {})


def constraint_fields(constraint: Constraint, options: Sequence[str], count: int) -> dict[str, Any]:
    """The fields that allow one option, or one for each of several numbered spans, and nothing else."""
    if constraint == "json_schema":
        keys = ["label"] if count == 1 else [str(number) for number in range(1, count + 1)]
        schema = {
            "type": "object",
            "properties": {key: {"type": "string", "enum": list(options)} for key in keys},
            "required": keys,
            "additionalProperties": False,
        }
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "labels", "strict": True, "schema": schema}}}
    if constraint == "choice" and count == 1:
        # Its name until vLLM 0.12, and since.
        return {"guided_choice": list(options), "structured_outputs": {"choice": list(options)}}
    grammar = _grammar(options, count)
    if constraint == "choice":
        return {"guided_grammar": grammar, "structured_outputs": {"grammar": grammar}}
    return {"grammar": grammar}


def is_obeyed(content: str) -> bool:
    """Whether the answer to `PROBE` shows that the constraint was kept."""
    return content.strip().strip("\"'") in _PROBE_OPTIONS or _label_of(content) in _PROBE_OPTIONS


def _label_of(content: str) -> object:
    try:
        data = json.loads(content)
    except ValueError:
        return None
    return data.get("label") if isinstance(data, Mapping) else None


def _grammar(options: Sequence[str], count: int) -> str:
    """In GBNF: an option, or lines of number, colon and option."""
    label = "label ::= " + " | ".join(json.dumps(option, ensure_ascii=False) for option in options)
    if count == 1:
        return f"root ::= label\n{label}"
    lines = ' "\\n" '.join(f'"{number}: " label' for number in range(1, count + 1))
    return f"root ::= {lines}\n{label}"
