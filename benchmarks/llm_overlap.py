"""LLM calls while the next texts are read, against reading and asking in turns.

The LLM is a scripted server on loopback, in a process of its own, that answers after a realistic delay: log-normal with the given
median, a twentieth of the answers above about twice that. What is measured is the waiting that overlaps, not an LLM.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.side_by_side import compare, report
from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.data import read_records
from hybridner.llm import LlmSettings, LlmStage, OpenAIVerifier
from tests.llm.scripted_server import Reply, ScriptedServer, chat

#: Spread of the delays, so that p95 / median is 2.
_SIGMA = math.log(2.0) / 1.645
#: Texts of a chunk are this many batches; the pipeline's own read-ahead.
_READ_AHEAD = 16


def _serve(delay: float, answer: str, pipe: Connection) -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        time.sleep(delay * math.exp(_SIGMA * random.Random(number).gauss(0.0, 1.0)))
        return chat(answer)

    server = ScriptedServer(script)
    pipe.send(server.url)
    pipe.recv()
    server.stop()


@contextmanager
def slow_server(delay: float, answer: str) -> Iterator[str]:
    """The address of a server in its own process that takes its time over each answer."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(delay, answer, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("composite")
    parser.add_argument("texts", help="labelled file whose texts are read")
    parser.add_argument("--limit", type=int, default=640, help="texts (640)")
    parser.add_argument("--batch-size", type=int, default=4, help="windows per forward pass; a chunk is 16 of these (4)")
    parser.add_argument("--threshold", type=float, default=0.3)
    parser.add_argument("--delay", type=float, default=0.8, help="median seconds of an answer (0.8)")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    texts = [record.text for record in read_records(options.texts)][: options.limit]
    model = HybridNerModel.from_pretrained(options.composite)
    pipe = HybridNerPipeline(model, device="cpu", batch_size=options.batch_size, threshold=options.threshold)
    labels, size = model.config.labels, options.batch_size * _READ_AHEAD
    # One span to a question: the scripted answers fit no other form, and the same calls must be compared.
    settings = LlmSettings(threshold=options.threshold, time_limit=None, spans_per_call=1, decoding=model.config.decoding)
    figures: dict[str, Any] = {}
    with slow_server(options.delay, labels.names[0]) as url:
        for concurrency in options.concurrency:
            verifier = OpenAIVerifier("scripted", url, "none", timeout=60.0, concurrency=concurrency)
            alone: dict[str, list[float]] = {"reading": [], "asking": []}

            def in_turns(verifier: OpenAIVerifier = verifier, alone: dict[str, list[float]] = alone) -> None:
                seconds = dict.fromkeys(alone, 0.0)
                with LlmStage(verifier, labels, settings) as stage:
                    for start in range(0, len(texts), size):
                        some, began = texts[start : start + size], time.perf_counter()
                        candidates = [list(found.candidates) for found in model.predict(some, batch_size=options.batch_size)]
                        read = time.perf_counter()
                        stage.run(some, candidates)
                        seconds["reading"] += read - began
                        seconds["asking"] += time.perf_counter() - read
                for name, spent in seconds.items():
                    alone[name].append(spent)

            def overlapped(verifier: OpenAIVerifier = verifier) -> None:
                pipe(texts, llm=verifier, llm_settings={"time_limit": None, "spans_per_call": 1})

            ratio = compare(overlapped, in_turns, rounds=options.rounds)
            assert pipe.llm_report is not None
            reading, asking = (statistics.median(alone[name][1:]) for name in ("reading", "asking"))
            figures[f"concurrency {concurrency}"] = {
                **ratio,
                "reading_seconds": reading,
                "asking_seconds": asking,
                "at_best": (reading + asking) / max(reading, asking),
                "calls": pipe.llm_report.calls,
                "latency_p50": pipe.llm_report.p50,
                "latency_p95": pipe.llm_report.p95,
            }
    about = {"texts": len(texts), "texts_per_chunk": size, "threshold": options.threshold, "median_delay": options.delay}
    report("llm_overlap", {**about, "in_turns_over_overlapped": figures})


if __name__ == "__main__":
    main()
