"""Which examples the LLM is shown."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hybridner.llm import Example, SentenceExamples
from hybridner.llm.example_choice import choose_examples, mix
from hybridner.llm.similarity import CharacterVectors, span_features, text_features
from hybridner.spans import Record, Span


@given(st.lists(st.lists(st.integers(0, 9), unique=True), max_size=3))
def test_mixed_orders_keep_each_order_and_lose_nothing(orders: list[list[int]]) -> None:
    mixed = mix(*orders)
    assert len(mixed) == len(set(mixed))
    assert set(mixed) == {number for order in orders for number in order}
    # Number i of an order is preceded by at most i of each other order and those before it.
    for order in orders:
        for place, number in enumerate(order):
            assert mixed.index(number) < (place + 1) * len(orders)


def example(text: str, words: str, label: str) -> Example:
    start = text.index(words)
    return Example(text, start, start + len(words), label)


def test_words_of_two_labels_are_shown_in_equal_numbers() -> None:
    entities = [example(f"{n}号总统说了话。", "总统", "position") for n in "一二三四五六"]
    none = [example(f"第{n}家总统酒店。", "总统", "O") for n in "七八九"]
    others = [example(f"{n}在北京。", "北京", "address") for n in "甲乙丙丁"]
    examples = [*entities, *none, *others]
    chosen = choose_examples(examples, range(len(examples)), 6, "问的是别的。")
    assert [e.label for e in chosen] == ["address", "address", "O", "O", "position", "position"]
    assert chosen[-1] == examples[0]


def test_repetitions_and_sentences_of_the_text_in_question_are_left_out() -> None:
    examples = [
        example("他是总统。", "总统", "position"),
        example("他是总统。", "他", "O"),
        example("她是总统。", "总统", "position"),
        example("我们的总统。", "总统", "position"),
    ]
    assert choose_examples(examples, [0, 1, 2, 3], 9, "前面。他是总统。") == [examples[3], examples[2]]
    same = [example("昨天他是总统，是真的。", "总统", "position"), example("现在他是总统，是假的。", "总统", "position")]
    assert choose_examples(same, [1, 0], 9, "无") == [same[1]]


@given(st.integers(0, 8), st.lists(st.integers(0, 5), unique=True))
def test_never_more_than_asked_for(k: int, order: list[int]) -> None:
    examples = [example(f"第{n}句里有词{n}。", f"词{n}", "L") for n in range(6)]
    chosen = choose_examples(examples, order, k, "")
    assert len(chosen) == min(k, len(order))
    assert [examples.index(e) for e in chosen[::-1]] == order[:k]


def test_like_characters_are_near() -> None:
    texts = ["外交部发言人说", "国防部发言人说", "今天天气很好"]
    vectors = CharacterVectors([span_features(text, 0, 3) for text in texts])
    near = vectors.similarities(span_features("商务部发言人说", 0, 3))
    assert near[0] > 0.2 > near[2]
    assert near[1] > near[2]
    whole = CharacterVectors([text_features(text) for text in texts])
    for number, text in enumerate(texts):
        found = whole.similarities(text_features(text))
        np.testing.assert_allclose(found, whole.similarities_to(number))
        np.testing.assert_allclose(found[number], 1.0)
    assert not whole.similarities(text_features("")).any()


def test_sentences_for_an_extraction_are_near_and_unlike_each_other() -> None:
    records = [
        Record("俄罗斯在叙利亚部署了干扰机。", (Span(0, 3, "State"),)),
        Record("俄罗斯在叙利亚部署了干扰站。", (Span(0, 3, "State"),)),
        Record("俄罗斯的卫星导航信号受到影响。", (Span(0, 3, "State"),)),
        Record("天气很好。"),
        Record("长" * 500, (Span(0, 1, "State"),)),
    ]
    find = SentenceExamples(records, k=2)
    chosen = find("俄罗斯在叙利亚部署了干扰车，导航信号不好。")
    assert chosen[-1] in records[:2]
    assert chosen[0] == records[2]
    assert records[0] not in find("据报道，俄罗斯在叙利亚部署了干扰机。")
    assert len(SentenceExamples(records, k=9)("法国")) == 4
    assert SentenceExamples([])("俄罗斯") == []
