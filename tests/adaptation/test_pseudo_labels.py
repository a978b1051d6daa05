"""Raw text becomes training data where several models agree."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner import HybridNerModel
from hybridner.adaptation.pseudo_labels import agreed_entities, pseudo_label
from hybridner.cli.main import main
from hybridner.data import read_records
from hybridner.errors import DataError
from hybridner.spans import Span
from tests.support.tiny import small_records

SPANS = st.builds(
    lambda start, size, label: Span(start, start + size, label), st.integers(0, 8), st.integers(1, 4), st.sampled_from("AB")
)


@given(st.lists(st.lists(SPANS, max_size=5), min_size=1, max_size=5))
def test_kept_is_what_more_than_half_hold_and_nothing_overlaps(readings: list[list[Span]]) -> None:
    kept = agreed_entities(readings)
    assert all(2 * sum(span in reading for reading in readings) > len(readings) for span in kept)
    assert all(before.end <= after.start for before, after in pairwise(kept))
    agreed = {span for reading in readings for span in reading if 2 * sum(span in other for other in readings) > len(readings)}
    left_out = agreed - set(kept)
    assert all(any(span.start < other.end and other.start < span.end for other in kept) for span in left_out)


def test_a_tie_is_no_agreement_and_one_model_agrees_with_itself() -> None:
    span = Span(0, 2, "State")
    assert agreed_entities([[span], []]) == ()
    assert agreed_entities([[span, span]]) == (span,)


def test_nested_entities_stay_where_the_model_is_nested() -> None:
    outer, inner = Span(0, 6, "A"), Span(2, 4, "B")
    assert agreed_entities([[outer, inner]] * 3, "nested") == (outer, inner)
    assert len(agreed_entities([[outer, inner]] * 3)) == 1


def test_texts_come_once_in_their_order_with_what_the_model_finds(base: HybridNerModel) -> None:
    texts = [record.text for record in small_records()]
    records = list(pseudo_label([base, base, base], [texts[0], "", texts[1], texts[0], " "]))
    assert [record.text for record in records] == [texts[0], texts[1]]
    for record, found in zip(records, base.predict(texts[:2]), strict=True):
        assert set(record.entities) == {Span(e.start, e.end, e.label) for e in found.entities}


def test_models_of_other_labels_are_named(base: HybridNerModel) -> None:
    with pytest.raises(DataError, match="at least one model"):
        next(pseudo_label([], ["一"]))


def test_command_writes_records(composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, output = tmp_path / "raw.txt", tmp_path / "pseudo.jsonl"
    raw.write_text("\n".join(record.text for record in small_records()), encoding="utf-8")
    assert main(["pseudo-label", str(composite_folder), "--text", str(raw), "--output", str(output)]) == 0
    assert "texts: " in capsys.readouterr().out
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [line["text"] for line in lines] == list(dict.fromkeys(record.text for record in small_records()))
    assert len(read_records(output)) == len(lines)
