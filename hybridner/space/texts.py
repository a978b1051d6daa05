"""What the page says: the texts of `texts/zh.yaml` and `texts/en.yaml` by dotted keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

import yaml

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
#: In which the page is before the browser has said what its user prefers.
DEFAULT_LANGUAGE: Language = "zh"


class PageTexts:
    """The texts of one language.

    Args:
        language: "zh" or "en".
        by_key: text by dotted key, such as "settings.threshold"; braces hold placeholders.
    """

    def __init__(self, language: Language, by_key: Mapping[str, str]) -> None:
        self.language = language
        self.by_key = by_key

    def __call__(self, key: str, **values: object) -> str:
        """One text with its placeholders filled in."""
        return self.by_key[key].format(**values)

    def group(self, prefix: str) -> dict[str, str]:
        """All texts under a key, by the rest of their own keys, in the order of the file."""
        start = prefix + "."
        return {key.removeprefix(start): text for key, text in self.by_key.items() if key.startswith(start)}


def page_texts(language: object) -> PageTexts:
    """The texts of a language; those of the default one for a language that there is not."""
    return _load(next((known for known in LANGUAGES if known == language), DEFAULT_LANGUAGE))


@cache
def _load(language: Language) -> PageTexts:
    source = resources.files("hybridner.space").joinpath(f"texts/{language}.yaml").read_text(encoding="utf-8")
    return PageTexts(language, dict(_flatten(yaml.safe_load(source))))


def _flatten(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        if isinstance(value, str):
            yield prefix + name, value
        else:
            yield from _flatten(value, f"{prefix}{name}.")


def preferred_language(accept_language: str | None) -> Language:
    """Chinese for those whose browser prefers it to English, English for all others; the default for a browser that does not say.

    Args:
        accept_language: the header Accept-Language, such as "de,en;q=0.7,zh;q=0.3".
    """
    if not accept_language or not accept_language.strip():
        return DEFAULT_LANGUAGE
    weights = {"zh": 0.0, "en": 0.0}
    for part in accept_language.lower().split(","):
        tag, _, parameter = part.strip().partition(";")
        language = tag.strip().partition("-")[0]
        if language in weights:
            weights[language] = max(weights[language], _weight(parameter))
    return "zh" if weights["zh"] > weights["en"] else "en"


def _weight(parameter: str) -> float:
    """Of "q=0.7"; 1 where there is no number."""
    try:
        return float(parameter.strip().removeprefix("q="))
    except ValueError:
        return 1.0
