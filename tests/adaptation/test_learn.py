from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner import HybridNerModel, OpenAIVerifier
from hybridner.adaptation.adapt import AdaptationSettings
from hybridner.adaptation.learn import learn, learn_answers, learn_calibration, learn_members, reviewed_predictions
from hybridner.adaptation.selection import next_to_annotate
from hybridner.calibration import fit_temperature
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.data.feedback import Review, ReviewedEntity, write_feedback
from hybridner.ensemble import Candidate
from hybridner.errors import DataError
from hybridner.evaluation import evaluate_systems
from hybridner.hybrid.engine import predict_records
from hybridner.hybrid.verification import LlmOptions, open_verification
from hybridner.spans import Record, Span
from tests.support.reading import candidates_of
from tests.support.tiny import small_records


def reviewed(record: Record, model: HybridNerModel, complete: bool = True) -> Review:
    """What somebody who knows the gold entities says about the entities that the model finds."""
    (candidates,) = candidates_of(model, [record.text], batch_size=1)
    found = {Span(c.start, c.end, c.label) for c in candidates if c.is_entity}
    gold = set(record.entities)
    entities = [ReviewedEntity(span, "accepted") for span in sorted(found & gold)]
    for span in sorted(found - gold):
        right = next((other for other in gold - found if other.start < span.end and span.start < other.end), None)
        if right is not None and all(entity.right != right for entity in entities):
            entities.append(ReviewedEntity(right, "corrected", span))
        else:
            entities.append(ReviewedEntity(span, "deleted"))
    known = {entity.right for entity in entities}
    if complete:
        entities += [ReviewedEntity(span, "added") for span in sorted(gold - known)]
    return Review(record.text, tuple(entities), complete)


@pytest.fixture
def model(base: HybridNerModel) -> HybridNerModel:
    return copy.deepcopy(base)


def other_records() -> list[Record]:
    """Another domain: in these sentences 无人机 and 信号 are systems, which the base was never told."""
    records = []
    for number in range(20):
        word = ("无人机", "信号")[number % 2]
        start = ("在", "北约的", "加里宁格勒的")[number % 3]
        text = f"{start}{word}失去了{'！' if number % 5 else '。'}" + "，" * (number // 6)
        spans = [Span(len(start), len(start) + len(word), "System")]
        if start != "在":
            spans.insert(0, Span(0, len(start) - 1, "State" if start[0] == "北" else "Place"))
        records.append(Record(text, tuple(spans), f"n{number}", f"n{number}"))
    return records


def test_reviews_say_the_same_as_the_records_they_come_from(base: HybridNerModel) -> None:
    records = small_records() + other_records()
    reviews = [reviewed(record, base) for record in records]
    assert [review.record.entities for review in reviews] == [record.entities for record in records]
    mine, theirs = reviewed_predictions(base, reviews), predict_records(base, records)
    assert np.array_equal(mine.ballot.spans, theirs.ballot.spans)
    assert np.array_equal(mine.gold, theirs.gold)


def test_of_a_text_not_gone_through_only_what_was_judged_counts(base: HybridNerModel) -> None:
    records = other_records()
    reviews = [reviewed(record, base, complete=False) for record in records]
    predictions = reviewed_predictions(base, reviews)
    for (row, start, end), gold in zip(predictions.ballot.spans.tolist(), predictions.gold.tolist(), strict=True):
        assert predictions.labels[gold] == reviews[row].judged[start, end]
    assert len(predictions.ballot.spans) < len(predict_records(base, records).ballot.spans)
    stranger = Review(records[0].text, (ReviewedEntity(Span(1, 2, "Place"), "added"),))
    with pytest.raises(DataError, match="no opinion on any of the reviewed spans"):
        reviewed_predictions(base, [stranger])


def test_calibration_is_fitted_on_reviews_and_on_what_it_was_fitted_on_before(model: HybridNerModel) -> None:
    reviews = [reviewed(record, model) for record in other_records()]
    old, new = predict_records(model, small_records()), reviewed_predictions(model, reviews)
    logits, gold = np.concatenate([old.ballot.logits, new.ballot.logits]), np.concatenate([old.gold, new.gold])
    both = copy.deepcopy(model)
    learn_calibration(model, reviews)
    learn_calibration(both, reviews, old)
    assert model.config.temperature == pytest.approx(fit_temperature(new.ballot.logits, new.gold))
    assert both.config.temperature == pytest.approx(fit_temperature(logits, gold))
    assert model.config.temperature != pytest.approx(both.config.temperature)
    with pytest.raises(DataError, match="2 reviewed texts are too few"):
        learn_calibration(model, reviews[:2])


def test_judged_answers_of_an_llm_are_added_up_and_used_by_the_pipeline(model: HybridNerModel, tmp_path: Path) -> None:
    record = other_records()[0]
    (span,) = record.entities
    review = Review(
        record.text,
        (ReviewedEntity(span, "accepted", llm_label="O"), ReviewedEntity(Span(0, 1, "Place"), "deleted", llm_label="Place")),
    )
    assert learn_answers(model, [review] * 3, "judge") == 6
    assert learn_answers(model, [review], "judge") == 8
    assert learn_answers(model, [], "other") == 0
    assert model.config.llm_answers == {"judge": [["O", "Place", 4], ["System", "O", 4]]}
    model.save_pretrained(tmp_path)
    loaded = HybridNerModel.from_pretrained(tmp_path)

    def matrix(name: str, **settings: object) -> object:
        options = LlmOptions(OpenAIVerifier(name, "http://127.0.0.1:9/v1", "x"), settings)
        with open_verification(loaded, options) as verification:
            return verification._stage._matrix

    learned = matrix("judge")
    number = {name: index for index, name in enumerate(model.config.labels.with_outside)}
    # This judge is wrong whenever it says something: its answers must not count for what they say.
    assert learned.rows[number["System"]][number["O"]] > learned.rows[number["O"]][number["O"]]
    assert matrix("other") == matrix("judge", accuracy=0.8)
    assert matrix("other") != learned


def test_members_learn_the_new_and_keep_the_old(base: HybridNerModel) -> None:
    new, old = other_records(), small_records()
    settings = AdaptationSettings(epochs=10, batch_size=6, encoder_learning_rate=5e-3, head_learning_rate=1e-2)
    # What was said about a reviewed text before counts no more.
    outdated = Record(new[0].text)
    learned, report = learn_members(base, [reviewed(record, base) for record in new], [*old, outdated], settings)
    assert report["reviewed"] == 20
    assert report["replayed"] == 24
    before, after = (
        {name: evaluate_systems(m, part, ["score"])["strategy:score"].micro.f1 for name, part in (("new", new), ("old", old))}
        for m in (base, learned)
    )
    assert after["new"] > before["new"] + 0.2
    assert after["old"] > before["old"] - 0.05
    assert learned.config.labels == base.config.labels
    with pytest.raises(DataError, match="gone through completely"):
        learn_members(base, [reviewed(new[0], base, complete=False)], old, settings)


def test_members_go_a_part_of_the_way_to_what_they_learned(base: HybridNerModel) -> None:
    reviews = [reviewed(record, base) for record in other_records()[:6]]
    settings = AdaptationSettings(epochs=1, batch_size=6, encoder_learning_rate=5e-3, head_learning_rate=1e-2)
    part, _ = learn_members(base, reviews, small_records(), settings)
    whole, _ = learn_members(base, reviews, small_records(), settings, step=1.0)
    before, after, between = (
        {name: weight for name, weight in m.state_dict().items() if weight.is_floating_point()} for m in (base, whole, part)
    )
    assert any(not torch.allclose(before[name], weight, atol=1e-3) for name, weight in after.items())
    for name, weight in between.items():
        assert torch.allclose(weight, before[name] + 0.75 * (after[name] - before[name]), atol=1e-5), name


def test_members_are_calibrated_on_texts_they_did_not_learn_from(base: HybridNerModel) -> None:
    reviews = [reviewed(record, base, complete=number != 3) for number, record in enumerate(other_records())]
    _, report = learn(base, reviews, replay=small_records())
    assert report["members"]["reviewed"] == 15
    # Every fifth text, and the one that was not gone through.
    assert report["calibration"]["records"] == 5


def made_up_candidates(*uncertainties: float) -> list[Candidate]:
    return [Candidate(0, 1, "State", True, (0.0, 1.0), 1.0, u, {}) for u in uncertainties]


def test_doubtful_texts_come_first_and_repetitions_last() -> None:
    texts = ["俄罗斯部署了干扰机", "俄罗斯部署了干扰机。", "北约的无人机失去信号", "天气很好"]
    rows = [made_up_candidates(0.8, 0.6), made_up_candidates(0.8, 0.59), made_up_candidates(0.5), made_up_candidates(0.01)]
    assert next_to_annotate(texts, rows, 4) == [0, 2, 1, 3]
    assert next_to_annotate(texts, rows, 2) == [0, 2]


#: Sixty-fourths add up without rounding, so that it is plain which sum is the largest.
uncertainties = st.integers(0, 64).map(lambda number: number / 64)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.text("俄北约机信号，", max_size=8), st.lists(uncertainties, max_size=3)), max_size=8),
    st.integers(0, 10),
)
def test_each_text_is_suggested_once(pool: list[tuple[str, list[float]]], count: int) -> None:
    texts, rows = [text for text, _ in pool], [made_up_candidates(*us) for _, us in pool]
    chosen = next_to_annotate(texts, rows, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(pool))
    if chosen:
        doubts = [sum(candidate.uncertainty for candidate in row) for row in rows]
        assert doubts[chosen[0]] == pytest.approx(max(doubts), abs=1e-9)


def test_the_commands(base_folder: Path, base: HybridNerModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(record.text + "\n" for record in other_records()), encoding="utf-8")
    assert main(["suggest", str(base_folder), str(texts), "--count", "3"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({line["text"] for line in lines}) == 3
    feedback, old, better = tmp_path / "reviews.jsonl", tmp_path / "old.jsonl", tmp_path / "better"
    write_feedback([reviewed(record, base) for record in other_records()], feedback)
    write_jsonl(small_records(), old)
    assert main(["learn", str(base_folder), str(feedback), "--output", str(better)]) == 0
    assert "20 texts" in capsys.readouterr().out
    assert HybridNerModel.from_pretrained(better).config.temperature != 1.0
    report = json.loads((better / "learning.json").read_text())
    assert report["complete"] == 20
    assert report["verdicts"]["added"] > 0
    assert main(["learn", str(base_folder), str(feedback), "--output", str(better), "--members"]) == 1
    assert "--replay" in capsys.readouterr().err
    judged = reviewed(other_records()[0], base)
    asked = replace(judged, entities=tuple(replace(e, llm_label="O") for e in judged.entities if e.review != "added"))
    if asked.entities:
        write_feedback([asked] * 5, feedback)
        assert main(["learn", str(base_folder), str(feedback), "--output", str(better)]) == 1
        assert "--llm" in capsys.readouterr().err
