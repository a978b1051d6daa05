"""The component in real spaCy pipelines."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.errors import ModelError
from hybridner.spacy_component.annotation import annotate, register_extensions
from tests.support.tiny import TEXT

ROOT = Path(__file__).parent.parent.parent
TEXTS = [text.replace(" ", "") for text in (TEXT, "", TEXT[::-1], TEXT * 3, TEXT[5:20])]


@pytest.fixture(scope="module")
def pipe(composite: HybridNerModel) -> HybridNerPipeline:
    return HybridNerPipeline(composite, device="cpu")


def with_component(folder: Path, nlp: Language | None = None, **config: Any) -> Language:
    nlp = nlp or spacy.blank("zh")
    nlp.add_pipe("hybrid_ner", config={"model": str(folder), "device": "cpu", **config})
    return nlp


def found(spans: Sequence[Span]) -> list[tuple[int, int, str]]:
    return [(span.start_char, span.end_char, span.label_) for span in spans]


def expected(entities: Sequence[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return [(entity["start"], entity["end"], entity["entity_group"]) for entity in entities]


def test_documents_get_what_the_pipeline_finds(composite_folder: Path, pipe: HybridNerPipeline) -> None:
    nlp = with_component(composite_folder, parameters={"threshold": 0.72})
    for text, entities in zip(TEXTS, pipe(TEXTS, threshold=0.72), strict=True):
        doc = nlp(text)
        assert found(doc.ents) == found(doc.spans["hybrid_ner"]) == expected(entities)
        assert doc._.hybrid_ner_alignment == {"exact": len(entities), "moved": 0, "dropped": 0}
        for span, entity in zip(doc.ents, entities, strict=True):
            assert span.text == entity["word"]
            assert span._.score == pytest.approx(entity["score"], abs=1e-5)
            assert span._.uncertainty == pytest.approx(entity["uncertainty"], abs=1e-5)
            rest = {name: entity[name] for name in ("word", "start", "end", "source", "votes", "needs_review")}
            assert span._.provenance == rest


def test_a_nested_decoding_fills_the_spans_and_the_longest_are_the_entities(make_member: Any, tmp_path: Path) -> None:
    model = HybridNerModel.assemble({"spanner": make_member("spanner", seed=3)})
    model.save_pretrained(tmp_path)
    entities = HybridNerPipeline(model, device="cpu")(TEXT, decoding="nested")
    doc = with_component(tmp_path, parameters={"decoding": "nested"})(TEXT)
    # A space is a character for the model, and no token for spaCy.
    aligned = [e for e in entities if e["word"].strip() == e["word"]]
    assert sorted(found(doc.spans["hybrid_ner"])) == sorted(expected(aligned))
    outer = [e for e in aligned if not any(o is not e and o["start"] <= e["start"] and e["end"] <= o["end"] for o in aligned)]
    assert len(outer) < len(aligned)
    assert found(doc.ents) == expected(outer)


@pytest.mark.parametrize("processes", [1, 2])
def test_many_documents_in_batches_and_processes(composite_folder: Path, processes: int) -> None:
    nlp = with_component(composite_folder)
    alone = [nlp(text) for text in TEXTS]
    pairs = nlp.pipe(((text, number) for number, text in enumerate(TEXTS * 2)), as_tuples=True, batch_size=3, n_process=processes)
    for doc, number in pairs:
        before = alone[number % len(TEXTS)]
        assert found(doc.ents) == found(before.ents)
        assert [span._.provenance for span in doc.ents] == [span._.provenance for span in before.ents]
        assert doc._.hybrid_ner_alignment == before._.hybrid_ner_alignment


def test_documents_keep_what_is_known_of_their_entities(composite_folder: Path) -> None:
    nlp = with_component(composite_folder)
    before = nlp(TEXT)
    stored = DocBin(docs=[before], store_user_data=True).to_bytes()
    (after,) = DocBin().from_bytes(stored).get_docs(nlp.vocab)
    assert found(after.ents) == found(before.ents)
    assert [(span._.score, span._.provenance) for span in after.ents] == [(s._.score, s._.provenance) for s in before.ents]


def test_an_existing_pipeline_keeps_its_entities_unless_told_otherwise(composite_folder: Path) -> None:
    def ruled() -> Language:
        nlp = spacy.blank("zh")
        nlp.add_pipe("entity_ruler").add_patterns([{"label": "Rule", "pattern": [{"TEXT": c} for c in TEXT[:8]]}])
        return nlp

    new = found(with_component(composite_folder)(TEXT).ents)
    overlapping = [span for span in new if span[0] < 8]
    assert overlapping
    kept = with_component(composite_folder, ruled())(TEXT)
    assert found(kept.ents) == [(0, 8, "Rule"), *(span for span in new if span[0] >= 8)]
    assert found(kept.spans["hybrid_ner"]) == new
    assert found(with_component(composite_folder, ruled(), overwrite_ents=True)(TEXT).ents) == new
    named = with_component(composite_folder, spans_key="domain")(TEXT)
    assert set(named.spans) == {"domain"}


@given(st.data())
def test_entities_meet_tokens_as_the_mode_says(data: st.DataObject) -> None:
    """Tokens and entities anywhere, spaces between tokens included, against what is asked of each token in turn."""
    register_extensions()
    words = data.draw(st.lists(st.text("北约G", min_size=1, max_size=4), min_size=1, max_size=6))
    spaces = data.draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))
    doc = Doc(spacy.blank("zh").vocab, words=words, spaces=spaces)
    place = st.tuples(st.integers(0, len(doc.text) - 1), st.integers(1, len(doc.text))).filter(lambda pair: pair[0] < pair[1])
    places = data.draw(st.lists(place, unique=True, max_size=4))
    mode: Any = data.draw(st.sampled_from(["strict", "contract", "expand"]))
    entities = [
        {"entity_group": "A", "word": doc.text[a:b], "start": a, "end": b, "score": 1 / (2 + n), "uncertainty": 0.5}
        for n, (a, b) in enumerate(places)
    ]
    expected_spans: dict[tuple[int, int], tuple[int, int]] = {}
    counts = {"exact": 0, "moved": 0, "dropped": 0}
    for a, b in places:
        touched = [token for token in doc if token.idx < b and token.idx + len(token) > a]
        inside = [token for token in touched if token.idx >= a and token.idx + len(token) <= b]
        is_exact = bool(inside) and (inside[0].idx, inside[-1].idx + len(inside[-1])) == (a, b)
        chosen = {"strict": inside if is_exact else [], "contract": inside, "expand": touched}[mode]
        tokens = (chosen[0].i, chosen[-1].i + 1) if chosen else None
        if tokens is None or tokens in expected_spans:
            counts["dropped"] += 1
        else:
            counts["exact" if is_exact else "moved"] += 1
            expected_spans[tokens] = (a, b)
    annotate(doc, entities, spans_key="key", alignment_mode=mode, overwrite_ents=False)
    spans = doc.spans["key"]
    assert doc._.hybrid_ner_alignment == counts
    assert {(s.start, s.end): (s._.provenance["start"], s._.provenance["end"]) for s in spans} == expected_spans
    assert [(s.start, -s.end) for s in spans] == sorted((s.start, -s.end) for s in spans)
    # doc.ents takes no overlap, and nothing that does not overlap is left out of it.
    for span in spans:
        assert span in doc.ents or any(span.start < other.end and other.start < span.end for other in doc.ents)


def test_a_token_that_holds_an_entity_inside(composite_folder: Path, pipe: HybridNerPipeline) -> None:
    """A tokenizer of long words, as word segmenters are."""
    nlp = spacy.blank("zh")
    words = [TEXT[at : at + 7] for at in range(0, len(TEXT), 7)]
    doc = Doc(nlp.vocab, words=words, spaces=[False] * len(words))
    assert doc.text == TEXT
    nlp = with_component(composite_folder, nlp)
    component = nlp.get_pipe("hybrid_ner")
    component(doc)
    counts = doc._.hybrid_ner_alignment
    assert sum(counts.values()) == len(pipe(TEXT))
    assert counts["moved"] > 0
    assert counts["dropped"] > 0  # several in one word
    assert len({(span.start, span.end) for span in doc.spans["hybrid_ner"]}) == len(doc.spans["hybrid_ner"])


LOAD = """
import json, sys, spacy
nlp = spacy.load(sys.argv[1])
docs = nlp.pipe(json.loads(sys.argv[2]))
print(json.dumps([[[span.start_char, span.end_char, span.label_, span._.score] for span in doc.ents] for doc in docs]))
"""


def test_a_saved_pipeline_is_found_and_loaded_by_spacy_alone(composite: HybridNerModel, tmp_path: Path) -> None:
    """In another process that knows of no hybridner, after the model's own folder has gone."""
    composite.save_pretrained(tmp_path / "source")
    nlp = with_component(tmp_path / "source", parameters={"decoding": "nested"})
    before = [[[s.start_char, s.end_char, s.label_, s._.score] for s in doc.ents] for doc in nlp.pipe(TEXTS)]
    nlp.to_disk(tmp_path / "saved")
    (tmp_path / "source").rename(tmp_path / "gone")
    answer = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path / "saved"), json.dumps(TEXTS)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    after = json.loads(answer.stdout)
    assert [[row[:3] for row in doc] for doc in after] == [[row[:3] for row in doc] for doc in before]
    scores = [[row[3] for doc in docs for row in doc] for docs in (after, before)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    # And again, from what was loaded.
    again = spacy.load(tmp_path / "saved")
    again.to_disk(tmp_path / "again")
    assert found(spacy.load(tmp_path / "again")(TEXT).ents) == found(again(TEXT).ents)
    assert again.get_pipe("hybrid_ner").labels == ("State", "System", "Place")


def test_a_pipeline_saved_without_its_model_goes_on_using_its_source(composite_folder: Path, tmp_path: Path) -> None:
    nlp = with_component(composite_folder)
    nlp.get_pipe("hybrid_ner").to_disk(tmp_path / "component", exclude=["model"])
    assert not (tmp_path / "component").exists()
    component = pickle.loads(pickle.dumps(nlp.get_pipe("hybrid_ner")))
    component.from_disk(tmp_path / "component")
    assert found(component(spacy.blank("zh")(TEXT)).ents) == found(nlp(TEXT).ents)


def test_what_cannot_be_is_told(composite_folder: Path, tmp_path: Path) -> None:
    for config, message in (
        ({"alignment_mode": "shrink"}, "alignment_mode must be one of strict, contract, expand; got 'shrink'"),
        ({"parameters": {"llm": {"model": "m", "api_key": "sk-123"}}}, "OPENAI_API_KEY"),
    ):
        with pytest.raises(ModelError, match=message):
            with_component(composite_folder, **config)
    with pytest.raises(ModelError, match="unknown parameter 'treshold'"):
        with_component(composite_folder, parameters={"treshold": 0.3})(TEXT)
    with pytest.raises(ModelError, match="nothing"):
        with_component(tmp_path / "nothing")(TEXT)


def test_a_document_that_fails_is_the_error_handlers(composite_folder: Path) -> None:
    nlp = with_component(composite_folder)
    handled: list[str] = []

    def handle(name: str, component: object, docs: list[Doc], error: Exception) -> None:
        handled.append(type(error).__name__)

    nlp.set_error_handler(handle)
    nlp.get_pipe("hybrid_ner")._parameters["decoding"] = "upwards"
    assert list(nlp.pipe([TEXT, TEXT])) == []
    assert handled == ["ModelError"]


def test_names_that_something_else_has_taken(composite_folder: Path) -> None:
    Span.remove_extension("score")
    Span.set_extension("score", getter=len)
    try:
        with pytest.raises(ModelError, match=r"Span\._\.score has been registered as a method or property"):
            with_component(composite_folder)
    finally:
        Span.remove_extension("score")
        register_extensions()
