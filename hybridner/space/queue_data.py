"""A queue of texts as the page's script is given it: findings, doubt, and what was judged before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridner.data.feedback import Review
from hybridner.ensemble import Threshold
from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.result_data import ResultData, doubt
from hybridner.space.review_store import ReviewStore, queue_id
from hybridner.space.reviews import browser_item
from hybridner.space.uploads import UploadedText
from hybridner.spans import LabelSet


def queue_data(
    name: str,
    texts: Sequence[UploadedText],
    analyzed: Sequence[AnalyzedText],
    threshold: Threshold,
    view: ResultData,
    reviews: Sequence[Review] = (),
    store: ReviewStore | None = None,
) -> dict[str, Any]:
    """Everything about a queue.

    Args:
        name: of the file.
        texts: of the file, with their ids.
        analyzed: the same texts as the model read them.
        threshold: above which entities are to be checked.
        view: in the page's language.
        reviews: that the file itself holds.
        store: where reviews are kept on the server; what it knows of this queue goes before what the file holds.
    """
    model = analyzed[0].model
    labels: LabelSet = view.labels.labels
    queue = queue_id(model, [one.text for one in texts])
    known = {(one.id, one.text): one for one in (*reviews, *(store.read(queue, labels) if store else ()))}
    items = []
    for given, one in zip(texts, analyzed, strict=True):
        review = known.get((given.id, given.text))
        items.append(
            {
                "id": given.id,
                "text": given.text,
                "doubt": round(doubt(one), 3),
                "found": view.found(one, threshold),
                **(browser_item(review) if review else {"touched": [], "complete": False}),
            }
        )
    return {
        "id": queue,
        "name": name,
        "model": model,
        "order": "file" if all(one.is_suggested for one in texts) else "doubt",
        "saves": store is not None,
        "types": view.types(),
        "items": items,
    }
