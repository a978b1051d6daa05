"""What a visitor has given that cannot be; the page says it in the visitor's language."""

from __future__ import annotations

from hybridner.errors import InputError
from hybridner.space.texts import page_texts


class VisitorError(InputError):
    """More than the limits allow, nothing at all, or something that cannot be.

    Args:
        key: of the text that says so, under "problems" in the page's texts.
        values: what its placeholders are filled with.
    """

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(page_texts("en")(f"problems.{key}", **values))
