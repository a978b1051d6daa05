"""What an OpenAI-compatible server sent back: an answer, or why it is none."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hybridner.llm.logprobs import Token
from hybridner.llm.verifier import Answer, FailureKind
from hybridner.text.surrogates import replace_surrogates

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

#: A server that asks to wait longer than this is treated as failing.
_MAX_RETRY_AFTER = 120.0
#: Status codes after which the same question may well succeed.
_RETRYABLE = {408, 409, 425, 429}
#: Status codes that the next question would meet too.
_FATAL = {401, 402, 403, 404}
_KINDS = {**dict.fromkeys(_FATAL, FailureKind.REFUSED), 408: FailureKind.TIMED_OUT, 429: FailureKind.RATE_LIMITED}
#: What providers call an error of their content filter: Azure, OpenAI, DashScope, DeepSeek.
_FILTERED = re.compile(
    r"content[ _]?filter|content[ _]?policy|data_?inspection_?failed|responsible ?ai|content exists risk|inappropriate content",
    re.IGNORECASE,
)
#: Parts of a content that hold the answer, and those that hold the reason for refusing one.
_TEXT_PARTS, _REFUSAL_PART = {"text", "output_text"}, "refusal"
#: Characters of an answer that are kept. A list of labels is far shorter; what is longer is text that runs on.
_MAX_CONTENT = 100_000
#: Characters of a server's message that are kept.
_SHOWN = 300


class AttemptError(Exception):
    """One attempt failed.

    Args:
        problem: what went wrong; may still hold a key that the server repeated.
        kind: the same for programs.
        retryable: another attempt may succeed.
        fatal: the next question would fail too.
        retry_after: seconds that the server asks to wait.
        usage: tokens of the prompt and of the answer that the server counted nevertheless.
    """

    def __init__(
        self,
        problem: str,
        kind: FailureKind = FailureKind.BAD_RESPONSE,
        *,
        retryable: bool = True,
        fatal: bool = False,
        retry_after: float | None = None,
        usage: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.kind = kind
        self.retryable = retryable
        self.fatal = fatal
        self.retry_after = retry_after
        self.usage = usage


def error_from_status(status: int, message: str, headers: Mapping[str, str], body: object = None) -> AttemptError:
    """The error that a status code and its message stand for."""
    shown = shorten(re.sub(r"<[^<>]*>", " ", message[: 10 * _SHOWN]))
    if 400 <= status < 500 and _FILTERED.search(f"{message} {body if body is not None else ''}"[: 10 * _SHOWN]):
        return _filtered(f"HTTP {status}: {shown}")
    wait = retry_after(headers)
    is_retryable = (status in _RETRYABLE or status >= 500) and (wait is None or wait <= _MAX_RETRY_AFTER)
    kind = _KINDS.get(status, FailureKind.SERVER_ERROR)
    return AttemptError(f"HTTP {status}: {shown}", kind, retryable=is_retryable, fatal=status in _FATAL, retry_after=wait)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now that the server asks to wait, from `retry-after-ms`, or `retry-after` in seconds or as a date."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if not value:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
            except (TypeError, ValueError):
                continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def read_completion(completion: ChatCompletion, latency: float, attempt: int, requested_model: str) -> Answer:
    """An answer from what the client made of the response; the client does not check types, so anything may be in there.

    Raises:
        AttemptError: the response is an error, a refusal, blank, or no chat completion.
    """
    usage = getattr(completion, "usage", None)
    prompt, details = _count(getattr(usage, "prompt_tokens", None)), getattr(usage, "prompt_tokens_details", None)
    written = _count(getattr(usage, "completion_tokens", None))
    try:
        content, finish = _content(completion)
    except AttemptError as error:
        error.usage = (prompt, written)
        raise
    served = getattr(completion, "model", None)
    return Answer(
        content=content[:_MAX_CONTENT],
        model=replace_surrogates(served)[0] if isinstance(served, str) and served else requested_model,
        prompt_tokens=prompt,
        completion_tokens=written,
        latency=latency,
        attempts=attempt,
        truncated=finish == "length" or len(content) > _MAX_CONTENT,
        cached_prompt_tokens=min(prompt, _count(getattr(details, "cached_tokens", None))),
    )


def read_tokens(completion: ChatCompletion) -> list[Token]:
    """The tokens of the answer with their log-probabilities; none where the server gives none, or others than the answer's."""
    try:
        choice = completion.choices[0]
        given = choice.logprobs.content if choice.logprobs is not None else None
        tokens = [
            Token(str(item.token), float(item.logprob), tuple((str(o.token), float(o.logprob)) for o in item.top_logprobs))
            for item in given or ()
        ]
    except (AttributeError, TypeError, ValueError, IndexError, KeyError):
        return []
    return tokens if all(token.logprob <= 0.0 for token in tokens) else []


def shorten(message: str) -> str:
    """A message on one line, of a length that can be shown."""
    return replace_surrogates(" ".join(message.split())[:_SHOWN])[0]


def _content(completion: ChatCompletion) -> tuple[str, str | None]:
    """The text of the answer and why it ended."""
    _raise_error(completion)
    try:
        choice = completion.choices[0]
        message, finish = choice.message, choice.finish_reason
        content: object = message.content
    except (AttributeError, TypeError, IndexError, KeyError):
        raise AttemptError("the server's answer is no chat completion") from None
    _raise_error(choice)
    if finish == "content_filter":
        raise _filtered("the provider's content filter stopped the answer")
    refusal = getattr(message, "refusal", None)
    if isinstance(content, list):
        content, refused = _join_parts(content)
        refusal = refusal or refused
    if isinstance(refusal, str) and refusal.strip():
        raise _filtered(f"the model refused to answer: {shorten(refusal)}")
    if content is not None and not isinstance(content, str):
        raise AttemptError("the server's answer is no chat completion")
    if not content or not content.strip():
        hint = "; a thinking model needs more max_tokens, or thinking switched off in extra_body" if finish == "length" else ""
        raise AttemptError(f"blank answer (finish_reason {shorten(str(finish))}{hint})")
    # Halves of characters can be stored and shown nowhere.
    return replace_surrogates(content)[0], finish


def _raise_error(part: object) -> None:
    """Some servers and gateways report errors with status 200: as `error`, in the response or in its choice, or all of it."""
    error: Any = getattr(part, "error", None)
    if error is None and getattr(part, "object", None) == "error":
        error = {name: getattr(part, name, None) for name in ("message", "type", "code")}
    if not error:
        return
    fields = error if isinstance(error, Mapping) else {"message": str(error)}
    message = str(fields.get("message") or error)
    status = _status_of(fields.get("code")) or _status_of(fields.get("status"))
    if status is not None:
        raise error_from_status(status, message, {}, fields)
    if _FILTERED.search(str(fields)[: 10 * _SHOWN]):
        raise _filtered(shorten(message))
    raise AttemptError(f"the server reports an error: {shorten(message)}", FailureKind.SERVER_ERROR)


def _status_of(code: object) -> int | None:
    if isinstance(code, str) and re.fullmatch(r"[0-9]{3}", code):
        code = int(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else None


def _join_parts(parts: list[Any]) -> tuple[str, str]:
    """The text of a content that is a list of parts, and the reason for refusing one; parts with thoughts are left out."""
    texts, refusals = [], []
    for part in parts:
        fields = part if isinstance(part, Mapping) else {"type": "text", "text": part}
        text = fields.get("text")
        if fields.get("type", "text") in _TEXT_PARTS and isinstance(text, str):
            texts.append(text)
        elif fields.get("type") == _REFUSAL_PART:
            refusals.append(str(fields.get(_REFUSAL_PART) or "no reason given"))
    return "".join(texts), "".join(refusals)


def _filtered(problem: str) -> AttemptError:
    return AttemptError(problem, FailureKind.FILTERED, retryable=False)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
