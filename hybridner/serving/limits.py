"""What one request may ask for, and what the service takes on, so that nobody can stop it for the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from hybridner.errors import HybridNerError, ModelError
from hybridner.validation import Integer, Number, Settings

#: Bytes of the longest way to write a character in JSON, a surrogate pair of escapes.
_BYTES_PER_CHARACTER = 12
#: Bytes of a request beside its texts.
_ENVELOPE = 65_536


class TooLargeError(HybridNerError):
    """A request asks for more than one request may."""


class Limits(Settings):
    """Upper limits of a service.

    Attributes:
        texts: of one request.
        characters: of one request, all its texts together.
        seconds: until a request is answered, its body received included.
        waiting: texts that may wait for their turn; further requests are told to come again.
        batch: texts that are read together.
        workers: batches in work at once.

    Examples:
        >>> Limits(texts=8, characters=1000).check(["北约"] * 8)
    """

    error_class = ModelError

    texts: Annotated[Integer, Field(ge=1)] = 256
    characters: Annotated[Integer, Field(ge=1)] = 100_000
    seconds: Annotated[Number, Field(gt=0)] = 30.0
    waiting: Annotated[Integer, Field(ge=1)] = 1_024
    batch: Annotated[Integer, Field(ge=1)] = 32
    workers: Annotated[Integer, Field(ge=1)] = 2

    @property
    def body_bytes(self) -> int:
        """Of a request: as many as its characters can take in any notation of JSON."""
        return self.characters * _BYTES_PER_CHARACTER + _ENVELOPE

    @property
    def forgotten_bytes(self) -> int:
        """Of a request that is refused while it is still being sent: so many more are received, and forgotten."""
        return 4 * self.body_bytes

    def check(self, texts: Sequence[str]) -> None:
        """Let through what one request may ask for.

        Raises:
            TooLargeError: too many texts or characters.
        """
        if len(texts) > self.texts:
            raise TooLargeError(f"{len(texts)} texts in one request; at most {self.texts} are read, so send several requests")
        characters = sum(map(len, texts))
        if characters > self.characters:
            raise TooLargeError(
                f"{characters} characters in one request; at most {self.characters} are read, so send several requests"
            )
