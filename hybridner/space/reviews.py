"""What visitors judged, as their browsers send it: checked, as records, and as files of other formats."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridner.data.feedback import Review, read_feedback, write_feedback
from hybridner.data.formats import WRITABLE
from hybridner.data.formats.json_records import write_lines
from hybridner.data.writing import write_records
from hybridner.display import show
from hybridner.errors import DataError
from hybridner.space.errors import VisitorError
from hybridner.spans import NON_ENTITY, LabelSet, Span

#: What a review can be exported as: hybridner's own reviews, a page of marked text, and what `hybridner data convert` writes.
EXPORTS = ("feedback", "html", *WRITABLE)
_SUFFIXES = {"feedback": "jsonl", "html": "html", "conll": "conll", "label-studio": "json", "brat": "zip"}


@dataclass(frozen=True)
class Export:
    """A file for a visitor."""

    name: str
    content: bytes


def read_reviews(items: object, labels: LabelSet) -> list[Review]:
    """Reviews that a browser sends, each in the form of a line that `hybridner learn` reads.

    Raises:
        VisitorError: they are not in that form.
    """
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise VisitorError("bad_review", reason="items")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reviews.jsonl"
        # "entities" and "complete" tell the form, also where nothing was judged.
        write_lines(({"complete": False, "entities": [], **item} for item in items), path)
        try:
            return read_feedback(path, labels)
        except DataError as error:
            raise VisitorError("bad_review", reason=str(error).replace(f"{path}, ", "")) from None


def export_reviews(reviews: Sequence[Review], format: str, labels: LabelSet, name: str) -> Export:
    """The reviews as a file of one of `EXPORTS`; brat's folder of files as an archive.

    Raises:
        VisitorError: another format, or one that cannot hold these entities.
    """
    if format not in EXPORTS:
        raise VisitorError("bad_review", reason=format)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        try:
            if format == "html":
                path.write_text(str(show([review.record for review in reviews], labels=labels)), encoding="utf-8")
            elif format == "feedback":
                write_feedback(reviews, path)
            else:
                write_records((review.record for review in reviews), path, format)
        except DataError as error:
            raise VisitorError("bad_review", reason=str(error).replace(str(path), format)) from None
        content = _zipped(path) if path.is_dir() else path.read_bytes()
    return Export(f"{name}.{_SUFFIXES.get(format, 'jsonl')}", content)


def browser_item(review: Review) -> dict[str, Any]:
    """What the page's script keeps of a review: the entities that were judged, and whether the text is done."""
    touched = [
        {**_span(entity.span), "review": entity.review, **({"was": _span(entity.was)} if entity.was else {})}
        for entity in review.entities
    ]
    return {"touched": touched, "complete": review.complete}


def review_key(review: Review) -> str:
    """Tells a text of a queue from the others."""
    return json.dumps([review.id, review.text])


def _span(span: Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "label": None if span.label == NON_ENTITY else span.label}


def _zipped(folder: Path) -> bytes:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return target.read_bytes()
