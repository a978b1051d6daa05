"""Reviews on the server's disk, where the operator allows it: for each queue a file that `hybridner learn` reads."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Sequence
from pathlib import Path

from hybridner.data.feedback import Review, read_feedback, write_feedback
from hybridner.errors import DataError
from hybridner.space.errors import VisitorError
from hybridner.space.reviews import review_key
from hybridner.spans import LabelSet

#: Queues that one folder holds at most, and reviews of one of them: visitors must not fill the disk.
_QUEUES, _REVIEWS = 1_000, 10_000
_ID = re.compile(r"[0-9a-f]{16}")


def queue_id(model: str, texts: Sequence[str]) -> str:
    """The same texts before the same model are the same queue, whoever opens it."""
    return hashlib.sha256("\0".join((model, *texts)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class ReviewStore:
    """A folder of reviews.

    Args:
        folder: made when the first review comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def read(self, queue: str, labels: LabelSet) -> list[Review]:
        """The reviews of a queue; none where there are none, or where the file was made for other types."""
        path = self._path(queue)
        try:
            return read_feedback(path, labels) if path.is_file() else []
        except DataError:
            return []

    def save(self, queue: str, review: Review, labels: LabelSet) -> int:
        """Put a review in the place of the one of the same text; returns how many there are then.

        Raises:
            VisitorError: no queue's id, or too much.
            OutputError: the disk does not take it.
        """
        path = self._path(queue)
        with self._lock:
            if not path.is_file() and sum(1 for _ in self.folder.glob("*.jsonl")) >= _QUEUES:
                raise VisitorError("store_full")
            known = {review_key(one): one for one in self.read(queue, labels)}
            known[review_key(review)] = review
            if len(known) > _REVIEWS:
                raise VisitorError("store_full")
            return write_feedback(known.values(), path)

    def _path(self, queue: str) -> Path:
        if not _ID.fullmatch(queue):
            raise VisitorError("bad_review", reason="queue")
        return self.folder / f"{queue}.jsonl"
