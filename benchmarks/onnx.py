"""A model in torch, as an ONNX graph, and with 8-bit weights: quality, size, and speed side by side.

usage: python -m benchmarks.onnx NAME=MODEL=DATA [NAME=MODEL=DATA ...] [--limit 500] [--timed 256] [--threads 1 2] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.side_by_side import RESULTS, machine
from hybridner import HybridNerPipeline
from hybridner.data import read_records
from hybridner.evaluation import score_spans
from hybridner.export import GRAPH_FILE, export_onnx, outliers
from hybridner.hybrid import CompositeModel
from hybridner.hybrid.loading import load_composite
from hybridner.hybrid.reading import window_batches
from hybridner.spans import Record, Span

BATCH, ROUNDS = 32, 3
#: The last is what the int8 form is without its outlying channels in single precision.
PLAIN = "plain int8"
KINDS = ("torch fp32", "onnx fp32", "onnx int8", PLAIN)


def exported(source: str, work: Path) -> dict[str, Path]:
    """The folders of each kind; what an earlier run exported is used again."""
    folders = {"torch fp32": Path(source), "onnx fp32": work / "fp32", "onnx int8": work / "int8", PLAIN: work / "plain"}
    for kind in KINDS[1:]:
        if not (folders[kind] / "config.json").exists():
            with patch.object(outliers, "FAR", math.inf if kind == PLAIN else outliers.FAR):
                export_onnx(load_composite(source), folders[kind], int8=kind.endswith("int8"))
    return folders


def found(model: CompositeModel, texts: Sequence[str]) -> list[list[Span]]:
    pipe = HybridNerPipeline(model, device="cpu", batch_size=BATCH)
    return [[Span(e["start"], e["end"], e["entity_group"]) for e in row] for row in pipe(texts)]


def size(folder: Path) -> float:
    """MB of what holds the weights."""
    files = (GRAPH_FILE, "model.safetensors")
    return sum((folder / name).stat().st_size for name in files if (folder / name).exists()) / 1e6


def forward_passes(model: CompositeModel, texts: Sequence[str]) -> Callable[[], None]:
    """All encoders and heads on the batches that the pipeline would make of these texts, without decoding."""
    batches = list(window_batches(texts, model.vocabularies, model.max_characters, BATCH))

    @torch.inference_mode()
    def run() -> None:
        for batch in batches:
            model.character_logits(batch.input_ids, batch.attention_mask)

    return run


def in_turns(functions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Median wall and CPU seconds of each, and how many times as fast as the first it is: the median over the rounds."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for number in range(rounds + 1):
        for name, function in functions.items():
            wall, busy = time.perf_counter(), time.process_time()
            function()
            if number:  # the first round warms up
                times[name].append((time.perf_counter() - wall, time.process_time() - busy))
    base = times[next(iter(functions))]
    return {
        name: {
            "wall_seconds": statistics.median(wall for wall, _ in pairs),
            "cpu_seconds": statistics.median(busy for _, busy in pairs),
            "speedup_wall": statistics.median(b[0] / p[0] for b, p in zip(base, pairs, strict=True)),
            "speedup_cpu": statistics.median(b[1] / p[1] for b, p in zip(base, pairs, strict=True)),
        }
        for name, pairs in times.items()
    }


def measure(source: str, records: Sequence[Record], work: Path, timed: int, threads: Sequence[int]) -> dict[str, Any]:
    folders = exported(source, work)
    texts = [record.text for record in records]
    gold = [record.entities for record in records]
    models = {kind: load_composite(str(folder)) for kind, folder in folders.items()}
    spans = {kind: found(model, texts) for kind, model in models.items()}
    figures: dict[str, Any] = {
        "members": len(models["torch fp32"].member_names),
        "encoders": len(models["torch fp32"].encoder_settings()),
        "texts": len(texts),
        "entities": sum(len(entities) for entities in gold),
        "same_entities_as_torch": {
            kind: sum(a == b for a, b in zip(spans[kind], spans["torch fp32"], strict=True)) / len(texts) for kind in KINDS[1:]
        },
        "f1": {kind: score_spans(gold, spans[kind]).micro.f1 for kind in KINDS},
        "megabytes": {kind: size(folder) for kind, folder in folders.items()},
        "speed": {},
    }
    some = texts[:timed]
    for number in threads:
        torch.set_num_threads(number)
        # onnxruntime takes the number of threads when a graph is opened.
        models = {kind: load_composite(str(folder)) for kind, folder in folders.items()}
        pipes = {kind: HybridNerPipeline(model, device="cpu", batch_size=BATCH) for kind, model in models.items()}
        figures["speed"][str(number)] = {
            "forward": in_turns({kind: forward_passes(model, some) for kind, model in models.items()}, ROUNDS),
            "pipeline": in_turns({kind: partial(pipe, some) for kind, pipe in pipes.items()}, ROUNDS),
        }
    return figures


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        "| model | kind | F1 % | texts with the same entities as torch | MB | threads "
        "| forward passes, times as fast (wall / CPU) | whole pipeline, times as fast (wall / CPU) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in figures.items():
        for threads, speed in one["speed"].items():
            for kind in one["f1"]:
                same = one["same_entities_as_torch"].get(kind)
                ratios = (f"{part[kind]['speedup_wall']:.2f} / {part[kind]['speedup_cpu']:.2f}" for part in speed.values())
                cells = (
                    name,
                    kind,
                    f"{100 * one['f1'][kind]:.2f}",
                    "" if same is None else f"{100 * same:.1f} %",
                    f"{one['megabytes'][kind]:.1f}",
                    threads,
                    *ratios,
                )
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+", metavar="NAME=MODEL=DATA")
    parser.add_argument("--limit", type=int, default=500, help="texts of each file")
    parser.add_argument("--timed", type=int, default=256, help="so many of them are timed")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--work", type=Path, help="folder that keeps the exported models")
    options = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        for case in options.cases:
            name, source, data = case.split("=")
            torch.set_num_threads(options.threads[0])
            folder = (options.work or Path(scratch)) / name.replace(" ", "-")
            figures[name] = measure(source, read_records(data)[: options.limit], folder, options.timed, options.threads)
    versions = {package: version(package) for package in ("onnx", "onnxruntime", "onnxscript")}
    whole = {
        "machine": {**machine(), "threads": options.threads, **versions},
        "batch_size": BATCH,
        "timed_texts": options.timed,
    }
    # Models that were measured by earlier runs stay.
    file = RESULTS / "onnx.json"
    known = json.loads(file.read_text(encoding="utf-8"))["models"] if file.exists() else {}
    whole["models"] = {**known, **figures}
    file.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    print(table(whole["models"]))


if __name__ == "__main__":
    main()
