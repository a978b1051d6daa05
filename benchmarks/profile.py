"""Which share of the pipeline's time each of its steps takes: `python -m benchmarks.profile TEXTS COMPOSITE...`."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel
from transformers.utils import logging

from benchmarks.side_by_side import report
from hybridner import HybridNerPipeline
from hybridner.data import read_records
from hybridner.export import OnnxHybridNerModel
from hybridner.hybrid import CompositeModel, ballots, engine, entity_dicts, modeling_hybrid, reading
from hybridner.models import SpannerHead, TaggerHead
from hybridner.models.decoders import SpannerDecoder, TaggerDecoder

#: Texts, windows per forward pass, and passes over the texts of which the median counts.
TEXTS, BATCH, ROUNDS = 2000, 32, 5

#: What runs the model: the whole graph with onnxruntime, with torch what is left beside encoders and heads.
FORWARD = "forward pass"
#: Where each step begins: the object, the name of its function, and what the step is called.
STEPS: tuple[tuple[Any, str, str], ...] = (
    (reading, "batched", "windows"),
    (CompositeModel, "character_logits", FORWARD),
    (modeling_hybrid.HybridNerModel, "character_logits", FORWARD),
    (OnnxHybridNerModel, "character_logits", FORWARD),
    (modeling_hybrid, "encode_characters", "encoders"),
    (TaggerHead, "forward", "heads"),
    (SpannerHead, "forward", "heads"),
    (ballots, "read_windows", "concatenating logits"),
    (ballots, "borders_of", "borders of passages"),
    (TaggerDecoder, "propose", "Viterbi"),
    (SpannerDecoder, "propose", "all spans' scores"),
    (TaggerDecoder, "score_spans", "CRF marginals"),
    (SpannerDecoder, "score_spans", "candidates' scores"),
    (ballots, "collect_votes", "ballot"),
    (engine, "decide", "combining and decoding"),
    (entity_dicts, "entity_dict", "entities as dicts"),
)


class Stopwatch:
    """Processor time by step; what a step calls that is a step itself counts there alone."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = time.process_time()

    def stop(self) -> None:
        """Count the time until now."""
        self._switch()

    def _switch(self) -> None:
        now = time.process_time()
        self.seconds[self._open[-1] if self._open else "everything else"] += now - self._since
        self._since = now

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._switch()
        self._open.append(name)
        try:
            yield
        finally:
            self._switch()
            self._open.pop()

    def of(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The function, timed; a generator's time is that of its steps."""

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.step(name):
                result = function(*arguments, **named)
            return self._each(result, name) if isinstance(result, Iterator) else result

        return timed

    def _each(self, items: Iterator[Any], name: str) -> Iterator[Any]:
        while True:
            with self.step(name):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item


@contextmanager
def timed_steps(watch: Stopwatch) -> Iterator[None]:
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in STEPS]
    for (owner, name, original), (_, _, step) in zip(originals, STEPS, strict=True):
        setattr(owner, name, watch.of(original, step))
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def shares(pipe: HybridNerPipeline, texts: list[str]) -> dict[str, Any]:
    """Microseconds of processor time per text and the share of each step."""
    pipe(texts[: 4 * BATCH])
    rounds = []
    for _ in range(ROUNDS):
        watch = Stopwatch()
        with timed_steps(watch):
            pipe(texts)
            watch.stop()
        rounds.append(watch.seconds)
    middle = sorted(rounds, key=lambda seconds: sum(seconds.values()))[ROUNDS // 2]
    total = sum(middle.values())
    model = sum(middle[name] for name in (FORWARD, "encoders", "heads"))
    return {
        "texts_per_second": len(texts) / total,
        "share_of_the_model": model / total,
        "steps": {
            name: {"microseconds_per_text": 1e6 * seconds / len(texts), "share": seconds / total}
            for name, seconds in sorted(middle.items(), key=lambda item: -item[1])
        },
    }


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit("usage: python -m benchmarks.profile TEXTS COMPOSITE...")
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    texts = [record.text for record in read_records(sys.argv[1])][:TEXTS]
    figures = {}
    for path in sys.argv[2:]:
        model = AutoModel.from_pretrained(path)
        figures[Path(path).name] = {
            "model": type(model).__name__,
            **shares(HybridNerPipeline(model, device="cpu", batch_size=BATCH), texts),
        }
    report("profile", {"texts": len(texts), "characters": sum(map(len, texts)), "batch_size": BATCH, "composites": figures})


if __name__ == "__main__":
    main()
