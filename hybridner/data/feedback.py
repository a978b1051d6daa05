"""What people said about a model's entities: one JSON object a line for each text that somebody looked at.

    {"text": "2023年，俄罗斯在叙利亚部署了干扰机。", "complete": true, "domain": "news", "entities": [
        {"start": 6, "end": 9, "label": "Adversary States", "review": "accepted"},
        {"start": 10, "end": 13, "label": "Engagement Location", "review": "corrected",
         "was": {"start": 10, "end": 12, "label": "Adversary States"}, "llm_label": "O"},
        {"start": 0, "end": 5, "label": "Engagement Time", "review": "added"},
        {"start": 16, "end": 19, "label": "Offensive Systems", "review": "deleted"}]}

`start`, `end` and `label` say what is right, but for a deleted entity, where they say what the model had found. `was` is what
stood in place of a corrected one. `llm_label` is the LLM's answer about the span the model had found ("O" for Non-Entity), where
one was asked. `complete` says that the whole text was gone through, so that what is not listed is no entity; without it only what
is listed counts. Entities without `review` were not looked at, and other keys are left alone, so that the pipeline's own output
can be passed on.

What a team reviewed in a tool of its own (Label Studio, Argilla, Prodigy, Doccano, brat: any format that `read_records` knows) is
read as reviews of whole texts. Where the file keeps what the model had proposed, that tells what was accepted, corrected, deleted
and added; elsewhere every entity counts as added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from hybridner.data.decoding import open_text
from hybridner.data.formats.base import AnnotatedRecord, JsonObject
from hybridner.data.formats.columns import is_parquet
from hybridner.data.formats.json_records import write_lines
from hybridner.data.formats.json_stream import iter_objects
from hybridner.data.reading import iter_annotated
from hybridner.data.texts import is_json_line
from hybridner.errors import DataError
from hybridner.spans import NON_ENTITY, LabelSet, Record, Span, checked_record

Verdict = Literal["accepted", "corrected", "deleted", "added"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class ReviewedEntity:
    """One entity that somebody judged.

    Attributes:
        span: what is right; of a deleted entity what the model had found.
        review: the verdict.
        was: what the model had found in place of a corrected entity.
        llm_label: what an LLM had said about the span that the model had found.
    """

    span: Span
    review: Verdict
    was: Span | None = None
    llm_label: str | None = None

    @property
    def found(self) -> Span | None:
        """What the model had found; None for an added entity."""
        return None if self.review == "added" else self.was or self.span

    @property
    def right(self) -> Span | None:
        """What is right; None for a deleted entity."""
        return None if self.review == "deleted" else self.span


@dataclass(frozen=True, slots=True)
class Review:
    """A text that somebody looked at.

    Attributes:
        text: as the model read it.
        entities: those that were judged.
        complete: whether everything else in the text is no entity.
        domain: where the text comes from, in the user's own words.
        id: of the text, where it has one.
    """

    text: str
    entities: tuple[ReviewedEntity, ...]
    complete: bool = False
    domain: str = ""
    id: str = ""

    @property
    def record(self) -> Record:
        """The text with the entities that are right; all of its entities when the review is complete."""
        return Record(self.text, tuple(sorted({entity.right for entity in self.entities if entity.right is not None})), self.id)

    @property
    def judged(self) -> dict[tuple[int, int], str]:
        """The true label ("O" for none) of every span that was judged."""
        found = {(span.start, span.end): NON_ENTITY for entity in self.entities if (span := entity.found) is not None}
        return found | {(span.start, span.end): span.label for span in self.record.entities}

    @property
    def llm_answers(self) -> list[tuple[str, str]]:
        """(true label, the LLM's label) of every judged span that an LLM was asked about, as `ConfusionMatrix.fit` wants them."""
        judged = self.judged
        return [
            (judged[span.start, span.end], entity.llm_label)
            for entity in self.entities
            if entity.llm_label is not None and (span := entity.found) is not None
        ]


def read_feedback(path: str | Path, labels: LabelSet) -> list[Review]:
    """Read and check a file of reviews, in the form above or as a tool exports them.

    Raises:
        DataError: the file cannot be read, or a review is not in the form above; the message names line, entity and field.
    """
    path = Path(path)
    if path.is_file() and not is_parquet(path) and (items := _own_items(path)) is not None:
        reviews = [_review(item, where, labels) for where, item in items]
    else:
        reviews = [_reviewed(annotated, labels, path) for annotated in iter_annotated(path)]
    if not reviews:
        raise DataError("holds no review", str(path))
    return reviews


def _own_items(path: Path) -> list[tuple[str, JsonObject]] | None:
    """The objects of a file in the form above; None for one of another form."""
    first = next((line for line in open_text(path) if line.strip()), "")
    if not is_json_line(first):
        return None
    items = list(iter_objects(path))
    return items if any(_is_own(item) for _, item in items) else None


def _is_own(item: JsonObject) -> bool:
    entities = item.get("entities")
    reviewed = isinstance(entities, list) and any(isinstance(entity, dict) and "review" in entity for entity in entities)
    return "complete" in item or reviewed


def _reviewed(annotated: AnnotatedRecord, labels: LabelSet, path: Path) -> Review:
    """A text as it was reviewed in a tool, against what the model had proposed."""
    record = annotated.record
    if annotated.scores:
        raise DataError(
            "holds a model's entities with their scores, and nothing that says that somebody reviewed them; review them first, "
            "in a tool for which `hybridner data convert` writes them",
            f"{path}, record {record.id}",
        )
    for span in record.entities:
        if span.label not in labels.names:
            raise DataError(f"the label {span.label!r} is none of {', '.join(labels.names)}", f"{path}, record {record.id}")
    proposed = list(annotated.proposed or ())
    entities: list[ReviewedEntity] = []
    left = [span for span in proposed if span not in record.entities]
    for span in record.entities:
        was = next((other for other in left if other.start < span.end and span.start < other.end), None)
        if span in proposed:
            entities.append(ReviewedEntity(span, "accepted"))
        elif was is not None:
            left.remove(was)
            entities.append(ReviewedEntity(span, "corrected", was))
        else:
            entities.append(ReviewedEntity(span, "added"))
    right = {(span.start, span.end) for span in record.entities}
    entities += [ReviewedEntity(span, "deleted") for span in left if (span.start, span.end) not in right]
    return Review(record.text, tuple(entities), True, "", record.id)


def write_feedback(reviews: Iterable[Review], path: str | Path) -> int:
    """Write what `read_feedback` reads; returns how many reviews."""
    return write_lines(map(_item, reviews), path)


def _review(item: Mapping[str, Any], where: str, labels: LabelSet) -> Review:
    text, complete = item.get("text"), item.get("complete", False)
    if not isinstance(text, str):
        raise DataError("`text` must be a string", where)
    if not isinstance(complete, bool):
        raise DataError(f"`complete` must be true or false, not {complete!r}", where)
    if not isinstance(item.get("entities"), list):
        raise DataError("`entities` must be a list", where)
    entities = []
    for number, entity in enumerate(item["entities"]):
        at = f"{where}, entity {number}"
        if not isinstance(entity, dict):
            raise DataError(f"expected an object, not {type(entity).__name__}", at)
        if entity.get("review") is not None:
            entities.append(_entity(entity, text, labels, at))
        elif complete:
            raise DataError("has no `review` although the text is said to be gone through completely (`complete`)", at)
    review = Review(text, tuple(entities), complete, str(item.get("domain") or ""), str(item.get("id") or ""))
    _check_consistent(review, where)
    return review


def _entity(item: Mapping[str, Any], text: str, labels: LabelSet, where: str) -> ReviewedEntity:
    verdict = item["review"]
    if verdict not in VERDICTS:
        raise DataError(f"`review` must be one of {', '.join(VERDICTS)}, not {verdict!r}", where)
    span = _span(item, text, labels, where)
    was = None
    if verdict == "corrected":
        if not isinstance(item.get("was"), dict):
            raise DataError("a corrected entity needs `was`: {start, end, label} of what the model had found", where)
        was = _span(item["was"], text, labels, f"{where}, was")
        if was == span:
            raise DataError('`was` is the same as the entity itself; say "accepted", or what was changed', where)
    llm_label = item.get("llm_label")
    if llm_label is not None and llm_label not in labels.with_outside:
        raise DataError(f"`llm_label` must be one of {', '.join(labels.with_outside)}, not {llm_label!r}", where)
    return ReviewedEntity(span, verdict, was, llm_label)


def _span(item: Mapping[str, Any], text: str, labels: LabelSet, where: str) -> Span:
    given: Any = [(item.get("start"), item.get("end"), item.get("label"))]
    (span,) = checked_record(text, given, where=where).entities
    if span.label not in labels.names:
        raise DataError(f"`label` must be one of {', '.join(labels.names)}, not {span.label!r}", where)
    if "word" in item and item["word"] != text[span.start : span.end]:
        raise DataError(f"`word` is {item['word']!r}, but the text has {text[span.start : span.end]!r} there", where)
    return span


def _check_consistent(review: Review, where: str) -> None:
    """Raises:
    DataError: the same span is given twice with different labels, or is said to be right and deleted.
    """
    right = [span for entity in review.entities if (span := entity.right) is not None]
    for span in right:
        if any((other.start, other.end) == (span.start, span.end) and other.label != span.label for other in right):
            raise DataError(f"[{span.start}, {span.end}) is given two labels", where)
    for entity in review.entities:
        if entity.review == "deleted" and entity.span in right:
            raise DataError(f"[{entity.span.start}, {entity.span.end}) is deleted and right at the same time", where)


def _item(review: Review) -> dict[str, Any]:
    names = {key: value for key, value in (("id", review.id), ("domain", review.domain)) if value}
    entities = []
    for entity in review.entities:
        was = {"was": entity.was._asdict()} if entity.was is not None else {}
        llm = {"llm_label": entity.llm_label} if entity.llm_label is not None else {}
        entities.append({**entity.span._asdict(), "review": entity.review, **was, **llm})
    return {**names, "text": review.text, "complete": review.complete, "entities": entities}
