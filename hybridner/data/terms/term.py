"""One term of a list."""

from __future__ import annotations

from dataclasses import dataclass

from hybridner.errors import DataError

#: Characters of the longest term: far beyond any name, and short enough that one line of a wrong file cannot take all memory.
MAX_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Term:
    """A term and what it stands for.

    Attributes:
        surface: as it is written in texts.
        label: the entity type; "" for a blocked term.
        count: how often it was seen with this label; 0 where a list does not say.
        requires: words of which one must stand near the term for it to count; none by default.
    """

    surface: str
    label: str
    count: int = 0
    requires: tuple[str, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether it stands for nothing: terms that lie inside its occurrences do not count there."""
        return not self.label


def checked_term(
    surface: object, label: object, count: object = 0, requires: tuple[object, ...] = (), *, where: str = ""
) -> Term:
    """A term without spaces at its ends, of values from a file.

    Raises:
        DataError: an empty or far too long term, or a value of another kind than the fields of `Term`.
    """
    words = (surface, *requires)
    for word in words:
        if not isinstance(word, str) or not word.strip():
            raise DataError(f"a term must be a text that is not empty, not {word!r} (in YAML put numbers into quotes)", where)
        if len(word) > MAX_CHARACTERS or "\n" in word.strip():
            raise DataError(f"a term has at most {MAX_CHARACTERS} characters in one line; got {word[:20]!r}…", where)
    if not isinstance(label, str):
        raise DataError(f"the label of {surface!r} must be a text, not {label!r}", where)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise DataError(f"the count of {surface!r} must be a whole number of at least 0, not {count!r}", where)
    clean = [str(word).strip() for word in words]
    return Term(clean[0], label.strip(), count, tuple(clean[1:]))
