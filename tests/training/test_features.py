from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hybridner.models import MEMBER_CLASSES
from hybridner.models.span_scoring import UNKNOWN
from hybridner.spans import Record, Span, Unsure
from hybridner.spans.tags import spans_to_tags
from hybridner.training.composing import compose
from hybridner.training.features import Collator, fit_record, hide_unsure, lost_entities, make_features
from hybridner.training.metrics import count_entities, entity_metrics
from hybridner.training.reports import unrepresentable_share
from tests.support.tiny import TEXT, tiny_member


@st.composite
def long_records(draw: st.DrawFn) -> Record:
    text = draw(st.text(st.sampled_from("天地人。，"), min_size=1, max_size=200))
    starts = draw(st.lists(st.integers(0, len(text) - 1), max_size=15))
    spans = {Span(start, min(len(text), start + draw(st.integers(1, 30))), "State") for start in starts}
    return Record(text, tuple(sorted(spans)))


def chains(spans: tuple[Span, ...]) -> list[tuple[int, int]]:
    """First and last position of each run of spans that overlap each other."""
    found: list[tuple[int, int]] = []
    for span in sorted(spans):
        if found and span.start < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], span.end))
        else:
            found.append((span.start, span.end))
    return found


@given(long_records(), st.lists(st.tuples(st.integers(0, 199), st.integers(1, 20)), max_size=4), st.integers(12, 40))
def test_pieces_keep_what_is_unsure_in_them(record: Record, regions: list[tuple[int, int]], size: int) -> None:
    end = len(record.text)
    unsure = tuple(Unsure(start, min(start + length, end), 0.5) for start, length in regions if start < end)
    offset, found = 0, set()
    for piece in fit_record(replace(record, unsure=unsure), size):
        assert all(0 <= u.start < u.end <= len(piece.text) and u.weight == 0.5 for u in piece.unsure)
        found |= {offset + i for u in piece.unsure for i in range(u.start, u.end)}
        offset += len(piece.text)
    assert found == {i for u in unsure for i in range(u.start, u.end)}


def test_labels_of_little_weight_are_shown_that_often() -> None:
    torch.manual_seed(0)
    feature = {
        "tags": [1, 2, 0, 3],
        "spans": [[0, 2, 1], [3, 4, 2]],
        "unsure": [(0, 2, 0.25), (3, 4, 1.0), (2, 3, 0.0)],
    }
    shown = [hide_unsure(feature) for _ in range(400)]
    assert all(found["tags"][3] == 3 and found["tags"][2] == UNKNOWN for found in shown)
    whole = sum(found["tags"][:2] == [1, 2] for found in shown)
    hidden = sum(found["tags"][:2] == [UNKNOWN, UNKNOWN] and [0, 2, UNKNOWN] in found["spans"] for found in shown)
    assert whole + hidden == 400
    assert 70 < whole < 130
    assert feature["tags"] == [1, 2, 0, 3]


@pytest.mark.parametrize("model_type", MEMBER_CLASSES)
def test_members_learn_nothing_from_what_is_not_known(model_type: str) -> None:
    """Whatever stands in a region of weight 0, the loss is the same; what stands outside of it counts."""
    model = compose({model_type: tiny_member(model_type)})
    outside = Span(11, 14, "Place")

    def loss(entities: tuple[Span, ...], weight: float) -> float:
        record = Record(TEXT[:20], entities, unsure=(Unsure(6, 9, weight),))
        batch = Collator(model)(make_features([record], model))
        output = model(**batch).loss
        assert output is not None
        return output.item()

    without = loss((outside,), 0.0)
    assert loss((Span(6, 9, "State"), outside), 0.0) == pytest.approx(without)
    assert loss((Span(7, 8, "System"), outside), 0.0) == pytest.approx(without)
    assert loss((Span(6, 9, "State"),), 0.0) != pytest.approx(without)
    assert loss((Span(6, 9, "State"), outside), 1.0) != pytest.approx(without)


@given(long_records(), st.integers(12, 40))
def test_pieces_make_up_the_text_and_keep_its_entities(record: Record, size: int) -> None:
    pieces = fit_record(record, size)
    assert "".join(piece.text for piece in pieces) == record.text
    assert all(0 < len(piece.text) <= size for piece in pieces)
    offset, kept = 0, set()
    for piece in pieces:
        for span in piece.entities:
            assert 0 <= span.start < span.end <= len(piece.text)
            kept.add(Span(span.start + offset, span.end + offset, span.label))
        offset += len(piece.text)
    assert kept <= set(record.entities)
    assert lost_entities([record], size) == len(record.entities) - len(kept)
    if len(record.text) > size:
        fitting = tuple(span for span in record.entities if span.end - span.start <= size)
        # Only what cannot be in one piece is lost: too long itself, or in a chain of overlaps that is.
        for start, end in chains(fitting):
            inside = {span for span in fitting if start <= span.start and span.end <= end}
            assert inside <= kept or end - start > size


def test_entities_that_overlap_at_a_cut_stay_whole() -> None:
    """The first cut would go through the second entity, and the place before that through the first."""
    record = Record("天" * 30, (Span(7, 10, "State"), Span(9, 13, "Place")))
    assert [len(piece.text) for piece in fit_record(record, 12)] == [7, 12, 11]
    assert fit_record(record, 12)[1].entities == (Span(0, 3, "State"), Span(2, 6, "Place"))
    # Here the sentence ends inside an entity that begins the piece, so that only a later cut keeps it.
    begins = Record("。" * 8 + "人人人人。", (Span(0, 9, "State"),))
    assert [piece.entities for piece in fit_record(begins, 12)] == [begins.entities, ()]
    # A cut right behind an entity is as good as any, and an entity may fill a piece.
    assert [len(piece.text) for piece in fit_record(Record("天" * 30, (Span(10, 12, "State"),)), 12)] == [12, 12, 6]
    assert lost_entities([Record("天" * 30, (Span(4, 16, "State"),))], 12) == 0
    assert lost_entities([record, Record("天" * 30, (Span(0, 13, "State"),))], 12) == 1


def test_a_batch_is_what_forward_wants(make_member: Callable, records: list[Record]) -> None:
    model = compose({name: make_member(name) for name in MEMBER_CLASSES})
    records[1] = Record("北约", records[1].entities[:1])
    batch = Collator(model)(make_features(records[:3], model))
    assert batch["input_ids"].shape == (3, 1, max(len(record.text) for record in records[:3]) + 2)
    assert batch["attention_mask"].sum(1).tolist() == [len(record.text) + 2 for record in records[:3]]
    names = model.config.labels.names
    for row, record in enumerate(records[:3]):
        tags = spans_to_tags(record.entities, len(record.text), names)
        assert batch["tag_labels"][row, : len(tags)].tolist() == tags
        spans = [[s.start, s.end, names.index(s.label) + 1] for s in record.entities]
        assert batch["span_labels"][row].tolist() == [*spans, *[[-1, -1, -1]] * (2 - len(spans))]
    loss = model(**batch).loss
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad), "every weight is trained"


def test_counting_entities() -> None:
    gold = torch.tensor([[[0, 2, 1], [3, 4, 2]], [[1, 2, 1], [-1, -1, -1]], [[-1, -1, -1], [-1, -1, -1]]])
    proposed = torch.tensor([[0, 0, 2, 1], [0, 3, 4, 1], [1, 1, 2, 1], [2, 0, 1, 1]])
    assert count_entities(proposed, gold).tolist() == [[1, 2, 2], [1, 1, 1], [0, 1, 0]]
    assert count_entities(proposed[:0], gold).tolist() == [[0, 0, 2], [0, 0, 1], [0, 0, 0]]


def test_metrics_are_micro_averages_of_each_member_and_means_over_members() -> None:
    counts = torch.tensor([[[1, 1, 2], [0, 0, 2]], [[2, 3, 3], [1, 4, 3]]]).numpy()
    metrics = entity_metrics(counts, ("a", "b"))
    assert metrics["precision_a"] == 3 / 4
    assert metrics["recall_a"] == 3 / 5
    assert metrics["f1_a"] == 2 * 3 / (4 + 5)
    assert (metrics["precision_b"], metrics["recall_b"], metrics["f1_b"]) == (1 / 4, 1 / 5, 2 / 9)
    for measure in ("precision", "recall", "f1"):
        assert metrics[measure] == (metrics[f"{measure}_a"] + metrics[f"{measure}_b"]) / 2


def test_what_a_member_cannot_learn_is_counted(make_member: Callable) -> None:
    record = Record("天" * 30, (Span(0, 10, "State"), Span(2, 4, "Place"), Span(20, 21, "Place"), Span(22, 23, "State")))
    for model_type in ("bert-bilstm-crf", "spanner"):
        assert unrepresentable_share(make_member(model_type), [record], 64) == 0.25
    assert unrepresentable_share(make_member("bert-bilstm-crf"), [record], 9) == 0.25, "the long one, and no other inside it"
    assert unrepresentable_share(make_member("spanner"), [record], 9) == 0.25
    assert unrepresentable_share(make_member("spanner"), [Record("天")], 9) == 0
