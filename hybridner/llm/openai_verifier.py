"""Any OpenAI-compatible server as a verifier: DeepSeek, OpenAI, vLLM, Ollama, llama.cpp, `transformers serve`."""

from __future__ import annotations

import asyncio
import email.utils
import math
import os
import random
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakKeyDictionary

from hybridner.errors import LlmError
from hybridner.llm.verifier import Answer, FailureKind, Question, Verifier, VerifierError

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletion

#: Seconds waited before the second try; doubled each time after that, up to the longest.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
#: A server that wants to be left alone longer than this is treated as failing.
_LONGEST_RETRY_AFTER = 120.0
#: Status codes after which the same question may well succeed.
_RETRYABLE = {408, 409, 425, 429}
#: Status codes that the next question would meet too.
_FATAL = {401, 402, 403, 404}
_KINDS = {**dict.fromkeys(_FATAL, FailureKind.REFUSED), 408: FailureKind.TIMED_OUT, 429: FailureKind.RATE_LIMITED}
_SECRET_KEYS = {"apikey", "authorization", "secret", "password", "accesstoken", "token", "headers"}
#: Characters of a server's complaint that are kept.
_SHOWN = 300


class OpenAIVerifier:
    """Asks an OpenAI-compatible chat endpoint.

    Args:
        model: the name the server knows the model by.
        base_url: the server's address up to and with ``/v1``; by default OPENAI_BASE_URL or OpenAI's own.
        api_key: the key; by default OPENAI_API_KEY. Servers without keys need none. It is never shown, stored or pickled.
        timeout: seconds that one try may take in all, however slowly its bytes arrive.
        max_retries: tries after the first one.
        concurrency: questions under way at once.
        temperature, top_p, max_tokens: sent with each question; None leaves one out, for servers that refuse it.
        extra_body: further fields of the request, such as those that switch off thinking. No secrets: it is shown and kept with
            the settings.

    Raises:
        LlmError: the `openai` package is missing or a setting makes no sense.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        max_retries: int = 3,
        concurrency: int = 8,
        temperature: float | None = 0.0,
        top_p: float | None = 1.0,
        max_tokens: int | None = 128,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        if not model or not isinstance(model, str):
            raise LlmError(f"`model` must be the name of a model, not {model!r}")
        for name, value, least in (("concurrency", concurrency, 1), ("max_retries", max_retries, 0), ("timeout", timeout, 1e-3)):
            if not value >= least:
                raise LlmError(f"`{name}` must be at least {least}, not {value!r}")
        secret = [key for key in extra_body or {} if re.sub(r"[^a-z]", "", key.lower()) in _SECRET_KEYS]
        if secret:
            raise LlmError(f"`extra_body` must hold no secret ({secret[0]!r}); give the key as `api_key` or OPENAI_API_KEY")
        self._model = model
        self.base_url = base_url
        self._api_key = api_key
        self.timeout = timeout
        self.max_retries = max_retries
        self._concurrency = concurrency
        sampling = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
        self._sampling: dict[str, Any] = {key: value for key, value in sampling.items() if value is not None}
        self._extra_body = dict(extra_body or {})
        # A client's connections belong to the event loop they were opened in.
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = WeakKeyDictionary()
        # After a 429 nobody asks before this moment (time.monotonic).
        self._not_before = 0.0

    @property
    def model(self) -> str:
        return self._model

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {**self._sampling, **({"extra_body": self._extra_body} if self._extra_body else {})}

    @property
    def concurrency(self) -> int:
        return self._concurrency

    def to_dict(self) -> dict[str, Any]:
        """The settings without the key; `as_verifier` makes an equal verifier of them."""
        settings = {
            "model": self._model,
            "base_url": self.base_url and _without_credentials(self.base_url),
            "timeout": self.timeout,
            "max_retries": self.max_retries,
            "concurrency": self._concurrency,
            "extra_body": self._extra_body,
        }
        return {**settings, **{name: self._sampling.get(name) for name in ("temperature", "top_p", "max_tokens")}}

    def __repr__(self) -> str:
        return f"OpenAIVerifier({', '.join(f'{key}={value!r}' for key, value in self.to_dict().items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle holds no key and no connection; the copy reads OPENAI_API_KEY.
        return _from_dict, (self.to_dict(),)

    async def complete(self, question: Question) -> Answer:
        """Send the question until a usable answer comes or the tries are used up.

        Raises:
            VerifierError: no usable answer; `fatal` for refused keys, unknown models and servers that nobody answers at.
        """
        attempts = 1 + self.max_retries
        for attempt in range(1, attempts + 1):
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            try:
                return await self._once(question, attempt)
            except AttemptError as failure:
                last = failure
            if not last.retryable or attempt == attempts:
                break
            if last.retry_after is not None:
                self._not_before = max(self._not_before, time.monotonic() + last.retry_after)
            else:
                await asyncio.sleep(min(_FIRST_WAIT * 2 ** (attempt - 1), _LONGEST_WAIT) * random.uniform(0.75, 1.0))
        # `from None`: the client's own error carries the request, and a server's complaint may repeat the key.
        raise VerifierError(self._clean(last.problem), last.kind, fatal=last.fatal, attempts=attempt) from None

    async def close(self) -> None:
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    async def _once(self, question: Question, attempt: int) -> Answer:
        openai = _import_openai()
        body = dict(self._sampling)
        if question.max_tokens is not None and "max_tokens" in body:
            body["max_tokens"] = max(body["max_tokens"], question.max_tokens)
        started = time.monotonic()
        try:
            # The client's own time limit starts anew with each byte, so a slow drip would pass it.
            completion = await asyncio.wait_for(
                self._client().chat.completions.create(
                    model=self._model,
                    messages=[{"role": role, "content": content} for role, content in question.messages],  # type: ignore[misc]
                    extra_body=self._extra_body or None,
                    **body,
                ),
                self.timeout,
            )
        except (asyncio.TimeoutError, openai.APITimeoutError):
            raise AttemptError(f"no answer within {self.timeout:g} s", FailureKind.TIMED_OUT) from None
        except openai.APIStatusError as error:
            raise _from_status(error.status_code, error.message, error.response.headers) from None
        except openai.APIConnectionError as error:
            refused = type(error.__cause__).__name__ == "ConnectError"
            reason = f"{type(error.__cause__).__name__}: {error.__cause__}" if error.__cause__ else error.message
            where = _without_credentials(str(self._client().base_url))
            raise AttemptError(f"no connection to {where} ({reason[:_SHOWN]})", FailureKind.UNREACHABLE, fatal=refused) from None
        except (openai.OpenAIError, ValueError, TypeError) as error:
            raise AttemptError(f"the server's answer is no chat completion ({type(error).__name__})") from None
        return _read(completion, time.monotonic() - started, attempt, self._model)

    def _client(self) -> AsyncOpenAI:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            # Servers without keys still want the header filled.
            key = self._api_key or os.environ.get("OPENAI_API_KEY") or "none"
            client = _import_openai().AsyncOpenAI(api_key=key, base_url=self.base_url, timeout=self.timeout, max_retries=0)
            self._clients[loop] = client
        return client

    def _clean(self, problem: str) -> str:
        """The problem without the key, which some servers repeat in their complaint, and without anything that looks like one."""
        for key in (self._api_key, os.environ.get("OPENAI_API_KEY")):
            if key:
                problem = problem.replace(key, "***")
        return re.sub(r"\b(sk-|Bearer\s+)[\w*.-]{6,}", r"\1***", problem)


class AttemptError(Exception):
    """One attempt failed. `retryable`: another may succeed; `retry_after`: seconds the server asked to wait."""

    def __init__(
        self,
        problem: str,
        kind: FailureKind = FailureKind.BAD_RESPONSE,
        *,
        retryable: bool = True,
        fatal: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.kind = kind
        self.retryable = retryable
        self.fatal = fatal
        self.retry_after = retry_after


def _from_status(status: int, message: str, headers: Mapping[str, str]) -> AttemptError:
    wait = retry_after(headers)
    retryable = (status in _RETRYABLE or status >= 500) and (wait is None or wait <= _LONGEST_RETRY_AFTER)
    complaint = " ".join(re.sub(r"<[^>]*>", " ", message).split())[:_SHOWN]
    kind = _KINDS.get(status, FailureKind.SERVER_ERROR)
    return AttemptError(f"HTTP {status}: {complaint}", kind, retryable=retryable, fatal=status in _FATAL, retry_after=wait)


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


def _read(completion: ChatCompletion, latency: float, attempt: int, asked: str) -> Answer:
    """An answer from what the client made of the response; the client does not check types, so anything may be in there."""
    try:
        choice = completion.choices[0]
        content, finish = choice.message.content, choice.finish_reason
    except (AttributeError, TypeError, IndexError, KeyError):
        raise AttemptError("the server's answer is no chat completion") from None
    if content is not None and not isinstance(content, str):
        raise AttemptError("the server's answer is no chat completion")
    if not content or not content.strip():
        hint = "; a thinking model needs more max_tokens, or thinking switched off in extra_body" if finish == "length" else ""
        raise AttemptError(f"blank answer (finish_reason {finish}{hint})")
    usage = getattr(completion, "usage", None)
    prompt, details = _count(getattr(usage, "prompt_tokens", None)), getattr(usage, "prompt_tokens_details", None)
    served = getattr(completion, "model", None)
    return Answer(
        content=content,
        model=served if isinstance(served, str) and served else asked,
        prompt_tokens=prompt,
        completion_tokens=_count(getattr(usage, "completion_tokens", None)),
        latency=latency,
        attempts=attempt,
        truncated=finish == "length",
        cached_prompt_tokens=min(prompt, _count(getattr(details, "cached_tokens", None))),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _import_openai() -> Any:
    try:
        import openai
    except ImportError as error:
        raise LlmError("asking an LLM server needs the `openai` package: pip install 'hybridner[llm]'") from error
    return openai


def _from_dict(settings: Mapping[str, Any]) -> OpenAIVerifier:
    return OpenAIVerifier(**settings)


def as_verifier(llm: str | Mapping[str, Any] | Verifier) -> Verifier:
    """A verifier from what users write as `llm=`: a model's name, the settings of `OpenAIVerifier`, or a verifier itself.

    Raises:
        LlmError: none of these, or an unknown setting.
    """
    if isinstance(llm, str):
        return OpenAIVerifier(llm)
    if isinstance(llm, Mapping):
        try:
            return OpenAIVerifier(**llm)
        except TypeError as error:
            raise LlmError(f"settings of an LLM: {str(error).partition(') ')[2] or error}") from None
    if isinstance(llm, Verifier):
        return llm
    raise LlmError(f"`llm` must be a model's name, settings or a verifier, not {type(llm).__name__}")
