from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner import HybridNerModel, HybridNerPipeline, LabelSet, Span
from hybridner.data import feedback
from hybridner.data.feedback import Review, ReviewedEntity, read_feedback, write_feedback
from hybridner.errors import DataError
from tests.support.tiny import LABELS, TEXT

LABEL_SET = LabelSet.of(LABELS)


def write(path: Path, *items: object) -> Path:
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
    return path


def entity(**changes: object) -> dict[str, object]:
    return {"start": 6, "end": 9, "label": "State", "review": "accepted", **changes}


def test_the_example_in_the_documentation_is_read(tmp_path: Path) -> None:
    example = (feedback.__doc__ or "").split("\n\n")[1]
    path = tmp_path / "reviews.jsonl"
    path.write_text(" ".join(textwrap.dedent(example).split("\n")) + "\n", encoding="utf-8")
    labels = LabelSet.of(["Adversary States", "Engagement Location", "Engagement Time", "Offensive Systems"])
    (review,) = read_feedback(path, labels)
    assert review.complete
    assert [(review.text[s.start : s.end], s.label) for s in review.record.entities] == [
        ("2023年", "Engagement Time"),
        ("俄罗斯", "Adversary States"),
        ("叙利亚", "Engagement Location"),
    ]
    words = {review.text[start:end]: label for (start, end), label in review.judged.items()}
    assert words == {
        "俄罗斯": "Adversary States",
        "叙利亚": "Engagement Location",
        "叙利": "O",
        "2023年": "Engagement Time",
        "干扰机": "O",
    }
    # The LLM was asked about the span that the model had found, and that one is no entity.
    assert review.llm_answers == [("O", "O")]


spans = st.builds(
    lambda start, length, label: Span(start, min(start + length, len(TEXT)), label),
    st.integers(0, len(TEXT) - 1),
    st.integers(1, 6),
    st.sampled_from(LABELS),
)


@st.composite
def reviews(draw: st.DrawFn) -> Review:
    found = draw(st.lists(spans, max_size=5, unique_by=lambda span: (span.start, span.end)))
    entities = []
    for span in found:
        verdict = draw(st.sampled_from(feedback.VERDICTS))
        was = draw(spans.filter(lambda other, mine=span: other != mine)) if verdict == "corrected" else None
        asked = None if verdict == "added" else draw(st.none() | st.sampled_from(("O", *LABELS)))
        entities.append(ReviewedEntity(span, verdict, was, asked))
    return Review(
        TEXT, tuple(entities), draw(st.booleans()), draw(st.sampled_from(["", "news"])), draw(st.sampled_from(["", "7"]))
    )


@given(st.lists(reviews(), min_size=1, max_size=4))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, written: list[Review]) -> None:
    path = tmp_path_factory.mktemp("feedback") / "reviews.jsonl"
    assert write_feedback(written, path) == len(written)
    assert read_feedback(path, LABEL_SET) == written


@given(reviews())
def test_every_judged_span_has_one_true_label(review: Review) -> None:
    judged = review.judged
    for item in review.entities:
        if item.right is not None:
            assert judged[item.right.start, item.right.end] == item.right.label
        if item.found is not None:
            assert (item.found.start, item.found.end) in judged
    assert {label for label in judged.values() if label != "O"} == {span.label for span in review.record.entities}
    assert len(review.llm_answers) == sum(item.llm_label is not None for item in review.entities)


def test_the_output_of_the_pipeline_becomes_feedback_with_one_more_key(composite: HybridNerModel, tmp_path: Path) -> None:
    found = HybridNerPipeline(composite, device="cpu")(TEXT)
    assert len(found) > 1
    entities = [{**e, "label": e["entity_group"]} for e in found]
    entities[0]["review"] = "deleted"
    (review,) = read_feedback(write(tmp_path / "reviews.jsonl", {"text": TEXT, "entities": entities}), composite.config.labels)
    assert not review.complete
    assert review.judged == {(found[0]["start"], found[0]["end"]): "O"}


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"entities": [], "complete": True}, r"line 1: `text` must be a string"),
        ({"text": TEXT, "complete": True}, r"`entities` must be a list"),
        ({"text": TEXT, "entities": [], "complete": "yes"}, r"`complete` must be true or false, not 'yes'"),
        ({"text": TEXT, "entities": [entity(review="ok")]}, r"line 1, entity 0: `review` must be one of accepted, corrected"),
        ({"text": TEXT, "entities": [entity(end=900)]}, r"entity 0.*does not fit a text of"),
        ({"text": TEXT, "entities": [entity(start="6")]}, r"whole numbers"),
        ({"text": TEXT, "entities": [entity(label="Ship")]}, r"`label` must be one of State, System, Place, not 'Ship'"),
        ({"text": TEXT, "entities": [entity(label=None)]}, r"`label` must be a non-empty string"),
        ({"text": TEXT, "entities": [entity(word="北约")]}, r"`word` is '北约', but the text has '俄罗斯' there"),
        ({"text": TEXT, "entities": [entity(review="corrected")]}, r"needs `was`"),
        ({"text": TEXT, "entities": [entity(review="corrected", was=entity())]}, r"`was` is the same"),
        ({"text": TEXT, "entities": [entity(review="corrected", was={"start": 1})]}, r"entity 0, was"),
        ({"text": TEXT, "entities": [entity(llm_label="Ship")]}, r"`llm_label` must be one of O, State"),
        ({"text": TEXT, "entities": [entity(), entity(label="Place")]}, r"line 1: \[6, 9\) is given two labels"),
        ({"text": TEXT, "entities": [entity(), entity(review="deleted")]}, r"deleted and right at the same time"),
        ({"text": TEXT, "complete": True, "entities": [entity(review=None)]}, r"no `review` although"),
        ({"text": TEXT, "complete": False, "entities": [3]}, r"expected an object, not int"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, item: dict[str, object], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_feedback(write(tmp_path / "reviews.jsonl", item), LABEL_SET)


def test_a_file_without_a_review_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the file is empty"):
        read_feedback(write(tmp_path / "empty.jsonl"), LABEL_SET)
    with pytest.raises(DataError, match="no such file"):
        read_feedback(tmp_path / "nowhere.jsonl", LABEL_SET)
