"""Habits as a short text in Chinese and English: what an annotator would tell a new colleague, with counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hybridner.guidelines.affixes import Affix
from hybridner.guidelines.borders import Border
from hybridner.guidelines.habits import Habits, LabelHabits
from hybridner.guidelines.language import Language
from hybridner.guidelines.mentions import Share
from hybridner.llm.guidelines import LANGUAGES, MAX_CHARACTERS
from hybridner.spans import LabelSet

#: So many of each kind are named, and fewer where the text would become too long to be shown with every question.
_NAMED = (6, 4, 3, 2)
#: Cases of a border that make a rule; and the share below which it is said that both occur.
_FEWEST, _CLEAR = 4, 0.8
#: How often an error of members must have occurred to be named.
_AGAIN = 2


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
    sections = (f"[{name}]\n{_fitting(habits, titles, Language.load(name))}\n" for name in LANGUAGES)
    return note + "\n".join(sections)


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
            lines.append(f"- {name}{say.gap}{said}{_counts(border.taken_in, border.left_out, say)}{say.stop}")
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
