from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.data import assign_folds
from hybridner.errors import DataError
from hybridner.spans import Record, Span


@st.composite
def corpora(draw: st.DrawFn) -> list[Record]:
    count = draw(st.integers(6, 40))
    return [
        Record(
            draw(st.sampled_from(["甲乙", "丙丁戊", f"第{number}句"])),
            tuple(Span(0, 1, label) for label in draw(st.sets(st.sampled_from("ABC")))),
            str(number),
            draw(st.sampled_from(["", f"document {number % 7}"])),
        )
        for number in range(count)
    ]


@given(corpora(), st.integers(2, 3), st.integers(0, 3))
def test_documents_and_copies_of_a_text_stay_in_one_fold(records: list[Record], folds: int, seed: int) -> None:
    units = {record.group or record.text for record in records}
    if len(units) < folds:
        with pytest.raises(DataError, match="folds"):
            assign_folds(records, folds, seed)
        return
    numbers = assign_folds(records, folds, seed)
    assert set(numbers) == set(range(folds))
    for key in (lambda r: r.group or None, lambda r: None if r.group else r.text):
        homes: dict[str, set[int]] = {}
        for record, number in zip(records, numbers, strict=True):
            if key(record) is not None:
                homes.setdefault(key(record), set()).add(number)
        assert all(len(home) == 1 for home in homes.values())
    # The same whatever the order of the records.
    assert assign_folds(records[::-1], folds, seed)[::-1] == numbers


def test_a_rare_label_is_in_every_fold_and_sizes_are_even() -> None:
    records = [
        Record(f"第{number}句", (Span(0, 1, "RARE" if number % 50 == 0 else "OFTEN"),) if number % 3 else (), str(number))
        for number in range(1, 400)
    ]
    records += [Record(f"稀{number}", (Span(0, 1, "RARE"),), f"r{number}") for number in range(5)]
    for seed in (0, 1):
        numbers = assign_folds(records, 5, seed)
        rare = Counter(n for r, n in zip(records, numbers, strict=True) for s in r.entities if s.label == "RARE")
        assert max(rare.values()) - min(rare[fold] for fold in range(5)) <= 1
        sizes = Counter(numbers)
        assert max(sizes.values()) - min(sizes.values()) <= 2
    assert assign_folds(records, 5, 0) != assign_folds(records, 5, 1)
