"""Any OpenAI-compatible server as a verifier: DeepSeek, OpenAI, vLLM, Ollama, llama.cpp, `transformers serve`."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pydantic import SecretStr

from hybridner.errors import LlmError
from hybridner.llm.constraints import PROBE, Abilities, request_fields
from hybridner.llm.logprobs import option_probabilities
from hybridner.llm.openai_limits import LENGTHS, limit_length, limit_tokens
from hybridner.llm.openai_response import AttemptError, error_from_status, read_completion, read_tokens, shorten
from hybridner.llm.openai_settings import OpenAISettings
from hybridner.llm.prices import Usage
from hybridner.llm.probing import AbilityMemory, estimate_probe, probe
from hybridner.llm.verifier import Answer, FailureKind, Question, Verifier, VerifierError
from hybridner.optional import require
from hybridner.redaction import find_secrets, redact, redact_text, without_credentials
from hybridner.validation import validate

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: Seconds waited before the second attempt; doubled each time after that, up to the longest.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0


class OpenAIVerifier:
    """Sends questions to an OpenAI-compatible chat endpoint; by default as in section 3.1, with temperature 0, top_p 1 and at
    most 128 tokens.

    Args:
        model: the name the server knows the model by.
        base_url: the server's address up to and with ``/v1``; by default OPENAI_BASE_URL or OpenAI's own.
        api_key: the key; by default OPENAI_API_KEY. Servers without keys need none. It is never shown, stored or pickled.
        timeout: seconds that one attempt may take in all, however slowly its bytes arrive.
        max_retries: attempts after the first one.
        concurrency: questions under way at once.
        temperature, top_p, max_tokens: sent with each question; None leaves one out, for servers that refuse it.
        token_limit: the most tokens that any request may ask for, whatever `max_tokens`, the question or `extra_body` say; None
            sets no limit.
        probe: find out with a few short questions what the server can do, once for an endpoint and model: give log-probabilities,
            which become the answer's confidence; be held to the closed list, by `guided_choice`, a grammar or a JSON schema.
            Where a cache is used it remembers.
        extra_body: further fields of the request, such as those that switch off thinking. Secrets in it (fields named like
            `Authorization` or `x-api-key`) are sent and nowhere shown or stored.

    Raises:
        LlmError: a setting that makes no sense.

    Examples:
        >>> verifier = OpenAIVerifier("deepseek-flash", "https://api.deepseek.com/v1", "KEY", concurrency=4)
        >>> verifier
        OpenAIVerifier(...)
        >>> pipe(text, llm=verifier, threshold=0.0, dry_run=True).usage.calls
        1
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
        token_limit: int | None = None,
        probe: bool = False,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings = OpenAISettings(
            model=model,
            base_url=base_url,
            api_key=SecretStr(api_key) if isinstance(api_key, str) else api_key,
            timeout=timeout,
            max_retries=max_retries,
            concurrency=concurrency,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            token_limit=token_limit,
            probe=probe,
            extra_body=extra_body if extra_body is not None else {},  # type: ignore[arg-type]  # checked there
        )
        # Connections and locks belong to the event loop they were made in.
        self._probing: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = WeakKeyDictionary()
        # After a 429 no request is sent before this moment (time.monotonic).
        self._not_before = 0.0
        self._abilities: Abilities | None = None if probe else Abilities()
        self.memory: AbilityMemory | None = None

    @property
    def model(self) -> str:
        return self._settings.model

    @property
    def base_url(self) -> str | None:
        return self._settings.base_url

    @property
    def concurrency(self) -> int:
        return self._settings.concurrency

    @property
    def max_retries(self) -> int:
        return self._settings.max_retries

    @property
    def parameters(self) -> Mapping[str, Any]:
        extra = redact(limit_tokens(self._settings.extra_body, self._settings.token_limit))
        # What was found does not count: a run can be repeated before anything is known of the server.
        probe = {"probe": True} if self._settings.probe else {}
        return {**self._body(None), **probe, **({"extra_body": extra} if extra else {})}

    @property
    def probe_usage(self) -> Usage:
        """What finding out about the server's abilities will use at most; nothing where they are known."""
        return Usage() if self._known_abilities() is not None else estimate_probe()

    def to_dict(self) -> dict[str, Any]:
        """The settings without secrets; where there were none, `as_verifier` makes an equal verifier of them."""
        shown = self._settings.model_dump(exclude={"api_key"})
        settings: dict[str, Any] = redact({**shown, "base_url": self.base_url and without_credentials(self.base_url)})
        return settings

    def __repr__(self) -> str:
        return f"OpenAIVerifier({', '.join(f'{key}={value!r}' for key, value in self.to_dict().items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle holds no key and no connection; the copy reads OPENAI_API_KEY.
        if any(find_secrets(self._settings.extra_body)):
            raise LlmError("a verifier with a secret in `extra_body` cannot be sent to another process; make it there")
        return _from_dict, (self.to_dict(),)

    async def complete(self, question: Question) -> Answer:
        """Send the question until a usable answer comes or the attempts are used up.

        Args:
            question: to be sent.

        Returns:
            the answer, with what it took.

        Raises:
            VerifierError: no usable answer; `fatal` for refused keys, unknown models and addresses without a server.
        """
        attempts = 1 + self.max_retries
        used = (0, 0)
        if question.options and self._known_abilities() is None:
            used = await self._find_abilities()
        for attempt in range(1, attempts + 1):
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            try:
                answer = await self._attempt(question, attempt)
            except AttemptError as failure:
                last = failure
                used = (used[0] + last.usage[0], used[1] + last.usage[1])
            else:
                # What the server counted for attempts without a usable answer is paid for as well.
                prompt, written = answer.prompt_tokens + used[0], answer.completion_tokens + used[1]
                return replace(answer, prompt_tokens=prompt, completion_tokens=written)
            if not last.retryable or attempt == attempts:
                break
            if last.retry_after is not None:
                self._not_before = max(self._not_before, time.monotonic() + last.retry_after)
            else:
                await asyncio.sleep(min(_FIRST_WAIT * 2 ** (attempt - 1), _LONGEST_WAIT) * random.uniform(0.75, 1.0))
        # `from None`: the client's own error carries the request, and a server's message may repeat the key.
        raise VerifierError(
            self._clean(last.problem),
            last.kind,
            fatal=last.fatal,
            attempts=attempt,
            prompt_tokens=used[0],
            completion_tokens=used[1],
        ) from None

    async def close(self) -> None:
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    def _known_abilities(self) -> Abilities | None:
        if self._abilities is None and self.memory is not None:
            stored = self.memory.get_abilities(self._endpoint)
            self._abilities = Abilities.from_json(stored) if stored is not None else None
        return self._abilities

    async def _find_abilities(self) -> tuple[int, int]:
        """Probe the server, unless another question has done so meanwhile; returns the tokens that took."""
        async with self._probing.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if self._known_abilities() is not None:
                return (0, 0)
            try:
                self._abilities, used = await probe(lambda fields: self._attempt(PROBE, 1, fields))
            except AttemptError:
                return (0, 0)  # the question itself meets the same, and says so; the next one probes
            if self.memory is not None:
                self.memory.put_abilities(self._endpoint, self._abilities.to_json())
            return (used.prompt_tokens, used.completion_tokens)

    @property
    def _endpoint(self) -> str:
        address = without_credentials(self.base_url) if self.base_url else ""
        return f"{self.model} {address}"

    async def _attempt(self, question: Question, attempt: int, probed: Mapping[str, Any] | None = None) -> Answer:
        """Send a question once; where the server refuses what it was thought to be able to do, once more without that.

        Args:
            question: the question.
            attempt: its number.
            probed: fields to be tried out, in place of those that the server is known to take.
        """
        if probed is not None:
            return await self._send(question, attempt, probed, None)
        abilities = self._known_abilities() or Abilities()
        fields = request_fields(question, abilities)
        try:
            return await self._send(question, attempt, fields, abilities.constraint if fields else None)
        except AttemptError as failure:
            if not fields or failure.kind is not FailureKind.SERVER_ERROR or failure.retryable:
                raise
        answer = await self._send(question, attempt, {}, None)
        # It takes the question so: it does not take the fields.
        self._abilities = Abilities()
        return answer

    async def _send(self, question: Question, attempt: int, fields: Mapping[str, Any], constraint: str | None) -> Answer:
        openai = require("openai", "llm")
        timeout = self._settings.timeout
        started = time.monotonic()
        try:
            # The client's own time limit starts anew with each byte, so a slow drip would pass it.
            completion = await asyncio.wait_for(
                self._client().chat.completions.create(
                    model=self.model,
                    messages=[{"role": role, "content": content} for role, content in question.messages],  # type: ignore[misc]
                    extra_body={**fields, **limit_tokens(self._settings.extra_body, self._settings.token_limit)} or None,
                    **self._body(question.max_tokens),
                ),
                timeout,
            )
        except (TimeoutError, openai.APITimeoutError):
            raise AttemptError(f"no answer within {timeout:g} s", FailureKind.TIMED_OUT) from None
        except openai.APIStatusError as error:
            raise error_from_status(error.status_code, error.message, error.response.headers, error.body) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, AttemptError):
                raise cause from None
            reason = shorten(f"{type(cause).__name__}: {cause}" if cause else error.message)
            where = without_credentials(str(self._client().base_url))
            is_refused = type(cause).__name__ == "ConnectError"
            raise AttemptError(f"no connection to {where} ({reason})", FailureKind.UNREACHABLE, fatal=is_refused) from None
        except (openai.OpenAIError, ValueError, TypeError, RecursionError) as error:
            raise AttemptError(f"the server's answer is no chat completion ({type(error).__name__})") from None
        answer = read_completion(completion, time.monotonic() - started, attempt, self.model)
        tokens = read_tokens(completion)
        features = (*([constraint] if constraint else []), *(["logprobs"] if tokens else []))
        return replace(answer, probabilities=option_probabilities(tokens, question.options, question.count), features=features)

    def _body(self, max_tokens: int | None) -> dict[str, Any]:
        """The fields that every request has, as the client names them, with the answer's length as the question needs it."""
        own, limit = self._settings.max_tokens, self._settings.token_limit
        if own is not None and max_tokens is not None:
            own = max(own, max_tokens)
        if limit is not None and not (own is None and LENGTHS & self._settings.extra_body.keys()):
            own = limit if own is None else min(own, limit)
        fields = {"temperature": self._settings.temperature, "top_p": self._settings.top_p, "max_tokens": own}
        return {key: value for key, value in fields.items() if value is not None}

    def _client(self) -> AsyncOpenAI:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            openai = require("openai", "llm")
            # Servers without keys still want the header filled.
            key = self._key() or os.environ.get("OPENAI_API_KEY") or "none"
            http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [limit_length]})
            client = openai.AsyncOpenAI(
                api_key=key, base_url=self.base_url, timeout=self._settings.timeout, max_retries=0, http_client=http
            )
            self._clients[loop] = client
        return client

    def _key(self) -> str | None:
        return self._settings.api_key.get_secret_value() if self._settings.api_key else None

    def _clean(self, problem: str) -> str:
        """The problem without secrets, which some servers repeat in their messages."""
        secrets = (self._key(), os.environ.get("OPENAI_API_KEY"), *find_secrets(self._settings.extra_body))
        return redact_text(problem, secrets)


def _from_dict(settings: Mapping[str, Any]) -> OpenAIVerifier:
    return OpenAIVerifier(**settings)


def as_verifier(llm: str | Mapping[str, Any] | Verifier) -> Verifier:
    """A verifier from what users write as `llm=`.

    Args:
        llm: a model's name, the settings of `OpenAIVerifier` as a mapping, or a verifier itself.

    Raises:
        LlmError: none of these, or an unknown setting.

    Examples:
        >>> as_verifier({"model": "deepseek-flash", "base_url": "https://api.deepseek.com/v1"}).model
        'deepseek-flash'
    """
    if isinstance(llm, str):
        return OpenAIVerifier(llm)
    if isinstance(llm, Mapping):
        settings = validate(OpenAISettings, llm, LlmError, "llm")
        key = settings.api_key.get_secret_value() if settings.api_key else None
        return OpenAIVerifier(**{**settings.model_dump(), "api_key": key})
    if isinstance(llm, Verifier):
        return llm
    raise LlmError(f"`llm` must be a model's name, settings or a verifier, not {type(llm).__name__}")
