"""Agreement of two annotations."""

import pytest

from hybridner.data.statistics.agreement import align_texts, cohen_kappa, find_disagreements, measure_agreement
from hybridner.errors import DataError
from hybridner.spans import Record, Span

FIRST = [
    Record("俄军在叙利亚", (Span(0, 2, "STATE"), Span(3, 6, "LOC")), "a"),
    Record("北约演习", (Span(0, 2, "STATE"),), "b"),
    Record("无", (), "c"),
]
SECOND = [
    Record("俄军在叙利亚", (Span(0, 2, "STATE"), Span(3, 6, "STATE")), "a"),
    Record("北约演习", (Span(0, 4, "EVENT"),), "b"),
    Record("无", (), "c"),
]


def test_counts_and_f1():
    found = measure_agreement(FIRST, SECOND)
    assert (found.overall.first, found.overall.second, found.overall.both) == (3, 3, 1)
    assert found.overall.f1 == pytest.approx(2 * 1 / 6)
    assert list(found.labels) == ["EVENT", "LOC", "STATE"]
    state = found.labels["STATE"]
    assert (state.first, state.second, state.both) == (2, 2, 1)
    assert state.f1 == pytest.approx(0.5)
    assert found.labels["LOC"].f1 == 0


def test_kappa_of_one_label_by_hand():
    # 11 characters. First: B I O O O O | B I O O | O, second: B I O B I I | O O O O | O.
    # Agreed: 2 + 1 of the first text, 2 of the second, 1 of the third = 6 of 11.
    # First has 2 B, 2 I, 7 O; second 2 B, 3 I, 6 O: chance (4 + 6 + 42) / 121.
    chance = 52 / 121
    assert measure_agreement(FIRST, SECOND).labels["STATE"].kappa == pytest.approx((6 / 11 - chance) / (1 - chance))


def test_full_agreement_and_none_to_agree_on():
    same = measure_agreement(FIRST, FIRST)
    assert (same.overall.f1, same.overall.kappa) == (1, 1)
    assert measure_agreement([Record("无")], [Record("无")]).overall.f1 == 1


@pytest.mark.parametrize(
    ("first", "second", "kappa"),
    [([0, 1, 0, 1], [0, 1, 0, 1], 1), ([0, 1, 0, 1], [0, 0, 1, 1], 0), ([0, 1], [1, 0], -1), ([0, 0], [0, 0], 1), ([], [], 1)],
)
def test_kappa(first, second, kappa):
    assert cohen_kappa(first, second) == pytest.approx(kappa)


def test_disagreements_list_what_only_one_has():
    one, other = find_disagreements(FIRST, SECOND)
    assert (one.id, one.only_first, one.only_second) == ("a", (Span(3, 6, "LOC"),), (Span(3, 6, "STATE"),))
    assert (other.id, other.only_first, other.only_second) == ("b", (Span(0, 2, "STATE"),), (Span(0, 4, "EVENT"),))


def test_the_second_annotation_may_cover_a_part_in_another_order():
    assert align_texts(FIRST, [SECOND[1], SECOND[0]]) == [FIRST[1], FIRST[0]]
    twice = [Record("同", (Span(0, 1, "A"),), "x"), Record("同", (), "y")]
    assert [record.id for record in align_texts(twice, twice)] == ["x", "y"]
    with pytest.raises(DataError, match="record y: the first annotation lacks the text '同'"):
        align_texts(twice[:1], twice)


def test_different_texts_cannot_be_compared():
    with pytest.raises(DataError, match="cover 3 and 2 texts"):
        measure_agreement(FIRST, SECOND[:2])
    with pytest.raises(DataError, match=r"record 0 \(a\): the texts differ"):
        list(find_disagreements(FIRST, SECOND[::-1]))
