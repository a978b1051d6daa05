from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner import HybridNerModel
from hybridner.ensemble import ABSTAIN, Candidate, select_entities
from hybridner.errors import InputError, ModelError
from hybridner.hybrid.ballots import predict_ballots
from hybridner.hybrid.reading import text_logits, window_batches
from hybridner.spans.tags import numbered_spans
from tests.support.reading import candidates_of
from tests.support.tiny import TEXT

any_text = st.text(st.one_of(st.sampled_from(TEXT), st.characters()), max_size=200)


def found(candidates: list[Candidate]) -> set[tuple[int, int, str]]:
    return {(c.start, c.end, c.label) for c in select_entities(candidates)}


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(any_text, max_size=5), decoding=st.sampled_from(["flat", "nested"]))
def test_every_entity_of_every_text_lies_inside_it(composite: HybridNerModel, texts: list[str], decoding: str) -> None:
    results = candidates_of(composite, texts, batch_size=3, decoding=decoding)
    assert len(results) == len(texts)
    for text, candidates in zip(texts, results, strict=True):
        spans = [(c.start, c.end) for c in candidates]
        assert len(set(spans)) == len(spans)
        assert all(0 <= start < end <= len(text) for start, end in spans)
        chosen = sorted((c.start, c.end) for c in select_entities(candidates))
        for i, a in enumerate(chosen):
            for b in chosen[i + 1 :]:
                inside = (a[0] <= b[0] and b[1] <= a[1]) or (b[0] <= a[0] and a[1] <= b[1])
                assert a[1] <= b[0] or (decoding == "nested" and inside)


def test_batching_changes_nothing(composite: HybridNerModel) -> None:
    rng = random.Random(0)
    texts = ["".join(rng.choices(TEXT, k=rng.randint(0, 90))) for _ in range(20)]
    one_by_one = [found(candidates_of(composite, [text], batch_size=1)[0]) for text in texts]
    together = [found(candidates) for candidates in candidates_of(composite, texts, batch_size=7)]
    assert together == one_by_one
    assert sum(map(len, together)) > 20


def test_scores_of_a_long_text_are_those_of_the_owning_windows(composite: HybridNerModel) -> None:
    text = (TEXT + "。") * 9
    with torch.inference_mode():
        (scores,) = text_logits(composite, [text], 4)
    for part in scores:
        assert len(part) == len(text)
        assert torch.isfinite(part).all()
    checked = 0
    for batch in window_batches([text], composite.vocabularies, composite.max_characters, 1):
        ((_, window),) = batch.windows
        with torch.inference_mode():
            outputs = composite(batch.input_ids, batch.attention_mask).logits
        for part, output in zip(scores, outputs, strict=True):
            owned = output[0, window.own_start - window.start : window.own_end - window.start]
            torch.testing.assert_close(part[window.own_start : window.own_end], owned, rtol=1e-4, atol=1e-5)
        checked += window.own_end - window.own_start
    assert checked == len(text)


def test_tags_run_across_seams(composite: HybridNerModel) -> None:
    """A tagger decodes all characters of a long text at once, so no seam can cut an entity in two."""
    text = TEXT * 8
    with torch.inference_mode():
        (scores,) = text_logits(composite, [text], 4)
    index = composite.member_names.index("bert-bilstm-crf")
    member = composite.members["bert-bilstm-crf"]
    tags = member.decoder.crf.viterbi(scores[index][None], torch.ones(1, len(text), dtype=torch.bool))[0].tolist()
    expected = {(start, end) for start, end, _ in numbered_spans(tags)}
    ((_, ballot, _),) = predict_ballots(composite, [text], batch_size=4, decoding="flat")
    voted = {(int(s), int(e)) for (_, s, e), vote in zip(ballot.spans, ballot.votes[index], strict=True) if vote > 0}
    assert voted == expected
    assert len(expected) > 10


def test_a_text_of_a_hundred_thousand_characters(make_member: Callable) -> None:
    """Exact offsets to the end, in memory that does not explode, and the same as its sentences where these are far from a
    seam."""
    model = HybridNerModel.assemble({name: make_member(name) for name in ("bert-bilstm-crf", "spanner")})
    text = (TEXT + "。\n") * (100_000 // (len(TEXT) + 2) + 1)
    assert len(text) > 100_000
    chosen = sorted(found(candidates_of(model, [text], batch_size=64)[0]))
    assert all(a[1] <= b[0] for a, b in pairwise(chosen))
    assert chosen[-1][1] > len(text) - len(TEXT)
    words = {text[start:end] for start, end, _ in chosen}
    assert len(chosen) > 1000
    assert len(words) < len(chosen) / 10, "a repeated sentence should give repeated entities"


def test_the_ballot_holds_every_proposal_and_everybodys_opinion(composite: HybridNerModel) -> None:
    ((numbers, ballot, _),) = predict_ballots(composite, [TEXT, TEXT[:9]], batch_size=4, decoding="flat")
    spanner = composite.member_names.index("spanner")
    longest = composite.spanner.config.max_span_length
    assert sorted(numbers) == [0, 1]
    lengths = ballot.spans[:, 2] - ballot.spans[:, 1]
    assert ((ballot.votes[spanner] == ABSTAIN) == (lengths > longest)).all()
    assert (ballot.votes != ABSTAIN)[:spanner].all()
    np.testing.assert_allclose(ballot.probabilities.sum(2), 1.0, atol=1e-6)
    # near misses: nobody's proposal, yet on the ballot
    assert (ballot.votes.clip(min=0).sum(0) == 0).any()
    # a tagger's own proposals are probable in its own eyes
    for member in range(spanner):
        voted = ballot.votes[member] > 0
        own = ballot.probabilities[member, voted, ballot.votes[member, voted]]
        assert own.mean() > ballot.probabilities[member, ~voted, 1:].max(1).mean()


def test_temperature_changes_uncertainty_and_not_who_is_the_best(make_member: Callable) -> None:
    members = {name: make_member(name) for name in ("bert-bilstm-crf", "spanner")}
    cold, warm = (HybridNerModel.assemble(members, temperature=t) for t in (1.0, 5.0))
    by_span = [{(c.start, c.end): c for c in candidates_of(m, [TEXT], batch_size=2)[0]} for m in (cold, warm)]
    shared = by_span[0].keys() & by_span[1].keys()
    judged = [span for span in shared if span[1] - span[0] <= 6]
    assert judged
    assert all(by_span[1][span].uncertainty > by_span[0][span].uncertainty for span in judged)
    assert {s: by_span[0][s].votes for s in shared} == {s: by_span[1][s].votes for s in shared}


@pytest.mark.parametrize("model_type", ["bert-bilstm-crf", "spanner"])
def test_a_composite_of_one_says_what_its_member_says(make_member: Callable, model_type: str) -> None:
    model = HybridNerModel.assemble({"only": make_member(model_type)})
    candidates = candidates_of(model, [TEXT], batch_size=2)[0]
    assert found(candidates) == {(c.start, c.end, c.votes["only"]) for c in candidates if c.votes.get("only", "O") != "O"}
    assert found(candidates)


def test_scores_that_are_no_numbers_are_never_read_as_no_entities(make_member: Callable) -> None:
    """Weights that are finite by themselves, and too large to compute with."""
    member = make_member("bert-bilstm-crf")
    model = HybridNerModel.assemble({"only": member})
    with torch.no_grad():
        model.members["only"].emission.weight.fill_(3e38)
    with pytest.raises(ModelError, match="no finite numbers"):
        model.predict([TEXT])


def test_predict_takes_a_list_of_texts(composite: HybridNerModel) -> None:
    composite.train()
    try:
        (prediction,) = composite.predict([TEXT])
        assert composite.training
    finally:
        composite.eval()
    assert composite.predict([TEXT]) == [prediction]
    assert prediction.entities == select_entities(prediction.candidates)
    assert composite.predict([]) == []
    with pytest.raises(InputError, match="list of texts"):
        composite.predict(TEXT)
    with pytest.raises(InputError, match="text 1 is int"):
        composite.predict([TEXT, 3])
