"""The page under load: how long a first visitor waits, and many visitors at once over loopback, through the page's own queue.

Each visitor sends the next text when the last one has been answered, and checks every answer against what a lone visitor got.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gradio_client import Client

from benchmarks.side_by_side import RESULTS, report
from hybridner.space.examples import examples_for

TEXTS = list(examples_for("卫星导航"))
Places = list[tuple[int, int, str]]


@dataclass
class Visitor:
    """What one visitor saw; seconds of each answer."""

    seconds: list[float] = field(default_factory=list)
    first: float | None = None
    wrong: int = 0
    errors: list[str] = field(default_factory=list)


@contextmanager
def page(model: str | None) -> Iterator[tuple[str, float]]:
    """The address of a page of its own process, and the seconds until it answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    arguments = ["space", "--port", str(port), *([model] if model else [])]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "hybridner", *arguments],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    break
            except OSError:
                if process.poll() is not None:
                    sys.exit("the page did not start")
                time.sleep(0.1)
        yield url, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def ask(client: Client, text: str) -> tuple[Places, float]:
    """The entities of a text, and the seconds until they came."""
    began = time.perf_counter()
    entities = client.predict(text, api_name="/analyze")
    return [(e["start"], e["end"], e["entity_group"]) for e in entities], time.perf_counter() - began


def visit(url: str, number: int, expected: list[Places], start: threading.Barrier, length: float, seen: Visitor) -> None:
    """Open the page together with all others, then read texts for so many seconds."""
    start.wait()
    began = time.perf_counter()
    try:
        client = Client(url, verbose=False)
        while time.perf_counter() - began < length:
            at = (number + len(seen.seconds)) % len(TEXTS)
            found, seconds = ask(client, TEXTS[at])
            seen.first = seen.first or time.perf_counter() - began
            seen.seconds.append(seconds)
            seen.wrong += found != expected[at]
    except Exception as error:  # every failure of a visitor is a finding
        seen.errors.append(f"{type(error).__name__}: {error}")


def spread(values: list[float]) -> dict[str, float]:
    """Median, 95 % and largest."""
    return {"median": statistics.median(values), "p95": statistics.quantiles(values, n=20)[-1], "largest": max(values)}


def load(url: str, visitors: int, seconds: float, expected: list[Places]) -> dict[str, Any]:
    """So many visitors at once for so many seconds."""
    start = threading.Barrier(visitors)
    seen = [Visitor() for _ in range(visitors)]
    threads = [
        threading.Thread(target=visit, args=(url, number, expected, start, seconds, one)) for number, one in enumerate(seen)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = [value for one in seen for value in one.seconds]
    return {
        "visitors": visitors,
        "seconds": seconds,
        "answers": len(answers),
        "errors": [error for one in seen for error in one.errors],
        "wrong_answers": sum(one.wrong for one in seen),
        "fewest_answers_of_a_visitor": min(len(one.seconds) for one in seen),
        "first_result_seconds": spread([one.first for one in seen if one.first is not None]),
        "answer_seconds": spread(answers),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="folder or Hub id of a composite (the bundled one)")
    parser.add_argument("--name", help="what the model is called in the results")
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--beside", default="nothing", help="what else ran on the machine meanwhile")
    options = parser.parse_args()
    with page(options.model) as (url, started):
        began = time.perf_counter()
        client = Client(url, verbose=False)
        _, first = ask(client, TEXTS[0])
        opened = time.perf_counter() - began
        expected, alone = zip(*(ask(client, text) for text in TEXTS), strict=True)
        figures = {
            "model": options.name or options.model or "bundled",
            "cores": os.cpu_count(),
            "load_average_before": os.getloadavg()[0],
            "beside": options.beside,
            "system": platform.system(),
            "characters_of_the_texts": [len(text) for text in TEXTS],
            "page_started_seconds": started,
            "lone_visitor": {
                "open_and_first_result_seconds": opened,
                "first_result_seconds": first,
                "answer_seconds": spread(list(alone)),
            },
            "load": load(url, options.visitors, options.seconds, list(expected)),
        }
    report("space", figures)
    (RESULTS / "space.md").write_text(table(figures), encoding="utf-8")
    if figures["load"]["errors"] or figures["load"]["wrong_answers"]:
        sys.exit("there were errors or wrong answers")


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    lone, many = figures["lone_visitor"], figures["load"]
    rows = [
        ("page answers after its start", f"{figures['page_started_seconds']:.1f} s"),
        ("lone visitor: opening it and the first result", f"{lone['open_and_first_result_seconds']:.2f} s"),
        ("lone visitor: an answer, median", f"{lone['answer_seconds']['median']:.2f} s"),
        (
            f"{many['visitors']} at once: opening it and the first result, median",
            f"{many['first_result_seconds']['median']:.2f} s",
        ),
        (f"{many['visitors']} at once: the same, slowest visitor", f"{many['first_result_seconds']['largest']:.2f} s"),
        (
            f"{many['visitors']} at once: an answer, median / 95 % / slowest",
            " / ".join(f"{v:.2f}" for v in many["answer_seconds"].values()) + " s",
        ),
        (
            f"answers in {many['seconds']:g} s",
            f"{many['answers']}, at least {many['fewest_answers_of_a_visitor']} for each visitor",
        ),
        ("errors, wrong answers", f"{len(many['errors'])}, {many['wrong_answers']}"),
    ]
    lines = "\n".join(f"| {name} | {value} |" for name, value in rows)
    lengths = figures["characters_of_the_texts"]
    return f"""# The page under load

`python -m benchmarks.space_load`: model {figures["model"]}, {figures["cores"]} cores, loopback, page and visitors on the same
machine. Beside it ran {figures["beside"]} (load average before: {figures["load_average_before"]:.1f}).
Texts are the page's {len(TEXTS)} examples of {min(lengths)} to {max(lengths)} characters; every visitor sends the next one when
the last is answered, and compares each answer with what a lone visitor got.

| what | figure |
|---|---|
{lines}
"""


if __name__ == "__main__":
    main()
