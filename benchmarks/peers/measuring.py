"""What every system is put through, in its own environment: train, read the test sentences, count. Needs nothing but torch.

Training takes a GPU if there is one; speed is always that of reading on one thread of the CPU.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

#: Start, end (exclusive), label.
Spans = list[tuple[int, int, str]]

#: As `hybridner train` has them for an encoder of this size and so many sentences.
EPOCHS, BATCH, ENCODER_LR, HEAD_LR, WARMUP, DECAY = 10, 16, 2e-4, 3e-3, 0.1, 0.01
READING_BATCH = 32
#: The first sentences of test, on which the speed is taken.
TIMED = 200
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Case:
    """The data, labels and encoder that `prepare` laid down in a folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.encoder = str(folder / "encoder")
        self.train, self.test = self.read("train"), self.read("test")
        self.labels: dict[str, str] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))

    def read(self, split: str) -> list[dict[str, Any]]:
        """`text` and `entities` (`start`, `end`, `label`) of each sentence."""
        with (self.folder / f"{split}.jsonl").open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]


def tags(record: dict[str, Any], numbers: dict[str, int]) -> list[int]:
    """BIO tag numbers of the characters: 0 for O, then B and I of each label; of overlapping entities the first counts."""
    row = [0] * len(record["text"])
    for entity in sorted(record["entities"], key=lambda entity: entity["start"]):
        if not any(row[entity["start"] : entity["end"]]):
            begin = 2 * numbers[entity["label"]] - 1
            row[entity["start"] : entity["end"]] = [begin, *[begin + 1] * (entity["end"] - entity["start"] - 1)]
    return row


def f1(gold: Sequence[set[Any]], found: Sequence[set[Any]]) -> float:
    """Entity F1: start, end and label all right."""
    correct = sum(len(a & b) for a, b in zip(gold, found, strict=True))
    total = sum(map(len, gold)) + sum(map(len, found))
    return 2 * correct / total if total else 0.0


def parameter_groups(model: torch.nn.Module, is_encoder: Callable[[str], bool]) -> list[dict[str, Any]]:
    """Every system's optimiser in the same way: two rates, weight decay on matrices only."""
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((is_encoder(name), parameter.dim() > 1), []).append(parameter)
    return [
        {"params": parameters, "lr": ENCODER_LR if encoder else HEAD_LR, "weight_decay": DECAY if matrix else 0.0}
        for (encoder, matrix), parameters in groups.items()
    ]


def measure(
    system: str,
    train: Callable[[Case], Any],
    read: Callable[[Any, Case, Sequence[str]], Sequence[Spans]],
    on_cpu: Callable[[Any], Any],
    *,
    packages: Sequence[str],
    setting: str,
) -> None:
    """Run one system and write what was measured to FOLDER/results/SYSTEM-SEED.json.

    Reading is counted in CPU seconds, which other work on the machine disturbs least.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="made by benchmarks/peers/prepare.py")
    parser.add_argument("--seed", type=int, default=42)
    options, _ = parser.parse_known_args()
    torch.set_num_threads(1)
    case = Case(options.folder, options.seed)
    began = time.monotonic()
    model = train(case)
    seconds = time.monotonic() - began
    texts = [record["text"] for record in case.test]
    found = read(model, case, texts)
    model, timed = on_cpu(model), texts[:TIMED]
    read(model, case, timed[:READING_BATCH])
    rates = []
    for _ in range(3):
        start = time.process_time()
        read(model, case, timed)
        rates.append(len(timed) / (time.process_time() - start))
    gold = [{(e["start"], e["end"], e["label"]) for e in record["entities"]} for record in case.test]
    result = {
        "system": system,
        "seed": case.seed,
        "f1": f1(gold, [set(spans) for spans in found]),
        "training_seconds": seconds,
        "trained_on": torch.cuda.get_device_name() if DEVICE == "cuda" else "one CPU thread",
        "sentences_per_cpu_second": sorted(rates)[len(rates) // 2],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "train": len(case.train),
        "test": len(case.test),
        "setting": setting,
        "versions": {name: version(name) for name in ("torch", "transformers", *packages)},
    }
    results = case.folder / "results"
    results.mkdir(exist_ok=True)
    text = json.dumps(result, ensure_ascii=False, indent=2)
    (results / f"{system.lower().replace(' ', '-')}-{case.seed}.json").write_text(text + "\n", encoding="utf-8")
    print(text)
