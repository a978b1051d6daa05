"""Statistics, near-duplicates, the report and the plot."""

import random

import pytest

from hybridner.data.statistics.describe import describe
from hybridner.data.statistics.near_duplicates import grams, jaccard, near_duplicate_pairs
from hybridner.data.statistics.report import format_description, plot
from hybridner.spans import Record, Span

LONG = "在城市峡谷里面接收机收不到卫星信号于是用惯性导航顶上"
TRAIN = [
    Record("肺内病变和肺", (Span(0, 1, "bod"), Span(0, 4, "sym"), Span(5, 6, "bod")), "0", "a"),
    Record("甲乙丙丁戊己", (Span(0, 3, "x"), Span(2, 6, "x"), Span(2, 6, "y")), "1", "a"),
    Record(LONG, (), "2", "b"),
    Record(LONG, (), "3", "b"),
]
TEST = [
    Record(LONG + "。", (), "4", "c"),
    Record("肺内病变和肺", (Span(5, 6, "bod"), Span(0, 5, "sym")), "5", "b"),
    Record("全新的一句话", (Span(0, 6, "x"),), "6", "d"),
]


@pytest.fixture(scope="module")
def description():
    return describe({"train": TRAIN, "test": TEST})


def test_counts_lengths_and_labels(description):
    train = description.splits["train"]
    assert (train.records, train.entities, train.without_entities) == (4, 6, 2)
    assert train.characters == 12 + 2 * len(LONG)
    assert train.character_types == len(set("肺内病变和肺甲乙丙丁戊己" + LONG))
    assert train.text_lengths == (6, len(LONG), len(LONG), len(LONG))
    assert train.entity_lengths == (3, 4, 4, 4)
    assert description.splits["test"].longer_than == pytest.approx({5: 1 / 3, 10: 0, 16: 0, 20: 0})
    assert list(train.labels) == ["bod", "x", "sym", "y"]
    bod = train.labels["bod"]
    assert (bod.entities, bod.surfaces, bod.commonest, bod.commonest_count, bod.longest) == (2, 1, "肺", 2, 1)


def test_overlaps_and_what_a_flat_output_can_reach(description):
    overlaps = description.splits["train"].overlaps
    assert (overlaps.nested, overlaps.crossing, overlaps.same_span) == (1, 2, 1)
    assert overlaps.flat_recall == pytest.approx(3 / 6)


def test_duplicates_and_leaks(description):
    train, test = description.splits["train"], description.splits["test"]
    assert (train.duplicates, train.near_duplicates) == (1, 1)
    assert (test.duplicates, test.near_duplicates) == (0, 0)
    (leak,) = description.leaks
    assert (leak.earlier, leak.later) == ("train", "test")
    assert (leak.same_text, leak.near_text, leak.same_group) == (1, 2, 1)
    assert leak.unseen_surfaces == pytest.approx(2 / 3)
    assert description.near_duplicate_share == pytest.approx(3 / 7)


def test_empty_splits_are_described():
    stats = describe({"test": []}).splits["test"]
    assert (stats.records, stats.text_lengths, stats.overlaps.flat_recall) == (0, (), 1.0)


def test_the_report_says_it_in_words(description):
    text = format_description(description)
    assert "## train" in text
    assert "4 records (2 without entities), 6 entities" in text
    assert "| bod | 2 | 1 | 0.500 | 1 | 肺 (2) |" in text
    assert "train → test: 1 records with the same text, 2 exactly or nearly, 1 of the same document; 66.7% of" in text


def test_the_plot_is_a_picture(description, tmp_path):
    pytest.importorskip("matplotlib", reason="plots need the extra `plots`")
    plot({"train": TRAIN, "test": TEST}, description, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_grams_of_short_texts():
    assert grams("") == {""}
    assert grams("甲乙") == {"甲乙"}
    assert grams("甲乙丙丁戊") == {"甲乙丙丁", "乙丙丁戊"}


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 1.0])
def test_near_duplicates_are_those_that_comparing_all_pairs_finds(threshold):
    draw = random.Random(7)
    texts = ["".join(draw.choices("天地玄黄", k=draw.randint(0, 30))) for _ in range(40)]
    for text in list(texts):
        place = draw.randrange(len(text) + 1)
        texts.append(text[:place] + draw.choice("宇宙") + text[place:])
    expected = {(i, j) for j in range(len(texts)) for i in range(j) if jaccard(grams(texts[i]), grams(texts[j])) >= threshold}
    found = near_duplicate_pairs(texts, threshold)
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert expected or threshold == 1.0
