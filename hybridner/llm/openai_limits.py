"""How much an OpenAI-compatible server may write, and how much of it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from importlib import import_module
from typing import Any

from hybridner.llm.openai_response import AttemptError

#: Bytes of a response that are read; fewer where it is compressed, for it may be a thousand times as long then.
_MAX_BYTES, _MAX_COMPRESSED = 4_000_000, 200_000
#: Fields of a request, wherever they stand in `extra_body`, that let a server write more, or think longer.
LENGTHS = {
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "num_predict", "n_predict", "min_tokens"),
    *("max_length", "thinking_budget", "budget_tokens", "reasoning_budget"),
}
#: Fields that multiply the answers.
_COUNTS = {"n", "best_of", "num_return_sequences", "num_beams"}


def limit_tokens(extra: Any, limit: int | None) -> Any:
    """A copy of the extra fields in which none lets the server write more than `limit` tokens, however deep it stands."""
    if limit is None:
        return extra
    if isinstance(extra, Mapping):
        limited = {}
        for key, value in extra.items():
            most = limit if key in LENGTHS else 1 if key in _COUNTS else None
            if most is None:
                limited[key] = limit_tokens(value, limit)
            else:
                is_within = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
                limited[key] = value if is_within else most
        return limited
    return [limit_tokens(item, limit) for item in extra] if isinstance(extra, (list, tuple)) else extra


async def limit_length(response: Any) -> None:
    """Have reading a response stop where it is far longer than any answer."""
    is_plain = response.headers.get("content-encoding", "identity") == "identity"
    # The client brings its own HTTP library, which wants its own kind of stream.
    base = import_module(type(response).__module__.partition(".")[0]).AsyncByteStream
    limited = type("LimitedStream", (_LimitedStream, base), {})
    response.stream = limited(response.stream, _MAX_BYTES if is_plain else _MAX_COMPRESSED)


class _LimitedStream:
    def __init__(self, stream: Any, most: int) -> None:
        self._stream, self._left = stream, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise AttemptError("the server's answer is far too long", retryable=False)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
