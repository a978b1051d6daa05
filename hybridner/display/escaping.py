"""Text as it may stand in HTML."""

from __future__ import annotations

import html

#: Beside what HTML itself needs: what a page's template engine might take for its own.
_TEMPLATE_SIGNS = {ord(sign): f"&#{ord(sign)};" for sign in "{}$`"}


def escape(text: str) -> str:
    """Text as it may stand in HTML content and in quoted attributes.

    Args:
        text: any text.

    Examples:
        >>> escape("<b>")
        '&lt;b&gt;'
    """
    return html.escape(text, quote=True).translate(_TEMPLATE_SIGNS)
