"""Guidelines in better words, by an LLM that may neither add to them nor change a count."""

from __future__ import annotations

import re
import warnings

from hybridner.llm import Message, Question, Verifier, VerifierError
from hybridner.llm.background import BackgroundLoop
from hybridner.llm.guidelines import LANGUAGES, split_sections
from hybridner.llm.prices import Usage, estimate_prompt

_ASK = {
    "zh": "下面是从已标注语料中归纳出的命名实体标注习惯。请改写成简洁通顺的标注规范：合并重复的条目，保留所有类别名、"
    "引号“”中的例词和次数，不得增加任何新的例词、数字或规则。每条以“- ”开头，类别名单独成行。只输出规范本身。\n\n",
    "en": "Below are annotation habits that were found in a labelled Chinese corpus. Rewrite them as short, plain annotation "
    "guidelines: join what repeats itself, keep every label name, the examples in quotation marks “” and the counts, and add no "
    "example, number or rule. Begin each rule with “- ”, put label names on lines of their own, and output nothing else.\n\n",
}
_QUOTED = re.compile(r"“([^”]*)”")
_NUMBER = re.compile(r"\d+")
#: Tokens of the answer for each character of what is rewritten.
_TOKENS = 2


def plan_polish(text: str) -> Usage:
    """About what `polish` would ask for; nothing is sent.

    >>> plan_polish("[zh]\\n- 前面的职务不标入（12）。\\n[en]\\n- Titles are left out (12).\\n").calls
    2

    Args:
        text: as `write_guidelines` gives it.
    """
    questions = [_question(name, part) for name, part in _sections(text).items()]
    return sum((Usage(1, estimate_prompt(one.messages), one.max_tokens or 0) for one in questions), Usage())


def polish(text: str, labels: tuple[str, ...], verifier: Verifier) -> str:
    """Guidelines whose sections an LLM has rewritten; one that it gets wrong stays as it is, with a warning that says why.

    A rewritten section must name every label that the section named, and no number and no words in quotation marks that it
    lacked.

    Args:
        text: as `write_guidelines` gives it.
        labels: names of the labels.
        verifier: who is asked, once for each section; `plan_polish` says what that takes.
    """
    notes = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    sections = _sections(text)

    async def rewritten() -> dict[str, str]:
        return {name: await _rewrite(name, part, labels, verifier) for name, part in sections.items()}

    loop = BackgroundLoop()
    try:
        parts = loop.start(rewritten).result()
    finally:
        loop.close(verifier.close)
    return "\n".join([notes, *(f"[{name}]\n{part}\n" for name, part in parts.items())])


def _sections(text: str) -> dict[str, str]:
    return {name: part for name, part in split_sections(text, "guidelines").items() if name in LANGUAGES}


def _question(language: str, section: str) -> Question:
    return Question((Message("user", _ASK[language] + section),), max_tokens=_TOKENS * len(section))


async def _rewrite(language: str, section: str, labels: tuple[str, ...], verifier: Verifier) -> str:
    try:
        answer = await verifier.complete(_question(language, section))
    except VerifierError as error:
        problem = str(error)
    else:
        content = answer.content.strip()
        problem = "the answer was cut" if answer.truncated else find_problem(section, content, labels)
        if not problem:
            return content
    warnings.warn(f"the section [{language}] stays as it was counted: {problem}", stacklevel=2)
    return section


def find_problem(before: str, after: str, labels: tuple[str, ...]) -> str:
    """What a rewritten section has lost or made up; "" where there is nothing."""
    lost = [label for label in labels if label in before and label not in after]
    if lost:
        return f"the LLM left out {', '.join(lost)}"
    for pattern, what in ((_QUOTED, "example"), (_NUMBER, "number")):
        invented = sorted(set(pattern.findall(after)) - set(pattern.findall(before)))
        if invented:
            return f"the LLM made up the {what} {invented[0]!r}"
    if any(line.startswith(("#", "[")) for line in after.splitlines()):
        return "the LLM wrote lines that begin with # or ["
    return ""
