"""The page's texts: complete in both languages, all of them used, and none missing."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import hybridner.space
from hybridner.adaptation.learn import FEWEST
from hybridner.ensemble import COMBINERS, KINDS, UNCERTAINTIES
from hybridner.llm import FailureKind
from hybridner.space.reviews import EXPORTS
from hybridner.space.texts import LANGUAGES, page_texts, preferred_language
from hybridner.spans import RESOLVERS

PACKAGE = Path(hybridner.space.__file__).parent
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.glob("*.py"))}
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted((PACKAGE / "assets").glob("*.js"))}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_say_the_same_with_the_same_placeholders() -> None:
    chinese, english = (page_texts(language).by_key for language in ("zh", "en"))
    assert list(chinese) == list(english)
    for key in chinese:
        assert placeholders(chinese[key]) == placeholders(english[key]), key
        assert chinese[key].strip(), key


def test_placeholders_are_bare_names() -> None:
    # Numbers are formatted before, alike in all languages.
    for language in LANGUAGES:
        for key, text in page_texts(language).by_key.items():
            for _, name, specification, conversion in string.Formatter().parse(text):
                assert name is None or (name.isidentifier() and not specification and not conversion), key


def test_every_text_is_used_and_every_used_text_exists() -> None:
    keys = set(page_texts("en").by_key)
    code = "\n".join(SOURCES.values())
    called = r'(?:texts|page|page_texts\([^()]*\))\(\s*["\']([a-z_.]+)["\']'
    literal = set(re.findall(called, code)) - set(LANGUAGES)
    literal |= {key for key in re.findall(r'"([a-z_]+\.[a-z_]+)"', code) if key in keys}
    groups = set(re.findall(r'\.group\("([a-z_]+)"\)', code)) | set(re.findall(r'f"([a-z_]+)\.\{', code))
    assert literal <= keys
    assert {key for key in keys if key not in literal and key.partition(".")[0] not in {*groups, "problems"}} == set()


def test_problems_are_those_that_are_raised() -> None:
    code = "\n".join(SOURCES.values())
    raised = set(re.findall(r'VisitorError\("([a-z_]+)"', code)) | set(re.findall(r'"problems\.([a-z_]+)"', code))
    assert set(page_texts("en").group("problems")) == raised


def test_the_scripts_own_words_are_those_it_is_given() -> None:
    script = SCRIPTS["page.js"]
    used = set(re.findall(r': "([a-z_]+)"', script)) | set(re.findall(r"words\.([a-z_]+)", script))
    assert set(page_texts("en").group("gradio")) == used


def test_the_words_of_the_scripts_are_all_there_and_all_used() -> None:
    code = "\n".join(SCRIPTS.values())
    known = set(page_texts("en").group("script"))
    assert set(re.findall(r'say\("([a-z_]+)"', code)) <= known
    # Others stand in lists, or begin with a fixed part.
    named = set(re.findall(r'"([a-z_]+)"', code)) | set(re.findall(r"^ +([a-z_]+)[:,]", code, re.MULTILINE))
    begun = tuple(re.findall(r"say\(`([a-z_]+_)\$\{", code)) + tuple(re.findall(r"`([a-z]+_)\$\{one", code))
    ended = tuple(re.findall(r"say\(`\$\{\w+\}(_[a-z]+)`", code))
    assert {key for key in known if key not in named and not key.startswith(begun) and not key.endswith(ended)} == set()
    formats = re.search(r"FORMATS = \[(.*?)\]", code, re.DOTALL)
    assert formats is not None
    offered = re.findall(r'"([a-z-]+)"', formats[1])
    assert sorted(offered) == sorted(EXPORTS)
    assert {f"format_{name.replace('-', '_')}" for name in offered} <= known


def test_the_page_says_how_much_learning_needs() -> None:
    for language in LANGUAGES:
        assert str(FEWEST) in page_texts(language)("script.learn_needs")


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_the_library_offers_has_a_name(language: str) -> None:
    texts = page_texts(language)
    assert set(texts.group("strategies")) == set(COMBINERS)
    assert set(texts.group("uncertainties")) == set(UNCERTAINTIES)
    assert set(texts.group("decodings")) == set(RESOLVERS)
    assert set(texts.group("kinds")) == set(KINDS)
    assert set(texts.group("failures")) == {kind.value for kind in FailureKind}


def test_a_language_that_there_is_not_is_the_default() -> None:
    for unknown in ("de", None, ["zh"], 5):
        assert page_texts(unknown).language == "zh"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.5,zh;q=0.3", "en"),
        ("en;q=0.5,zh-TW;q=0.9", "zh"),
        ("de,EN;q=0.5", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("fr,zh;q=0.2", "zh"),
        ("ja;q=oops,zh;q=oops", "zh"),
        ("", "zh"),
        (None, "zh"),
    ],
)
def test_the_language_is_what_the_browser_prefers(header: str | None, language: str) -> None:
    assert preferred_language(header) == language
