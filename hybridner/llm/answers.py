"""Reading an answer: one label of a closed list, or none where it names no label or more than one."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hybridner.llm.answer_text import boxed_parts, plain_answer, tagged_parts
from hybridner.spans import NON_ENTITY, LabelSet
from hybridner.text.simplified import to_simplified

#: What "no entity" is called beside the template's own word for it.
_NO_ENTITY = ("Non-Entity", "非实体", "O", "None", "无", "不是实体", "not an entity")
#: Those of them that an explanation uses only when it means them.
_CLEARLY_NO_ENTITY = ("Non-Entity", "非实体", "不是实体", "not an entity")
_LEAD = re.compile(
    r"^\W*(?:the\s+)?(?:(?:final|correct|predicted)\s+)?(?:answer|category|label|type|class|output)\b\W*(?:is\b)?\W*"
    r"|^\W*(?:最终|正确)?(?:的)?(?:答案|回答|实体类别|类别|标签|实体类型|类型|输出)\s*(?:是|为)?\W*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^\W*(\d{1,4})\W+(?=\w)")
#: Fields of a JSON answer that hold the label: their letters in lower case.
_LABEL_FIELDS = {
    *("label", "category", "type", "class", "answer", "entitytype", "entitycategory", "output", "result", "prediction"),
    *("标签", "类别", "类型", "答案", "实体类型", "实体类别", "最终答案"),
}
#: A longer answer is not taken for JSON or a literal of Python.
_MAX_JSON, _MAX_LITERAL = 10_000, 1_000
_BRACKETS = {")": "(", "）": "（", "]": "[", "】": "【"}


class AnswerReader:
    """Maps answers to label names.

    A label is recognised by its name, its title or both together, whatever the case, width, quotes, punctuation and form of the
    characters (traditional or simplified); where two labels would look the same after that, only the exact spelling counts. It
    may stand by itself, with a gloss in brackets, in a line "Answer: ...", in JSON, in a box or a tag, or on the first line above
    an explanation. Where an explanation or a gloss names another label too, nothing is guessed.

    Args:
        labels: the label set.
        non_entity: the template's word for "no entity".

    Examples:
        >>> reader = AnswerReader(LabelSet.of(["State", "Place"]))
        >>> reader.read_label("Answer: state"), reader.read_label("Non-Entity"), reader.read_label("I am not sure")
        ('State', 'O', None)
    """

    def __init__(self, labels: LabelSet, non_entity: str = "Non-Entity") -> None:
        titled = [label for label in labels.labels if label.title]
        names = [(label.name, label.name) for label in labels.labels]
        titles = [(label.title, label.name) for label in titled]
        # Names come first, so that a title or a word for "no entity" that equals another label's name does not take it over.
        self._exact: dict[str, str] = {}
        for spellings in (
            names,
            titles,
            [(f"{label.name} ({label.title})", label.name) for label in titled],
            [(word, NON_ENTITY) for word in (non_entity, *_NO_ENTITY)],
        ):
            self._exact = {**_unambiguous((_tidy(spelling), name) for spelling, name in spellings), **self._exact}
        self._loose = _unambiguous((_bare(spelling), name) for spelling, name in self._exact.items())
        self._mentions = _Mentions([*names, *titles, *((word, NON_ENTITY) for word in (non_entity, *_CLEARLY_NO_ENTITY))])

    def read_label(self, content: str) -> str | None:
        """The label that the answer gives: a name of the label set, "O", or None when it is not clearly one of them."""
        return self._read(plain_answer(content))

    def read_labels(self, content: str, count: int) -> tuple[str | None, ...]:
        """The labels of `count` spans from lines of "number: label"; a number given two different labels has none."""
        if count == 1:
            return (self.read_label(content),)
        answer = plain_answer(content)
        given: dict[int, set[str | None]] = {}
        for number, text in list(_numbered_fields(answer)) or _numbered_lines(answer):
            given.setdefault(number, set()).add(self._read(text))
        read = [given.get(number, {None}) for number in range(1, count + 1)]
        return tuple(next(iter(labels)) if len(labels) == 1 else None for labels in read)

    def _read(self, answer: str) -> str | None:
        return self._name(answer) or self._marked(answer) or self._above_explanation(answer)

    def _name(self, text: str) -> str | None:
        """The label of a text that is a label and nothing else, or a label with a gloss in brackets."""
        return self._exact.get(_tidy(text)) or self._loose.get(_bare(text)) or self._glossed(text)

    def _glossed(self, text: str) -> str | None:
        text = text.rstrip(" *_`\"'。.")
        opening = _BRACKETS.get(text[-1:])
        head, found, gloss = text.partition(opening) if opening else ("", "", "")
        label = self._loose.get(_bare(head)) if found else None
        return label if self._mentions.only(gloss, label) else None

    def _marked(self, answer: str) -> str | None:
        """The label that a box, a tag, JSON or a line "Answer: ..." holds; None where they hold different ones."""
        kinds = [set(map(self._name, parts(answer))) for parts in (boxed_parts, tagged_parts)]
        data = _parse(answer)
        kinds.append(set(self._in_data(data)) if data else set())
        kinds.append({self._name(_LEAD.sub("", line, count=1)) for line in answer.splitlines() if _LEAD.match(line)})
        present = [kind for kind in kinds if kind]
        labels = set().union(*present) - {None}
        return labels.pop() if len(labels) == 1 and len(present[0]) == 1 and None not in present[0] else None

    def _in_data(self, data: Any) -> Iterator[str | None]:
        """The labels that the value of a JSON answer holds; None for a label field that holds no label."""
        if isinstance(data, Mapping):
            fields = [value for key, value in data.items() if _bare(str(key)) in _LABEL_FIELDS]
            for value in fields or data.values():
                for label in self._in_data(value):
                    if label or fields:
                        yield label
        elif isinstance(data, list):
            for item in data:
                yield from self._in_data(item)
        else:
            yield self._name(data) if isinstance(data, str) else None

    def _above_explanation(self, answer: str) -> str | None:
        first, _, rest = answer.partition("\n")
        label = self._name(first)
        return label if self._mentions.only(rest, label) else None


class _Mentions:
    """Finds which labels a text names; of spellings that contain each other, the longest counts."""

    def __init__(self, spellings: Iterable[tuple[str, str]]) -> None:
        self._names: dict[str, set[str]] = {}
        for spelling, name in spellings:
            if form := _form(spelling):
                self._names.setdefault(form, set()).add(name)
        forms = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_whole_word, forms))) if forms else None

    def only(self, text: str, label: str | None) -> bool:
        """Whether there is a label, and the text names no other."""
        if label is None:
            return False
        matches = self._pattern.finditer(_form(text)) if self._pattern else iter(())
        return all(label in self._names[match[0]] for match in matches)


def _whole_word(form: str) -> str:
    """A pattern of the form: of a Latin word not as part of a longer one; Chinese has no borders to look for."""
    before = r"(?<![a-z0-9])" if re.match("[a-z0-9]", form) else ""
    return before + re.escape(form) + (r"(?![a-z0-9])" if re.search("[a-z0-9]$", form) else "")


def _numbered_lines(answer: str) -> Iterator[tuple[int, str]]:
    for line in answer.splitlines():
        match = _NUMBER.match(line)
        if match:
            yield int(match[1]), line[match.end() :]


def _numbered_fields(answer: str) -> Iterator[tuple[int, str]]:
    """Of an answer that is a JSON object on one line; one on several lines is read as lines."""
    data = _parse(answer) if "\n" not in answer else None
    for key, value in data.items() if isinstance(data, Mapping) else ():
        if str(key).isdecimal() and isinstance(value, str):
            yield int(key), value


def _parse(answer: str) -> Any:
    """The JSON object or Python literal that an answer holds, perhaps among other words; else None."""
    start, end = answer.find("{"), answer.rfind("}") + 1
    if not 0 <= start < end <= start + _MAX_JSON:
        return None
    text = answer[start:end]
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    if len(text) <= _MAX_LITERAL:
        with contextlib.suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return ast.literal_eval(text)
    return None


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _form(text: str) -> str:
    """The text in one case and width and in simplified characters."""
    return to_simplified(unicodedata.normalize("NFKC", text).casefold()).strip()


def _bare(text: str) -> str:
    """Only letters and digits of the form."""
    return "".join(character for character in _form(text) if character.isalnum())


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    names: dict[str, set[str]] = {}
    for spelling, name in pairs:
        names.setdefault(spelling, set()).add(name)
    return {spelling: next(iter(found)) for spelling, found in names.items() if spelling and len(found) == 1}
