"""Reading an answer: a closed list of labels after normalising, and nothing else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from hybridner.spans import NON_ENTITY, LabelSet

#: What "no entity" is called beside the template's own word for it.
_NO_ENTITY = ("Non-Entity", "非实体", "O", "None", "无", "不是实体", "not an entity")
_REASONING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>|^.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_OPEN_REASONING = re.compile(r"<(?:think|thinking|reasoning)>.*", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```(?:[a-z]*\n)?", re.IGNORECASE)
_LEAD = re.compile(
    r"^\W*(?:the\s+)?(?:(?:final|correct|predicted)\s+)?(?:answer|category|label|type|class|output)\b\W*(?:is\b)?\W*"
    r"|^\W*(?:最终|正确)?(?:的)?(?:答案|回答|实体类别|类别|标签|实体类型|类型|输出)\s*(?:是|为)?\W*",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"^\W*(\d{1,4})\W+(.*\S)\W*$")


class AnswerReader:
    """Maps answers to label names.

    A label is recognised by its name, its title or both together, whatever the case, width, quotes and punctuation; where two
    labels would look the same after that, only the exact spelling counts.

    Args:
        labels: the label set.
        non_entity: the template's word for "no entity".
    """

    def __init__(self, labels: LabelSet, non_entity: str = "Non-Entity") -> None:
        titled = [label for label in labels.labels if label.title]
        # Names come first, so that a title or a word for "no entity" that equals another label's name does not take it over.
        self._exact: dict[str, str] = {}
        for spellings in (
            [(label.name, label.name) for label in labels.labels],
            [(label.title, label.name) for label in titled],
            [(f"{label.name} ({label.title})", label.name) for label in titled],
            [(word, NON_ENTITY) for word in (non_entity, *_NO_ENTITY)],
        ):
            self._exact = {**_unambiguous((_tidy(spelling), name) for spelling, name in spellings), **self._exact}
        self._loose = _unambiguous((_bare(spelling), name) for spelling, name in self._exact.items())

    def read_label(self, content: str) -> str | None:
        """The label that the answer gives: a name of the label set, "O", or None when it is anything else."""
        answer = strip_reasoning(content).strip()
        found = self._one(answer)
        if found is not None:
            return found
        led = {self._one(_LEAD.sub("", line, count=1)) for line in answer.splitlines() if _LEAD.match(line)}
        return led.pop() if len(led) == 1 else None

    def read_labels(self, content: str, count: int) -> tuple[str | None, ...]:
        """The labels of `count` spans from lines of "number: label"; a number given two different labels has none."""
        if count == 1:
            return (self.read_label(content),)
        given: dict[int, set[str | None]] = {}
        for line in strip_reasoning(content).splitlines():
            match = _NUMBERED.match(line)
            if match:
                given.setdefault(int(match[1]), set()).add(self.read_label(match[2]))
        read = [given.get(number, {None}) for number in range(1, count + 1)]
        return tuple(next(iter(labels)) if len(labels) == 1 else None for labels in read)

    def _one(self, answer: str) -> str | None:
        return self._exact.get(_tidy(answer)) or self._loose.get(_bare(answer))


def strip_reasoning(content: str) -> str:
    """The content without blocks of reasoning (closed, unopened or cut off) and code fences."""
    return _FENCE.sub("", _OPEN_REASONING.sub("", _REASONING.sub("", content)))


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _bare(text: str) -> str:
    """Only letters and digits, in one case and width."""
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    names: dict[str, set[str]] = {}
    for spelling, name in pairs:
        names.setdefault(spelling, set()).add(name)
    return {spelling: next(iter(found)) for spelling, found in names.items() if spelling and len(found) == 1}
