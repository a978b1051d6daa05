"""Border cases that every annotation has to settle: titles, years, brackets, quotes, 的, lists; taken in or left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hybridner.spans import Record, Span

_TITLE = (
    r"(?:总统|主席|副主席|总理|首相|部长|副部长|外长|防长|发言人|总裁|副总裁|董事长|总经理|经理|书记|市长|省长|县长|局长|处长|院长|校长|所长|主任|"
    r"司令|司令员|将军|上将|中将|少将|上校|教授|博士|院士|医生|记者|教练|主教练|队长|先生|女士|小姐|同志|老师|国王|女王|王子|大使|议员|秘书长)"
)
#: A year before something else than the rest of a date.
_YEAR = r"(?:[0-9０-９]{2,4}|[一二三四五六七八九〇零十]{2,4})年"
_YEAR_OF_NAME = rf"{_YEAR}(?![代度初底末]|[0-9０-９～~至到\-—]|$)"
_DATE = r"(?:[0-9０-９]{1,2}|[一二三四五六七八九十]{1,3})月"
_MEASURE = (
    r"(?:[0-9０-９一二两三四五六七八九十几数多]+|第[一二三四五六七八九十]+)"
    r"(?:种|款|型|代|架|艘|枚|辆|颗|套|台|部|名|位|个|家|所|座|支|批)"
)
_ORGAN = r"(?:军队|军方|空军|海军|陆军|部队|政府|当局|国防部|外交部|国会|议会|方面|官方)"
_REGION = r"(?:地区|境内|附近|一带|周边|沿海|上空|以南|以北|以东|以西|南部|北部|东部|西部|中部)"
_PAIRS = ("《》", "“”", "「」", "‘’", '""', "【】")
_ROUND = ("（）", "()")


@dataclass(frozen=True, slots=True)
class Border:
    """One kind of border case among entities, of one label or all.

    Attributes:
        kind: key of the case, see `KINDS`.
        taken_in: how often it lies inside of the entity.
        left_out: how often outside, next to it.
    """

    kind: str
    taken_in: int
    left_out: int


#: (text, entity, all entities of the text) to True for taken in, False for left out, None where the case does not come up.
Case = Callable[[str, Span, Sequence[Span]], bool | None]
#: The cases: a title behind a name, a year before and a date behind, quotes or a book title's marks around, an alias in round
#: brackets behind, 的 inside (or a modifier with 的 before), things listed with 、, a number with its measure word before, a
#: state's organ or a word for a region behind.
KINDS = ("title", "year", "date", "quotes", "alias", "de", "list", "measure", "organ", "region")


def find_borders(entities: Sequence[tuple[Record, Span]]) -> list[Border]:
    """The cases that occur, in the order of `KINDS`."""
    found = []
    for kind in KINDS:
        cases = [_CASES[kind](record.text, span, record.entities) for record, span in entities]
        border = Border(kind, sum(case is True for case in cases), sum(case is False for case in cases))
        if border.taken_in + border.left_out:
            found.append(border)
    return found


def _behind(pattern: str) -> Case:
    """Something at the end of an entity that is more than that, or right after one."""

    def case(text: str, span: Span, _: Sequence[Span]) -> bool | None:
        words = text[span.start : span.end]
        inside = re.search(rf"{pattern}$", words)
        if inside:
            return True if inside.start() else None
        return False if re.match(pattern, text[span.end :]) else None

    return case


def _in_front(pattern: str, outside: str | None = None) -> Case:
    """Something at the beginning of an entity that is more than that, or (by a pattern of its own) right before one."""

    def case(text: str, span: Span, _: Sequence[Span]) -> bool | None:
        words = text[span.start : span.end]
        inside = re.match(pattern, words)
        if inside:
            return True if inside.end() < len(words) else None
        return False if re.search(rf"{outside or pattern}$", text[max(0, span.start - 12) : span.start]) else None

    return case


def _date(text: str, span: Span, _: Sequence[Span]) -> bool | None:
    words = text[span.start : span.end]
    if re.search(rf"{_YEAR}{_DATE}", words):
        return True
    return False if re.search(rf"{_YEAR}$", words) and re.match(_DATE, text[span.end :]) else None


def _quotes(text: str, span: Span, _: Sequence[Span]) -> bool | None:
    words, before, after = text[span.start : span.end], text[span.start - 1 : span.start], text[span.end : span.end + 1]
    if any(words[0] == pair[0] and words[-1] == pair[1] for pair in _PAIRS):
        return True
    return False if before and before + after in _PAIRS else None


def _alias(text: str, span: Span, _: Sequence[Span]) -> bool | None:
    words = text[span.start : span.end]
    if any(0 < words.find(pair[0]) < words.find(pair[1]) for pair in _ROUND):
        return True
    after = text[span.end : span.end + 1]
    return False if any(after == pair[0] and pair[1] in text[span.end : span.end + 30] for pair in _ROUND) else None


def _de(text: str, span: Span, _: Sequence[Span]) -> bool | None:
    if "的" in text[span.start + 1 : span.end - 1]:
        return True
    return False if text[span.start - 1 : span.start] == "的" else None


def _list(text: str, span: Span, entities: Sequence[Span]) -> bool | None:
    if "、" in text[span.start + 1 : span.end - 1]:
        return True
    beside = any(other.start == span.end + 1 and other.label == span.label for other in entities)
    return False if text[span.end : span.end + 1] == "、" and beside else None


_CASES: dict[str, Case] = {
    "title": _behind(_TITLE),
    "year": _in_front(_YEAR_OF_NAME, _YEAR),
    "date": _date,
    "quotes": _quotes,
    "alias": _alias,
    "de": _de,
    "list": _list,
    "measure": _in_front(_MEASURE),
    "organ": _behind(_ORGAN),
    "region": _behind(_REGION),
}
