from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner.data.terms import Term
from hybridner.errors import DataError
from hybridner.gazetteer import Gazetteer, Reliability, build_gazetteer
from hybridner.gazetteer.building import sample_hits
from hybridner.gazetteer.checking import find_conflicts, measure_labels, wrong_most_often
from hybridner.gazetteer.files import load_gazetteer, write_csv
from hybridner.spans import Record, Span
from hybridner.text.folding import fold, is_word_character

LABELS = ("LOC", "ORG")


def found(gazetteer: Gazetteer, text: str) -> list[tuple[str, str]]:
    hits = gazetteer.find([text])
    return [
        (text[start:end], gazetteer.labels[label - 1])
        for (_, start, end), label in zip(hits.places.tolist(), hits.labels.tolist(), strict=True)
    ]


def of_terms(*terms: Term, labels: Sequence[str] = LABELS) -> Gazetteer:
    return Gazetteer.from_terms(terms, labels)


def record(text: str, *words: tuple[str, str], group: str = "") -> Record:
    return Record(text, tuple(Span(text.index(w), text.index(w) + len(w), label) for w, label in words), group=group)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_folding_keeps_every_character_in_its_place(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)
    assert [fold(character) for character in text] == list(fold(text))


@settings(max_examples=100, deadline=None)
@given(
    terms=st.lists(st.text("北京大学aA1 ", min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=8),
    text=st.text("北京大学学aA1 ", max_size=30),
)
def test_every_occurrence_is_found_as_a_plain_search_finds_it(terms: list[str], text: str) -> None:
    words = {fold(term.strip()) for term in terms}
    gazetteer = of_terms(*(Term(term.strip(), "LOC") for term in terms))
    wanted = []
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            before, after = text[start - 1 : start], text[end : end + 1]
            cut = (before and is_word_character(before) and is_word_character(text[start])) or (
                after and is_word_character(after) and is_word_character(text[end - 1])
            )
            if fold(text[start:end]) in words and not cut:
                wanted.append((0, start, end))
    assert [tuple(place) for place in gazetteer.find([text]).places.tolist()] == wanted


def test_spellings_are_one_and_offsets_those_of_the_text() -> None:
    gazetteer = of_terms(Term("ＧＰＳ衛星", "ORG"), Term("gps卫星", "ORG"))
    assert len(gazetteer) == 1
    assert found(gazetteer, "用Gps卫星，ｇｐｓ衛星") == [("Gps卫星", "ORG"), ("ｇｐｓ衛星", "ORG")]


def test_latin_terms_are_whole_words() -> None:
    gazetteer = of_terms(Term("AI", "ORG"), Term("F-16", "ORG"))
    assert found(gazetteer, "SAID AI研究，F-16C和F-16战机") == [("AI", "ORG"), ("F-16", "ORG")]


def test_a_blocked_term_hides_what_lies_inside_it() -> None:
    gazetteer = of_terms(Term("吉林", "LOC"), Term("林大", "LOC"), Term("吉林大学", "ORG"), Term("吉林大路", ""))
    assert found(gazetteer, "吉林大路在吉林") == [("吉林", "LOC")]
    assert found(gazetteer, "吉林大学") == [("吉林", "LOC"), ("吉林大学", "ORG"), ("林大", "LOC")]
    assert gazetteer.counts_by_label == {"blocked": 1, "LOC": 2, "ORG": 1}


def test_a_term_counts_only_near_what_it_requires() -> None:
    gazetteer = of_terms(Term("苹果", "ORG", 0, ("公司", "手机")), Term("手机", "LOC"))
    assert found(gazetteer, "吃苹果") == []
    assert found(gazetteer, "蘋果公司") == [("蘋果", "ORG")]
    assert found(gazetteer, "手机是苹果") == [("手机", "LOC"), ("苹果", "ORG")]
    assert found(gazetteer, "苹果" + "，" * 60 + "公司") == []


def test_saved_and_loaded_it_finds_and_says_the_same(tmp_path: Path) -> None:
    records = [record("中国驻法国", ("中国", "LOC")), record("法国队", ("法国", "ORG")), record("去法国", ("法国", "LOC"))]
    gazetteer = build_gazetteer(records, LABELS, lists=[Term("苹果", "ORG", 0, ("公司",)), Term("中国画", "")])
    gazetteer.save(tmp_path / "terms.parquet")
    loaded = Gazetteer.load(tmp_path / "terms.parquet")
    texts = ["法国的苹果公司", "中国画与中国", "没有"]
    assert loaded.fingerprint == gazetteer.fingerprint
    for mine, theirs in zip(gazetteer.judge(texts), loaded.judge(texts), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert loaded.is_from(["去法国", "别的"]).tolist() == [True, False]


def test_written_as_csv_it_is_read_again(tmp_path: Path) -> None:
    gazetteer = of_terms(Term("北斗", "ORG", 2), Term("苹果", "ORG", 0, ("公司", "手机")), Term("北斗七星", ""))
    write_csv(gazetteer, tmp_path / "terms.csv")
    assert load_gazetteer(tmp_path / "terms.csv", LABELS).table == gazetteer.table


@pytest.mark.parametrize("damage", ["no_gazetteer", "labels", "null", "reliability", "no_parquet"])
def test_a_damaged_file_is_said_to_be_one(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "terms.parquet"
    of_terms(Term("北斗", "ORG")).save(path)
    table = pq.read_table(path)
    metadata = table.schema.metadata
    if damage == "no_gazetteer":
        table = table.replace_schema_metadata(None)
    elif damage == "labels":
        table = table.set_column(1, "label", pa.array([9], pa.int16()))
    elif damage == "null":
        table = table.set_column(0, "surface", pa.array([None], pa.string()))
    elif damage == "reliability":
        table = table.replace_schema_metadata({k: v.replace(b'"hits"', b'"hats"') for k, v in metadata.items()})
    pq.write_table(table, path)
    if damage == "no_parquet":
        path.write_bytes(b"PAR1 not")
    with pytest.raises(DataError, match=str(path)):
        Gazetteer.load(path)


def test_a_label_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="'北斗' has the label 'SYS'; the labels are LOC, ORG"):
        of_terms(Term("北斗", "SYS"))
    with pytest.raises(DataError, match="has terms of ORG; the model's labels are LOC"):
        of_terms(Term("北斗", "ORG")).for_labels(["LOC"])
    moved = of_terms(Term("北斗", "ORG"), Term("中国", "LOC")).for_labels(["ORG", "X", "LOC"])
    assert found(moved, "中国北斗") == [("中国", "LOC"), ("北斗", "ORG")]


def test_counts_are_those_of_the_texts() -> None:
    gazetteer = build_gazetteer(
        [record("中国和中国", ("中国", "LOC")), record("中国队", ("中国队", "ORG")), record("法国", ("法国", "LOC"))], LABELS
    )
    rows = {row["surface"]: (row["count"], row["seen"], row["listed"]) for row in gazetteer.table.to_pylist()}
    assert rows == {"中国": (1, 3, False), "中国队": (1, 1, False), "法国": (1, 1, False)}


def test_no_text_is_judged_by_terms_of_its_own_document() -> None:
    records = [
        record("中国", ("中国", "LOC"), group="a"),
        record("在中国", ("中国", "LOC"), group="a"),
        record("法国", ("法国", "LOC"), group="b"),
        record("去法国", ("法国", "LOC"), group="c"),
    ]
    hits, gold = sample_hits(build_gazetteer(records, LABELS), records)
    # 中国 is known from document a alone; each 法国 from the other.
    assert hits.places.tolist() == [[2, 0, 2], [3, 1, 3]]
    assert hits.counts.tolist() == hits.seen.tolist() == [1, 1]
    assert gold.tolist() == [1, 1]
    strangers, _ = sample_hits(build_gazetteer(records, LABELS), [record("又去中国", ("中国", "LOC"))])
    assert strangers.counts.tolist() == [2]
    listed, _ = sample_hits(build_gazetteer(records, LABELS, lists=[Term("中国", "LOC")]), records)
    assert listed.places[:, 0].tolist() == [0, 1, 2, 3]


def test_leaving_a_document_out_is_the_same_as_building_without_it() -> None:
    records = [
        record(f"{place}的{other}和{place}", (place, "LOC"), group=str(number % 4))
        for number, (place, other) in enumerate(zip("甲乙甲丙乙甲丙甲乙丁", "乙甲丙甲丁乙甲丙甲甲", strict=True))
    ]
    whole, _gold = sample_hits(build_gazetteer(records, LABELS), records)
    for row, one in enumerate(records):
        others = build_gazetteer([r for r in records if r.group != one.group], LABELS)
        alone = others.find([one.text])
        mine = whole.places[:, 0] == row
        assert alone.places[:, 1:].tolist() == whole.places[mine, 1:].tolist()
        assert alone.counts.tolist() == whole.counts[mine].tolist()
        assert alone.seen.tolist() == whole.seen[mine].tolist()


def test_reliability_learns_which_terms_are_often_wrong() -> None:
    records = [record(f"第{n}个中国好", ("中国", "LOC")) for n in range(30)]
    records += [record(f"第{n}个长城", *([("长城", "ORG")] if n % 10 == 0 else [])) for n in range(30)]
    gazetteer = build_gazetteer(records, LABELS)
    places, probabilities = gazetteer.judge(["中国的长城"])
    assert places.tolist() == [[0, 0, 2], [0, 3, 5]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert probabilities[0, 1] > 0.9
    assert probabilities[1].argmax() == 0
    assert 0.05 < probabilities[1, 2] < 0.2


def test_before_anything_is_fitted_every_hit_is_rather_right() -> None:
    _, probabilities = of_terms(Term("中国", "LOC")).judge(["中国"])
    np.testing.assert_allclose(probabilities, [[0.4, 0.6, 0.0]], atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.text("甲乙丙丁", min_size=2, max_size=9), st.integers(0, 7), st.integers(1, 2), st.sampled_from(LABELS)),
        min_size=1,
        max_size=12,
    )
)
def test_what_it_says_is_always_a_distribution(rows: list[tuple[str, int, int, str]]) -> None:
    records = [Record(t, (Span(s, s + size, label),)) if s + size <= len(t) else Record(t) for t, s, size, label in rows]
    if not any(one.entities for one in records):
        return
    gazetteer = build_gazetteer(records, LABELS)
    places, probabilities = gazetteer.judge([one.text for one in records])
    assert (np.lexsort(places.T[::-1]) == np.arange(len(places))).all()
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    again = Reliability.from_dict(gazetteer.reliability.to_dict())
    np.testing.assert_array_equal(again.coefficients, gazetteer.reliability.coefficients)


def test_conflicts_and_terms_that_are_often_wrong() -> None:
    records = [
        record("法国队", ("法国", "ORG")),
        record("去法国", ("法国", "LOC")),
        record("中国", ("中国", "LOC")),
        record("在中国"),
    ]
    gazetteer = build_gazetteer(records, LABELS, lists=[Term("中国", "")])
    assert [(c.surface, c.labels) for c in find_conflicts(gazetteer)] == [
        ("法国", {"LOC": 1, "ORG": 1}),
        ("中国", {"blocked": 0, "LOC": 0}),
    ]
    gazetteer = build_gazetteer(records, LABELS)
    use = measure_labels(gazetteer, records)
    assert (use["LOC"].hits, use["LOC"].right, use["LOC"].gold) == (2, 0, 2)
    assert {(u.surface, u.hits, u.right) for u in wrong_most_often(gazetteer, records)} == {("法国", 1, 0), ("中国", 1, 0)}
