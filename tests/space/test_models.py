"""Several models on one page: their names, cards and examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridner.space.examples import MOST, card_body, example_title, examples_for, read_card
from hybridner.space.models import model_names

CARD = """---
language: zh
widget:
- text: 患者男，56岁。
- text: 5
- other
---
# A model

![plot](plot.png)

It finds things.
"""


def test_names_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "composite", tmp_path / "b" / "composite", tmp_path / "news"]
    for folder in folders:
        folder.mkdir(parents=True)
    assert model_names([*map(str, folders), "bundled", "me/mine"]) == ["a/composite", "b/composite", "news", "bundled", "mine"]
    assert model_names(["me/ner", "you/ner"]) == ["me/ner", "you/ner"]
    assert len(set(model_names(["bundled", "bundled"]))) == 2


@pytest.mark.parametrize(
    ("domain", "word"), [("卫星导航对抗", "导航"), ("satellite navigation", "导航"), ("中文医学", "患者"), ("新闻", "银行")]
)
def test_examples_are_of_the_models_own_domain(domain: str, word: str) -> None:
    found = examples_for(domain)
    assert 0 < len(found) <= MOST
    assert any(word in text for text in found)


def test_a_model_of_an_unknown_domain_has_the_examples_of_its_card_or_none() -> None:
    assert examples_for("烹饪") == examples_for("") == ()
    assert examples_for("烹饪", CARD) == examples_for("新闻", CARD) == ("患者男，56岁。",)
    for faulty in ("---\n[\n---\n", "---\nwidget: 5\n---\n", "---\nx\n---\n", "no front matter"):
        assert examples_for("烹饪", faulty) == ()


def test_a_card_is_read_without_front_matter_and_images(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD, encoding="utf-8")
    assert card_body(read_card(str(tmp_path))) == "# A model\n\nIt finds things."
    assert read_card(str(tmp_path / "nothing")) == ""
    (tmp_path / "README.md").write_bytes(b"\xff\xfe\xff")
    assert read_card(str(tmp_path)) == ""


def test_a_button_shows_the_beginning_of_its_example() -> None:
    assert example_title("短句。") == "短句。"
    assert example_title("一" * 50) == "一" * 12 + "…"
