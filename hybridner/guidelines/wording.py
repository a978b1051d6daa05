"""Habits as a short text in Chinese and English: what an annotator would tell a new colleague, with counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hybridner.guidelines.affixes import Affix
from hybridner.guidelines.borders import Border
from hybridner.guidelines.habits import Habits, LabelHabits
from hybridner.guidelines.mentions import Share
from hybridner.llm.guidelines import MAX_CHARACTERS
from hybridner.spans import LabelSet

#: So many of each kind are named, and fewer where the text would become too long to be shown with every question.
_NAMED = (6, 4, 3, 2)
#: Cases of a border that make a rule; and the share below which it is said that both occur.
_FEWEST, _CLEAR = 4, 0.8
#: How often an error of members must have occurred to be named.
_AGAIN = 2


@dataclass(frozen=True)
class Language:
    """Sentences of one language; `{}` are filled in.

    Attributes:
        borders: for each kind of border case its name, and what it is called when taken in and when left out.
    """

    general: str
    empty: str
    again_unmarked: str
    again_marked: str
    again_mixed: str
    nested: str
    flat: str
    label: str
    typical: str
    taken_in: str
    left_out: str
    mixed: str
    before: str
    after: str
    always: str
    seldom: str
    cues: str
    false_starts: str
    corrections: str
    confused: str
    borders: dict[str, tuple[str, str, str]]
    same_length: str
    exceptions: str
    both: str
    bracket: tuple[str, str]
    comma: str
    stop: str

    def words(self, words: str) -> str:
        return f"“{words.strip()}”"

    def listed(self, items: Iterable[str]) -> str:
        return self.comma.join(items)


ZH = Language(
    general="总则（{0} 条文本，{1} 处实体）：",
    empty="- {0} 条文本（{1:.0%}）没有任何实体：没有就不标。",
    again_unmarked="- 同一文档中再次出现的同一实体一般不再标，只标首次出现（再次出现 {0} 处，标了 {1} 处）。",
    again_marked="- 同一文档中同一实体每次出现都标（再次出现 {0} 处，标了 {1} 处）。",
    again_mixed="- 同一文档中再次出现的同一实体时标时不标（再次出现 {0} 处，标了 {1} 处）。",
    nested="- 允许嵌套：实体内部的实体也标（{0} 处）。",
    flat="- 不嵌套：长实体内部的词不再单独标。",
    label="{0}：{1} 处，多为 {2}～{3} 字。",
    typical="- 典型：{0}。",
    taken_in="- 标入{0}：{1}。",
    left_out="- 不标入{0}：{1}。",
    mixed="- {0}有标入也有不标入：{1}。",
    before="前面的",
    after="后面的",
    always="- 见到就标，不论是否合乎定义：{0}。",
    seldom="- 一般不标：{0}。",
    cues="- 紧接在这些字样之后的不标：{0}。",
    false_starts="- 容易误标、实际不标：{0}。",
    corrections="- 边界（误→正）：{0}。",
    confused="- 类别容易混：{0}。",
    borders={
        "title": ("名字后的职务、称谓", "标入实体", "不标入实体"),
        "year": ("名称前的年份", "标入实体", "不标入实体"),
        "date": ("年份后的月、日", "与年份标成一个实体", "不标，只标到年"),
        "quotes": ("书名号、引号", "标入实体", "不标入实体"),
        "alias": ("名称后括号里的别名、缩写", "连同括号标成一个实体", "不并入前面的实体"),
        "de": ("“的”及其前面的修饰语", "标入实体", "不标入实体"),
        "list": ("用“、”并列的几项", "合标成一个实体", "逐项分开标"),
        "measure": ("前面的数量词、“第几代”等", "标入实体", "不标入实体"),
        "organ": ("国家名后的军队、政府等机构词", "标入实体", "不标入实体"),
        "region": ("地名后的“地区、境内、附近、南部”等", "标入实体", "不标入实体"),
    },
    same_length="{0}：{1} 处，多为 {2} 字。",
    exceptions="{0}次，例外{1}次",
    both="标{0}次，不标{1}次",
    bracket=("（", "）"),
    comma="、",
    stop="。",
)

EN = Language(
    general="In general ({0} texts, {1} entities):",
    empty="- {0} texts ({1:.0%}) hold no entity at all: mark nothing where there is nothing.",
    again_unmarked="- Only the first mention in a document is marked as a rule; later ones of the same words are not "
    "({0} later mentions, {1} marked).",
    again_marked="- Every mention in a document is marked ({0} later mentions, {1} marked).",
    again_mixed="- Later mentions in a document are sometimes marked and sometimes not ({0} later mentions, {1} marked).",
    nested="- Entities inside of entities are marked too ({0}).",
    flat="- Nothing is marked inside of an entity.",
    label="{0}: {1} entities, mostly of {2} to {3} characters.",
    typical="- Typical: {0}.",
    taken_in="- Taken in {0}: {1}.",
    left_out="- Left out {0}: {1}.",
    mixed="- Sometimes taken in and sometimes left out {0}: {1}.",
    before="in front",
    after="behind",
    always="- Marked wherever they stand, whether the definition fits or not: {0}.",
    seldom="- Usually not marked: {0}.",
    cues="- Not marked right after: {0}.",
    false_starts="- Easily mistaken, and not marked: {0}.",
    corrections="- Borders (wrong → right): {0}.",
    confused="- Easily confused: {0}.",
    borders={
        "title": ("A title or form of address behind a name", "is part of the entity", "is left out"),
        "year": ("A year in front of a name", "is part of the entity", "is left out"),
        "date": ("Month and day behind a year", "form one entity with it", "are left out: the entity ends with the year"),
        "quotes": ("Quotation marks and book title marks", "are part of the entity", "are left out"),
        "alias": ("An alias in brackets behind a name", "forms one entity with it", "is not joined to it"),
        "de": ("Modifiers with 的", "are part of the entity", "are left out"),
        "list": ("Things listed with 、", "form one entity", "are marked one by one"),
        "measure": ("Numbers with a measure word (一种, 第二代) in front", "are part of the entity", "are left out"),
        "organ": ("Words for a state's organs (军方, 政府) behind its name", "are part of the entity", "are left out"),
        "region": ("Words such as 地区, 境内, 附近 behind the name of a place", "are part of the entity", "are left out"),
    },
    same_length="{0}: {1} entities, mostly of {2} characters.",
    exceptions="{0} times, {1} exceptions",
    both="marked {0} times, left out {1} times",
    bracket=(" (", ")"),
    comma=", ",
    stop=".",
)

_NOTE = """\
# 标注习惯，由 hybridner 从 {0} 条已标注文本归纳{1}。请按实际情况修改；以 # 开头的行不会给大模型看。＃代表数字。
# Annotation habits that hybridner found in {0} labelled texts{2}. Edit them as you see fit; an LLM is not shown lines that begin
# with "#". ＃ stands for a number.
"""


def write_guidelines(habits: Habits, labels: LabelSet | None = None) -> str:
    """The text of a guidelines file, with a section in Chinese and one in English.

    Args:
        habits: what was found.
        labels: titles in Chinese, where they are known.
    """
    titles = {label.name: label.title for label in labels.labels} if labels is not None else {}
    more = ("及交叉验证的错误", " and in out-of-fold errors") if habits.out_of_fold else ("", "")
    note = _NOTE.format(habits.records, *more)
    return f"{note}[zh]\n{_fitting(habits, titles, ZH)}\n\n[en]\n{_fitting(habits, titles, EN)}\n"


def _fitting(habits: Habits, titles: dict[str, str], say: Language) -> str:
    sections = (_section(habits, titles, say, named) for named in _NAMED)
    shortest = ""
    for section in sections:
        shortest = section
        if len(section) <= MAX_CHARACTERS:
            break
    return shortest


def _section(habits: Habits, titles: dict[str, str], say: Language, named: int) -> str:
    lines = [say.general.format(habits.records, habits.entities)]
    if habits.without_entities:
        lines.append(say.empty.format(habits.without_entities, habits.without_entities / habits.records))
    lines += [*_later(habits.later, say), say.nested.format(habits.nested) if habits.nested else say.flat]
    lines += _borders(habits.borders, say)
    for label in habits.labels:
        lines += ["", *_label(label, titles.get(label.label, ""), habits, say, named)]
    return "\n".join(lines)


def _label(habits: LabelHabits, title: str, whole: Habits, say: Language, named: int) -> list[str]:
    name = f"{habits.label}（{title}）" if title and title != habits.label else habits.label
    shortest, longest = habits.lengths
    lines = [(say.label if shortest < longest else say.same_length).format(name, habits.entities, shortest, longest)]
    lines.append(say.typical.format(say.listed(say.words(words) for words, _ in habits.typical[:named])))
    lines += _affixes(habits.affixes, say, named)
    # What is said of all labels need not be said again of each.
    general = {border.kind: _verdict(border.taken_in, border.left_out) for border in whole.borders}
    special = [border for border in habits.borders if _verdict(border.taken_in, border.left_out) != general[border.kind]]
    lines += _borders(special, say)
    if _verdict(*habits.later) != _verdict(*whole.later):
        lines += _later(habits.later, say)
    for sentence, shares in ((say.always, habits.always), (say.seldom, habits.seldom), (say.cues, habits.cues)):
        if shares:
            lines.append(sentence.format(say.listed(_share(share, say) for share in shares[:named])))
    known = {share.words for share in habits.seldom[:named]}
    wrong = [
        say.words(words) + _counts(count, 0, say)
        for words, count in habits.false_starts
        if count >= _AGAIN and words not in known
    ]
    if wrong:
        lines.append(say.false_starts.format(say.listed(wrong[:named])))
    for sentence, pairs, form in (
        (say.corrections, habits.corrections, "{0}→{1}"),
        (say.confused, habits.confused, "{0}→{2}"),
    ):
        shown = [
            form.format(say.words(a), say.words(b), b)
            for (a, b), count in pairs
            if count >= _AGAIN or sentence is say.corrections
        ]
        if shown:
            lines.append(sentence.format(say.listed(shown[:named])))
    return lines


def _affixes(affixes: Sequence[Affix], say: Language, named: int) -> list[str]:
    lines = []
    for side, where in (("before", say.before), ("after", say.after)):
        mine = [affix for affix in affixes if affix.side == side]
        for sentence, chosen in (
            (say.taken_in, [affix for affix in mine if affix.is_taken_in]),
            (say.left_out, [affix for affix in mine if affix.is_left_out]),
            (say.mixed, [affix for affix in mine if not affix.is_taken_in and not affix.is_left_out]),
        ):
            if chosen:
                words = [say.words(affix.words) + _counts(affix.taken_in, affix.left_out, say) for affix in chosen[:named]]
                lines.append(sentence.format(where, say.listed(words)))
    return lines


def _borders(borders: Iterable[Border], say: Language) -> list[str]:
    lines = []
    for border in borders:
        name, taken_in, left_out = say.borders[border.kind]
        verdict = _verdict(border.taken_in, border.left_out)
        if verdict is not None:
            said = taken_in if verdict else left_out
            lines.append(f"- {name}{_gap(say)}{said}{_counts(border.taken_in, border.left_out, say)}{say.stop}")
    return lines


def _later(later: tuple[int, int], say: Language) -> list[str]:
    marked, unmarked = later
    if marked + unmarked < _FEWEST:
        return []
    verdict = _verdict(marked, unmarked)
    sentence = {True: say.again_marked, False: say.again_unmarked, None: say.again_mixed}[verdict]
    return [sentence.format(marked + unmarked, marked)]


def _verdict(taken_in: int, left_out: int) -> bool | None:
    """True where a case is mostly taken in, False where mostly left out, None where that is not clear or there are few."""
    total = taken_in + left_out
    if total < _FEWEST or max(taken_in, left_out) / total < _CLEAR:
        return None
    return taken_in > left_out


def _share(share: Share, say: Language) -> str:
    return say.words(share.words) + _counts(share.marked, share.unmarked, say)


def _counts(yes: int, no: int, say: Language) -> str:
    """How often; with the exceptions where it is a habit one way or the other."""
    many, few = max(yes, no), min(yes, no)
    if not few:
        text = str(many)
    elif many >= _CLEAR * (yes + no):
        text = say.exceptions.format(many, few)
    else:
        text = say.both.format(yes, no)
    return text.join(say.bracket)


def _gap(say: Language) -> str:
    return "" if say is ZH else " "
