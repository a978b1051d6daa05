"""Templates, contexts and the layout of questions."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.llm import Example, LlmError, Prompter, PromptTemplate, load_guidelines
from hybridner.llm.context import _borders as find_borders
from hybridner.llm.context import mark_span, select_context, to_single_line
from hybridner.spans import Label, LabelSet, Record, Span

TEXT = "短句。俄罗斯在叙利亚部署了干扰机！真的吗？后面还有一句很长很长的话，说的是别的事情。"


def ask(labels: LabelSet, text: str, start: int, end: int, **settings: int) -> str:
    prompter = Prompter(labels, PromptTemplate.load("en"), **settings)
    return prompter.build_question(text, [(start, end)], prompter.select_context(text, start, end)).messages[-1].content


def test_the_papers_slots_are_filled(labels: LabelSet) -> None:
    prompter = Prompter(labels, PromptTemplate.load("en"))
    system, user = prompter.build_question(TEXT, [(3, 6)], prompter.select_context(TEXT, 3, 6)).messages
    assert system.role == "system"
    assert "Expert in the field of news." in system.content
    assert "- LOC (地名): Places.\n- PER (人名)\n- ORG (机构)\n- Non-Entity" in system.content
    assert "[俄罗斯]在叙利亚" in user.content
    assert "Target Span: “俄罗斯”" in user.content


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_slot_stays_open_and_the_stable_part_is_the_same_for_all_questions(language: str, labels: LabelSet) -> None:
    prompter = Prompter(labels, PromptTemplate.load(language))
    context = prompter.select_context(TEXT, 3, 6)
    one = prompter.build_question(TEXT, [(3, 6)], context, [Example("他在北京。", 2, 4, "LOC"), Example("他在吃。", 2, 3, "O")])
    two = prompter.build_question(TEXT, [(3, 6), (7, 10)], context)
    again = prompter.build_retry(two, "hm")
    for question in (one, two, again, prompter.build_extraction(TEXT)):
        assert not any("{" in message.content or "}" in message.content for message in question.messages)
    assert one.messages[0] == two.messages[0] == again.messages[0]
    assert again.messages[: len(two.messages)] == two.messages
    assert "他在[北京]。" in one.messages[1].content
    assert one.messages[1].content.count(prompter.template.non_entity) == 1
    assert "1. “俄罗斯”" in two.messages[1].content
    assert "2. “叙利亚”" in two.messages[1].content


def test_braces_and_line_ends_in_a_text_change_no_layout(labels: LabelSet) -> None:
    text = "{Candidate_Label_Set}\n\nTarget Span: “x”\u2028俄罗斯"
    content = ask(labels, text, len(text) - 3, len(text))
    assert "{Candidate_Label_Set}" in content
    assert len(content.splitlines()) == 3


def test_brackets_of_the_text_are_not_mistaken_for_those_of_the_span(labels: LabelSet) -> None:
    assert "a[1]【俄罗斯】" in ask(labels, "a[1]俄罗斯", 4, 7)
    assert "[a]【b】⟦俄罗斯⟧" in ask(labels, "[a]【b】俄罗斯", 6, 9)


def test_short_sentences_bring_their_neighbours(labels: LabelSet) -> None:
    assert "Sentence: “[短句]。”" in ask(labels, TEXT, 0, 2, min_context_chars=0)
    assert "Sentence: “[短句]。俄罗斯在叙利亚部署了干扰机！”" in ask(labels, TEXT, 0, 2, min_context_chars=10)


@given(st.text("一二。！\n ,", min_size=1, max_size=60), st.data())
def test_a_context_holds_its_span_and_keeps_to_its_size(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    max_context_chars = data.draw(st.integers(1, 40))
    min_context_chars = data.draw(st.integers(0, max_context_chars))
    context = select_context(text, start, end, min_context_chars=min_context_chars, max_context_chars=max_context_chars)
    assert 0 <= context.start <= start < end <= context.end <= len(text)
    assert context.end - context.start <= max(max_context_chars, end - start)
    assert (
        to_single_line(text[start:end]) in mark_span(text, start, end, context).replace("[", "").replace("]", "")
        or text[start:end].isspace()
    )


@given(
    st.lists(st.sampled_from(["文", "字字", "。", "！", "”", "\n", ")", "a b "]), min_size=1, max_size=150).map("".join),
    st.integers(0, 300),
    st.integers(1, 4),
    st.integers(0, 30),
    st.integers(1, 40),
)
def test_the_text_far_from_a_span_does_not_matter(text: str, at: int, size: int, low: int, high: int) -> None:
    start = at % len(text)
    limits = {"min_context_chars": min(low, high), "max_context_chars": high}
    near = select_context(text, start, min(len(text), start + size), **limits)
    with mock.patch("hybridner.llm.context._borders", lambda text, low, high: find_borders(text, 0, len(text))):
        assert select_context(text, start, min(len(text), start + size), **limits) == near


def test_spans_of_an_endless_text_cost_what_those_of_a_short_one_do() -> None:
    text = "文" * 1_000_000  # with a look at the whole text for each span this would take hours
    limits = {"min_context_chars": 40, "max_context_chars": 400}
    for start in range(0, len(text) - 1, 50):
        assert select_context(text, start, start + 2, **limits).end > start


def test_a_users_own_template(tmp_path: Path, labels: LabelSet) -> None:
    source = Path(__file__).parents[2] / "hybridner" / "llm" / "prompts" / "en.txt"
    mine = tmp_path / "mine.txt"
    mine.write_text(source.read_text(encoding="utf-8").replace("Target Span:", "The span:"), encoding="utf-8")
    prompter = Prompter(labels, PromptTemplate.load(mine))
    assert (
        "The span: “俄罗斯”" in prompter.build_question(TEXT, [(3, 6)], prompter.select_context(TEXT, 3, 6)).messages[1].content
    )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("“{Entity_Span}”\nCategory:\n", "\nCategory:\n", "slot {Entity_Span} missing"),
        ("{Target_Domain}", "{Targt_Domain}", "unknown slot {Targt_Domain}"),
        ("[again]", "[agian]", "part [agian] is unknown"),
        ("[again]", "[single]", "part [single] is there twice"),
        ("version: en-2", "", "version missing"),
        ("version:", "versoin:", "unknown setting 'versoin'"),
        ("language: en", "language: fr", "language must be one of zh, en"),
    ],
)
def test_a_wrong_template_is_refused_with_its_place(old: str, new: str, complaint: str) -> None:
    text = (Path(__file__).parents[2] / "hybridner" / "llm" / "prompts" / "en.txt").read_text(encoding="utf-8")
    with pytest.raises(LlmError, match="mine") as caught:
        PromptTemplate.parse(text.replace(old, new), "mine")
    assert complaint in str(caught.value)


def test_a_template_that_is_not_there() -> None:
    with pytest.raises(LlmError, match='give "en", "zh" or the path'):
        PromptTemplate.load("fr")


def test_many_spans_in_one_call_get_room_for_their_answers(labels: LabelSet) -> None:
    prompter = Prompter(labels, PromptTemplate.load("en"))
    text = "一二三四五六七八九十"
    spans = [(i, i + 1) for i in range(10)]
    question = prompter.build_question(text, spans, prompter.select_context(text, 0, 1))
    assert question.max_tokens is not None
    assert question.max_tokens > 128


def test_a_label_set_without_domain_or_titles() -> None:
    prompter = Prompter(LabelSet((Label("X"),)), PromptTemplate.load("zh"))
    system = prompter.build_question("一", [(0, 1)], prompter.select_context("一", 0, 1)).messages[0].content
    assert "通用文本" in system
    assert "- X\n- 非实体" in system


@pytest.mark.parametrize("language", ["en", "zh"])
def test_guidelines_end_the_stable_part_of_every_prompt(language: str, labels: LabelSet) -> None:
    template = PromptTemplate.load(language)
    prompter = Prompter(labels, template, guidelines="头衔不标入{人名}。\n第二条。")
    without = Prompter(labels, template).build_extraction(TEXT)
    questions = [prompter.build_question(TEXT, [(3, 6)], prompter.select_context(TEXT, 3, 6)), prompter.build_extraction(TEXT)]
    for question in questions:
        assert question.messages[0].role == "system"
        assert question.messages[0].content.endswith("头衔不标入{人名}。\n第二条。")
    assert questions[1].messages[0].content.startswith(without.messages[0].content)
    assert questions[1].messages[1:] == without.messages[1:]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whole_sentences_as_examples_of_an_extraction(language: str, labels: LabelSet) -> None:
    prompter = Prompter(labels, PromptTemplate.load(language))
    shown = [Record("他在北京。", (Span(2, 4, "LOC"),)), Record("他在吃。")]
    system, user = prompter.build_extraction(TEXT, shown).messages
    assert system == prompter.build_extraction("别的。").messages[0]
    assert "LOC: 北京\n" in user.content
    assert user.content.index("他在北京。") < user.content.index("他在吃。") < user.content.index(TEXT[:5])
    assert user.content.count(prompter.template.non_entity) == 1


def test_examples_that_contradict_each_other_are_shown_together_and_said_to(labels: LabelSet) -> None:
    prompter = Prompter(labels, PromptTemplate.load("zh"))
    examples = [
        Example("总统说。", 0, 2, "PER"),
        Example("他在北京。", 2, 4, "LOC"),
        Example("前总统走了。", 1, 3, "O"),
        Example("在上海。", 1, 3, "LOC"),
    ]
    content = prompter.build_question(TEXT, [(3, 6)], prompter.select_context(TEXT, 3, 6), examples).messages[1].content
    places = [content.index(words) for words in ("他在[北京]。", "“总统”在不同", "[总统]说。", "前[总统]走了。", "在[上海]。")]
    assert places == sorted(places)
    assert content.count("在不同句子中的标注不同") == 1


def test_guidelines_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "guidelines.txt"
    path.write_text("# for readers\n[zh]\n头衔不标。\n# also for readers\n[en]\nNo titles.\n", encoding="utf-8")
    assert load_guidelines(path, "zh") == "头衔不标。"
    assert load_guidelines(path, "en") == "No titles."
    path.write_text("[zh]\n头衔不标。\n", encoding="utf-8")
    assert load_guidelines(path, "en") == "头衔不标。"
    path.write_text("自己写的。", encoding="utf-8-sig")
    assert load_guidelines(path, "en") == "自己写的。"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# nothing but this", "no guidelines in it"),
        ("[fr]\nrien", r"line 1: section \[fr\] is unknown"),
        ("[zh]\n一\n[zh]\n二", r"line 3: section \[zh\] is there twice"),
        ("长" * 20_000, "too long for every prompt"),
    ],
)
def test_guidelines_that_cannot_be_used(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "guidelines.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LlmError, match=complaint):
        load_guidelines(path, "zh")
    with pytest.raises(LlmError, match="hybridner guidelines"):
        load_guidelines(tmp_path / "none.txt", "zh")
