"""Reviews as browsers send them: checked, exported in every format, and kept on the server's disk."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hybridner.data.feedback import Review, ReviewedEntity, read_feedback
from hybridner.data.formats import WRITABLE
from hybridner.data.reading import read_records
from hybridner.errors import OutputError
from hybridner.space.errors import VisitorError
from hybridner.space.review_store import ReviewStore, queue_id
from hybridner.space.reviews import EXPORTS, browser_item, export_reviews, read_reviews
from hybridner.spans import LabelSet, Span

LABELS = LabelSet.of(["LOC", "ORG"])
TEXT = "🛰北京大学在上海"
#: As the page's script makes it.
ITEM: dict[str, Any] = {
    "id": "s1",
    "text": TEXT,
    "complete": True,
    "entities": [
        {"start": 1, "end": 5, "label": "ORG", "review": "corrected", "was": {"start": 1, "end": 3, "label": "LOC"}},
        {"start": 6, "end": 8, "label": "LOC", "review": "added"},
        {"start": 3, "end": 5, "label": "LOC", "review": "deleted"},
    ],
}
RIGHT = (Span(1, 5, "ORG"), Span(6, 8, "LOC"))


def test_a_browsers_review_is_one_that_learn_reads() -> None:
    (review,) = read_reviews([ITEM], LABELS)
    assert (review.id, review.text, review.complete, review.record.entities) == ("s1", TEXT, True, RIGHT)
    item = browser_item(review)
    assert item["complete"]
    assert [entry["review"] for entry in item["touched"]] == ["corrected", "added", "deleted"]
    assert read_reviews([{**ITEM, "entities": item["touched"]}], LABELS) == [review], "there and back"


def test_a_text_in_which_nothing_was_judged_is_a_review_too() -> None:
    (review,) = read_reviews([{"text": "没有", "complete": True, "entities": []}], LABELS)
    assert review == Review("没有", (), True)


@pytest.mark.parametrize(
    "items",
    [
        *(None, [], [5], {}, [{"text": 5}], [{**ITEM, "entities": "x"}]),
        [{**ITEM, "entities": [{"start": 0, "end": 99, "label": "LOC"}]}],
        [{**ITEM, "entities": [{"start": 0, "end": 1, "label": "PER", "review": "added"}]}],
    ],
)
def test_what_is_no_review_is_told(items: object) -> None:
    with pytest.raises(VisitorError, match="cannot be used") as error:
        read_reviews(items, LABELS)
    assert "/tmp" not in str(error.value), "no path of the server"


@pytest.mark.parametrize("name", [name for name in EXPORTS if name not in ("html", "feedback")])
def test_every_format_that_can_be_written_is_read_back(tmp_path: Path, name: str) -> None:
    flat = {**ITEM, "entities": ITEM["entities"][:2]}
    file = export_reviews(read_reviews([flat], LABELS), name, LABELS, "review")
    path = tmp_path / file.name
    path.write_bytes(file.content)
    if path.suffix == ".zip":
        zipfile.ZipFile(io.BytesIO(file.content)).extractall(tmp_path / "folder")
        path = tmp_path / "folder"
    (record,) = read_records(path)
    assert (record.text, record.entities) == (TEXT, RIGHT)


def test_reviews_are_exported_for_learn_and_to_look_at(tmp_path: Path) -> None:
    assert set(WRITABLE) < set(EXPORTS)
    reviews = read_reviews([ITEM], LABELS)
    (tmp_path / "f.jsonl").write_bytes(export_reviews(reviews, "feedback", LABELS, "f").content)
    assert read_feedback(tmp_path / "f.jsonl", LABELS) == reviews
    html = export_reviews(reviews, "html", LABELS, "f").content.decode()
    assert html.count("<mark") == 2
    with pytest.raises(VisitorError):
        export_reviews(reviews, "guess", LABELS, "f")


def test_a_queue_on_the_disk_holds_the_latest_review_of_each_text(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path / "reviews")
    queue = queue_id("model", ["甲", "乙"])
    first = Review("甲", (ReviewedEntity(Span(0, 1, "LOC"), "accepted"),))
    second, again = Review("乙", (), True), Review("甲", (), True)
    assert store.read(queue, LABELS) == []
    assert [store.save(queue, review, LABELS) for review in (first, second, again)] == [1, 2, 2]
    assert store.read(queue, LABELS) == [again, second]
    assert read_feedback(tmp_path / "reviews" / f"{queue}.jsonl", LABELS) == [again, second]
    assert store.read(queue, LabelSet.of(["X"])) == [again, second]
    store.save(queue, first, LABELS)
    assert store.read(queue, LabelSet.of(["X"])) == [], "made for other types"


def test_queues_differ_by_their_texts_and_models() -> None:
    assert len({queue_id("m", ["甲"]), queue_id("n", ["甲"]), queue_id("m", ["甲", "乙"]), queue_id("m", ["乙", "甲"])}) == 4
    assert queue_id("m", ["甲"]) == queue_id("m", ["甲"])


@pytest.mark.parametrize("queue", ["", "../../etc/passwd", "A" * 16, "0" * 15, "0" * 17])
def test_no_path_comes_from_a_visitor(tmp_path: Path, queue: str) -> None:
    with pytest.raises(VisitorError):
        ReviewStore(tmp_path).save(queue, Review("甲", ()), LABELS)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises((OutputError, OSError)):
        ReviewStore(tmp_path / "file").save("0" * 16, Review("甲", ()), LABELS)


def test_visitors_cannot_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridner.space import review_store

    monkeypatch.setattr(review_store, "_QUEUES", 1)
    monkeypatch.setattr(review_store, "_REVIEWS", 1)
    store = ReviewStore(tmp_path)
    store.save("0" * 16, Review("甲", ()), LABELS)
    for queue, text in (("0" * 16, "乙"), ("1" * 16, "甲")):
        with pytest.raises(VisitorError, match="no room"):
            store.save(queue, Review(text, ()), LABELS)
    assert store.save("0" * 16, Review("甲", (), True), LABELS) == 1
    assert len(json.loads((tmp_path / f"{'0' * 16}.jsonl").read_text())) >= 3
