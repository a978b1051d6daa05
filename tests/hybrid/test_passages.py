"""A long text decoded in passages gives what it gives when decoded whole, wherever the borders fall."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner import HybridNerModel
from hybridner.data.terms import Term
from hybridner.ensemble import Ballot, OodDetector, merge_ballots
from hybridner.gazetteer import GAZETTEER, Gazetteer
from hybridner.hybrid import ballots, engine, passages
from hybridner.models.crf import LinearChainCrf
from tests.support.reading import candidates_of
from tests.support.tiny import LABELS, TEXT, tiny_member

texts = st.lists(st.text(st.sampled_from(TEXT), min_size=1, max_size=400), min_size=1, max_size=4)
KINDS = ("bert-bilstm-crf", "roberta-bigru-crf", "spanner")


@contextmanager
def sizes(passage: int, guard: int, held: int) -> Iterator[None]:
    with (
        patch.multiple(passages, PASSAGE=passage, _GUARD=guard),
        patch.multiple(ballots, _HELD=held),
        patch.object(engine, "PASSAGE", passage),
    ):
        yield


def whole_ballot(model: HybridNerModel, given: list[str], decoding: str) -> Ballot:
    groups = list(ballots.predict_ballots(model, given, batch_size=4, decoding=decoding))
    return merge_ballots([group.ballot for group in groups], [group.numbers for group in groups])


def composite(outside: tuple[float, float], memory: float = 1.0) -> HybridNerModel:
    """Members whose O has a head start (taggers', SpanNER's), and whose CRFs hold on to what they have seen."""
    model = HybridNerModel.assemble({kind: tiny_member(kind, seed) for seed, kind in enumerate(KINDS)}, near_miss=0.3)
    with torch.no_grad():
        for head in model.heads[:2]:
            head.emission.bias[0] += outside[0]
            head.decoder.crf.transitions.mul_(memory)
        model.heads[2].boundary.bias[0] += outside[1]
    return model


#: Some candidates, one over every border, and CRFs that forget nothing.
MODELS = {"some": composite((0.6, 3.0)), "many": composite((0.0, 0.0)), "memory": composite((0.0, 3.0), 40.0)}


@settings(max_examples=30, deadline=None)
@given(
    texts=texts, name=st.sampled_from(["some", *MODELS]), decoding=st.sampled_from(["flat", "nested"]), guard=st.integers(6, 20)
)
def test_passages_give_what_the_whole_gives(texts: list[str], name: str, decoding: str, guard: int) -> None:
    model = MODELS[name]
    whole = whole_ballot(model, texts, decoding)
    with sizes(30, guard, 150):
        parts = whole_ballot(model, texts, decoding)
        candidates = candidates_of(model, texts, batch_size=4, decoding=decoding)
    np.testing.assert_array_equal(parts.spans, whole.spans)
    np.testing.assert_array_equal(parts.votes, whole.votes)
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-5)
    np.testing.assert_allclose(parts.logits, whole.logits, atol=1e-4)
    for mine, other in zip(candidates, candidates_of(model, texts, batch_size=4, decoding=decoding), strict=True):
        assert [(c.start, c.end, c.label, c.is_entity) for c in mine] == [(c.start, c.end, c.label, c.is_entity) for c in other]


def test_gazetteer_and_strangeness_are_those_of_the_whole() -> None:
    model = composite((0.6, 3.0))
    # One term stands in a sentence, the other goes over its end.
    model.use_gazetteer(Gazetteer.from_terms([Term("俄罗斯", "State"), Term("机。北约", "System")], LABELS))
    rng = np.random.default_rng(0)
    held_out = np.sort(rng.normal(size=30))
    model.config.update({"ood": OodDetector(rng.normal(size=16), held_out, held_out).to_dict(), "ood_threshold": 0.5})
    texts = [TEXT * 9, TEXT, "", TEXT[5:] * 3]
    whole = model.predict(texts)
    with sizes(60, 8, 200):
        parts = model.predict(texts)
    assert [part.ood_score for part in parts] == pytest.approx([one.ood_score for one in whole])
    for part, one in zip(parts, whole, strict=True):
        assert [(c.start, c.end, c.votes) for c in part.candidates] == [(c.start, c.end, c.votes) for c in one.candidates]
        assert [c.ood_score for c in part.candidates] == pytest.approx([c.ood_score for c in one.candidates], abs=0.05)
        assert [c.is_unfamiliar for c in part.candidates] == [c.is_unfamiliar for c in one.candidates]
    assert {c.votes.get(GAZETTEER) for c in parts[0].candidates} == {"State", "System", None}


def test_a_long_text_is_parted_and_an_unforgetting_one_is_not() -> None:
    text = TEXT * 40
    for name, parted in (("some", True), ("memory", False)):
        with sizes(60, 16, 500):
            groups = list(ballots.predict_ballots(MODELS[name], [text], batch_size=4, decoding="flat"))
        assert sum(len(group.ballot.spans) for group in groups) > 40
        assert (sum(len(group.numbers) for group in groups) > 10) == parted
        assert (len(groups) > 1) == parted


def chain(num_tags: int, scale: float, seed: int) -> LinearChainCrf:
    torch.manual_seed(seed)
    crf = LinearChainCrf(num_tags)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_(0.0, scale)
    return crf


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 6.0), spread=st.floats(0.1, 8.0), length=st.integers(1, 24))
def test_where_a_crf_forgets_neither_side_has_a_say_about_the_other(seed: int, scale: float, spread: float, length: int) -> None:
    crf = chain(7, scale, seed)
    piece = torch.randn(length, 7) * spread
    if not crf.forgets(piece[None])[0]:
        return
    sides = [torch.randn(5, 7) * spread for _ in range(4)]
    said = {}
    for before in (0, 1):
        for after in (2, 3):
            emissions = torch.cat([sides[before], piece, sides[after]])[None]
            mask = torch.ones(emissions.shape[:2], dtype=torch.bool)
            said[before, after] = crf.marginals(emissions, mask)[0], crf.viterbi(emissions, mask)[0]
    for side, cut in ((0, slice(0, 5)), (1, slice(0, 5))):
        torch.testing.assert_close(said[side, 2][0][cut], said[side, 3][0][cut], atol=1e-5, rtol=1e-4)
        assert torch.equal(said[side, 2][1][cut], said[side, 3][1][cut])
    for side in (2, 3):
        torch.testing.assert_close(said[0, side][0][-5:], said[1, side][0][-5:], atol=1e-5, rtol=1e-4)
        assert torch.equal(said[0, side][1][-5:], said[1, side][1][-5:])


@pytest.mark.parametrize(("tags", "forgotten"), [((0,), True), ((2,), True), ((2, 4), False)])
def test_what_leads_through_one_tag_is_forgotten_and_entities_of_two_types_without_end_are_not(
    tags: tuple[int, ...], forgotten: bool
) -> None:
    emissions = torch.zeros(1, 6, 5)
    emissions[..., tags] = 60.0
    assert LinearChainCrf(5).forgets(emissions).tolist() == [forgotten]
