"""Examples for the LLM: the labelled spans that SpanNER finds most like a candidate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hybridner import HybridNerModel
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.ensemble import decide_predictions
from hybridner.errors import DataError, ModelError
from hybridner.hybrid import ExampleIndex, predict_records
from hybridner.hybrid.examples import span_states
from hybridner.llm import Example
from hybridner.spans import Record, Span
from tests.support.reading import candidates_of
from tests.support.tiny import TEXT, small_records


@pytest.fixture(scope="module")
def index(composite: HybridNerModel) -> ExampleIndex:
    return ExampleIndex.build(composite, small_records())


def test_span_vectors_hold_what_the_scores_are_made_of(composite: HybridNerModel) -> None:
    """sᵀy of the concatenated vectors and label vectors is the additive score."""
    spanner = composite.spanner
    assert spanner is not None
    (states,) = span_states(composite, [TEXT], 4)
    spans = torch.tensor([(0, start, start + length) for start in range(len(TEXT) - 6) for length in range(1, 7)])
    boundary, lengths = spanner.boundary, spanner.decoder.length_logits
    with torch.inference_mode():
        labels = torch.cat([boundary.start.weight, boundary.end.weight, lengths.projection.weight], dim=1)
        expected, scored = spanner.decoder.span_logits(boundary(states[None]), spans)
        assert scored.all()
        torch.testing.assert_close(spanner.span_vectors(states[None], spans) @ labels.T + boundary.bias, expected)


def test_states_of_a_long_text_do_not_depend_on_the_batch(composite: HybridNerModel) -> None:
    texts = [TEXT * 4, "", TEXT[:5]]
    together = span_states(composite, texts, 8)
    assert [len(states) for states in together] == [len(text) for text in texts]
    for text, states in zip(texts, together, strict=True):
        (alone,) = span_states(composite, [text], 1)
        torch.testing.assert_close(states, alone, rtol=1e-4, atol=1e-5)


def test_every_gold_entity_and_what_is_nearly_one_is_indexed(composite: HybridNerModel, index: ExampleIndex) -> None:
    gold = {Example(record.text, *span) for record in small_records() for span in record.entities}
    assert gold == {example for example in index.examples if example.label != "O"}
    assert len(set(index.examples)) == len(index.examples)
    others = [example for example in index.examples if example.label == "O"]
    assert others
    places = {(example.text, example.start, example.end) for example in gold}
    assert all((example.text, example.start, example.end) not in places for example in others)
    np.testing.assert_allclose(np.linalg.norm(index.vectors, axis=1), 1.0, atol=1e-3)


def test_the_nearest_by_vector_and_by_characters_come_in_turn(composite: HybridNerModel, index: ExampleIndex) -> None:
    candidates = candidates_of(composite, [TEXT], batch_size=4)
    find = index.finder(composite, [TEXT], candidates, 1)
    (states,) = span_states(composite, [TEXT], 4)
    assert composite.spanner is not None
    for candidate in candidates[0]:
        vector = composite.spanner.span_vectors(states[None], torch.tensor([(0, candidate.start, candidate.end)]))[0]
        cosines = index.vectors @ (vector / vector.norm()).numpy()
        (nearest,) = find(0, candidate)
        by_example = dict(zip(index.examples, cosines, strict=True))
        np.testing.assert_allclose(by_example[nearest], cosines.max(), atol=1e-3)
    # A vector that is like nothing leaves the choice to the characters.
    nothing = np.zeros(index.vectors.shape[1], dtype=np.float32)
    found = index.nearest(nothing, "他说叙利亚好。", 2, 5, 3)
    assert "叙利亚" in {example.words for example in found}


def test_a_span_finds_itself_in_another_sentence_but_never_in_its_own(composite: HybridNerModel, index: ExampleIndex) -> None:
    text = small_records()[0].text
    candidate = replace(candidates_of(composite, [TEXT], batch_size=4)[0][0], start=0, end=3)
    for whole in (text, f"前面的话。{text}"):
        shifted = replace(candidate, start=whole.index(text), end=whole.index(text) + 3)
        examples = index.finder(composite, [whole], [[shifted]], len(index.examples))(0, shifted)
        assert examples
        assert all(example.text not in whole for example in examples)
    other = text.replace("。", "").replace("！", "") + "吗？"
    (nearest,) = index.finder(composite, [other], [[candidate]], 1)(0, candidate)
    assert nearest.text[nearest.start : nearest.end] == other[:3]


def test_doubtful_out_of_fold_candidates_are_indexed_with_their_true_labels(
    composite: HybridNerModel, tmp_path: Path, index: ExampleIndex
) -> None:
    records = small_records()
    predictions = predict_records(composite, records)
    rows = decide_predictions(predictions, composite.decision_settings)
    built = ExampleIndex.build(composite, predictions)
    gold = {Example(record.text, *span) for record in records for span in record.entities}
    threshold = composite.config.review_threshold
    doubtful = {
        Example(record.text, c.start, c.end, "O")
        for record, row in zip(records, rows, strict=True)
        for c in row
        if c.kind and threshold.exceeded(c.label, c.uncertainty)
    }
    doubtful = {e for e in doubtful if not any((e.text, e.start, e.end) == (g.text, g.start, g.end) for g in gold)}
    assert doubtful
    assert set(built.examples) == gold | doubtful
    predictions.save(tmp_path / "oof.parquet")
    again = ExampleIndex.build(composite, tmp_path / "oof.parquet")
    assert again.examples == built.examples
    assert {record.text: record.entities for record in built.sentences} == {r.text: r.entities for r in records}
    with pytest.raises(DataError, match="other labels"):
        ExampleIndex.build(composite, replace(predictions, labels=("O", "A", "B", "C")))


def test_an_index_is_the_same_after_saving(index: ExampleIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "new" / "examples.parquet")
    again = ExampleIndex.load(tmp_path / "new" / "examples.parquet")
    assert again.examples == index.examples
    assert again.vectors.dtype == index.vectors.dtype
    assert (again.vectors == index.vectors).all()


def test_the_command_makes_the_same_index(
    composite: HybridNerModel, composite_folder: Path, index: ExampleIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(small_records(), tmp_path / "train.jsonl")
    assert main(["examples", str(composite_folder), str(tmp_path / "train.jsonl"), "--output", str(tmp_path / "e.parquet")]) == 0
    loaded = ExampleIndex.of(tmp_path / "e.parquet", composite)
    assert loaded.examples == index.examples
    assert str(sum(example.label != "O" for example in index.examples)) in capsys.readouterr().out


def test_an_index_of_another_model_is_refused(index: ExampleIndex, make_member: Callable, tmp_path: Path) -> None:
    other = HybridNerModel.assemble({"spanner": make_member("spanner", 77)})
    wider = HybridNerModel.assemble({"spanner": make_member("spanner", 3, rnn_hidden_size=24)})
    for model in (other, wider):
        with pytest.raises(ModelError, match="another SpanNER"):
            ExampleIndex.of(index, model)
    with pytest.raises(ModelError, match="no SpanNER"):
        ExampleIndex.of(index, HybridNerModel.assemble({"a": make_member("bert-bilstm-crf")}))
    with pytest.raises(ModelError, match="not list"):
        ExampleIndex.of([], other)


def test_labels_that_the_model_does_not_know_are_refused(composite: HybridNerModel, index: ExampleIndex) -> None:
    strange = ExampleIndex(tuple(replace(example, label="Planet") for example in index.examples), index.vectors)
    with pytest.raises(ModelError, match="'Planet'"):
        ExampleIndex.of(strange, composite)


def test_files_that_hold_no_examples(composite: HybridNerModel, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "other.parquet")
    (tmp_path / "text").write_text("no parquet")
    for name, problem in (("other.parquet", "holds no examples"), ("text", "as Parquet"), ("none", "as Parquet")):
        with pytest.raises(DataError, match=problem):
            ExampleIndex.load(tmp_path / name)
    with pytest.raises(DataError, match="no labelled span"):
        ExampleIndex.build(composite, [Record("")])


def test_records_of_no_entity_still_give_examples_of_none(composite: HybridNerModel) -> None:
    index = ExampleIndex.build(composite, [Record(TEXT), Record(""), Record(TEXT, (Span(0, 2, "State"),))])
    assert {example.label for example in index.examples} == {"O", "State"}
