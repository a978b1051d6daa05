"""Sentences to begin with, and what the page shows of a model's card."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from hybridner.data.domain_examples import domain_examples

#: Examples that the page has room for, and characters of one that its button shows.
MOST, _SHOWN = 5, 12


def examples_for(domain: str, card: str = "") -> tuple[str, ...]:
    """Sentences of a model's own domain: those of its card, else those known for that domain, else none.

    Args:
        domain: as the model's label set names it.
        card: the model's card, whose front matter may hold ``widget`` examples as those of the Hub do.
    """
    own = _examples_of_card(card)
    return (own or domain_examples(domain))[:MOST]


def example_title(text: str) -> str:
    """The beginning of an example, for its button."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def read_card(folder: str) -> str:
    """The card of a model in a folder; empty where there is none to be read."""
    try:
        return (Path(folder) / "README.md").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def card_body(card: str) -> str:
    """What people read of a card: without the front matter, and without images, which the page does not have."""
    body = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL)
    return re.sub(r"!\[[^\]]*\]\([^)]*\)\n*", "", body).strip()


def _examples_of_card(card: str) -> tuple[str, ...]:
    front = re.match(r"\A---\n(.*?)\n---\n", card, flags=re.DOTALL)
    try:
        fields = yaml.safe_load(front[1]) if front else None
    except yaml.YAMLError:
        return ()
    widget = fields.get("widget") if isinstance(fields, dict) else None
    texts = [item.get("text") for item in widget if isinstance(item, dict)] if isinstance(widget, list) else []
    return tuple(text for text in texts if isinstance(text, str) and text.strip())
