from __future__ import annotations

from collections.abc import Callable

import torch
from hypothesis import given
from hypothesis import strategies as st

from hybridner.spans import Record, Span
from hybridner.spans.tags import spans_to_tags
from hybridner.training.features import Collator, fit_record, make_features
from hybridner.training.trainer import count_entities, inexpressible_share


@st.composite
def long_records(draw: st.DrawFn) -> Record:
    text = draw(st.text(st.sampled_from("天地人。，"), min_size=1, max_size=200))
    starts = draw(st.lists(st.integers(0, len(text) - 1), max_size=15))
    spans = {Span(start, min(len(text), start + draw(st.integers(1, 6))), "State") for start in starts}
    return Record(text, tuple(sorted(spans)))


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
    # without overlaps nothing is ever cut
    flat = [s for s in record.entities if not any(o != s and o.start < s.end and s.start < o.end for o in record.entities)]
    if len(flat) == len(record.entities):
        assert kept == set(record.entities)


def test_a_batch_is_what_forward_wants(make_member: Callable, records: list[Record]) -> None:
    for model_type in ("bert-bilstm-crf", "spanner"):
        member = make_member(model_type)
        features = make_features(records[:3], member)
        batch = Collator(member)(features)
        assert batch["input_ids"].shape == batch["attention_mask"].shape
        assert batch["attention_mask"].sum(1).tolist() == [len(record.text) + 2 for record in records[:3]]
        if model_type == "spanner":
            assert torch.equal(batch["labels"], batch["gold"])
        else:
            tags = spans_to_tags(records[0].entities, len(records[0].text), member.config.labels.names)
            assert batch["labels"][0, : len(tags)].tolist() == tags
        batch.pop("gold")
        loss = member(**batch).loss
        loss.backward()
        assert torch.isfinite(loss)
        assert all(p.grad is not None for p in member.parameters() if p.requires_grad), "every weight is trained"


def test_counting_entities() -> None:
    gold = torch.tensor([[[0, 2, 1], [3, 4, 2]], [[1, 2, 1], [-1, -1, -1]], [[-1, -1, -1], [-1, -1, -1]]])
    proposed = torch.tensor([[0, 0, 2, 1], [0, 3, 4, 1], [1, 1, 2, 1], [2, 0, 1, 1]])
    assert count_entities(proposed, gold).tolist() == [[1, 2, 2], [1, 1, 1], [0, 1, 0]]
    assert count_entities(proposed[:0], gold).tolist() == [[0, 0, 2], [0, 0, 1], [0, 0, 0]]


def test_what_a_member_cannot_learn_is_counted(make_member: Callable) -> None:
    record = Record("天" * 30, (Span(0, 10, "State"), Span(2, 4, "Place"), Span(20, 21, "Place"), Span(22, 23, "State")))
    for model_type, share in (("bert-bilstm-crf", 0.25), ("spanner", 0.25)):
        member = make_member(model_type)
        assert inexpressible_share(make_features([record], member), member) == share
