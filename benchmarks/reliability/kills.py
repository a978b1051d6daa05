"""Jobs that are killed again and again until they have ended: nothing is lost, nothing is there twice, nothing is another."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from safetensors.torch import load_file

from benchmarks.reliability import material
from benchmarks.reliability.children import run_child
from benchmarks.reliability.commands import call
from benchmarks.reliability.tally import Tally
from hybridner import HybridNerPipeline
from hybridner.annotation import Fields, FileSource, annotate
from hybridner.ensemble import Predictions
from hybridner.training import recipe_from_dict, run_recipe
from hybridner.training.crossval import run_crossval


def kill_until_done(tally: Tally, work: Callable[[], object], seconds: float, rng: random.Random, kills: int) -> None:
    """Kill the work at random moments so many times, then let it end.

    Args:
        tally: counts kills, and an end that is none.
        work: goes on from where it was.
        seconds: that it takes undisturbed.
        rng: chooses the moments.
        kills: at most so many.
    """
    for _ in range(kills):
        if run_child(work, rng.uniform(0.0, seconds)):
            return
        tally.kills += 1
    if not run_child(work):
        tally.wrong("tracebacks", "what had been killed does not go on")


def annotation(folder: Path, seed: int, kills: int, records: int) -> Tally:
    """`annotate`, against the same job undisturbed."""
    tally, rng = Tally(), random.Random(seed)
    pipe = HybridNerPipeline(material.composite(folder / "model", seed), device="cpu")
    texts = material.write_texts(folder / "texts.txt", records, seed)

    def work(output: str) -> Callable[[], object]:
        return lambda: annotate(pipe, FileSource([folder / "texts.txt"], None, Fields(), 20), folder / output)

    began = time.monotonic()
    work("undisturbed")()
    seconds = time.monotonic() - began
    expected = rows(folder / "undisturbed")
    while tally.kills < kills:
        kill_until_done(tally, work("killed"), seconds, rng, min(8, kills - tally.kills))
        compare_rows(tally, rows(folder / "killed"), expected, texts)
        shutil.rmtree(folder / "killed")
    return tally


def rows(output: Path) -> list[dict[str, Any]]:
    """All rows of a job's output, by their place in the input."""
    found = [row for path in sorted((output / "data").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: int(row["offset"]))


def compare_rows(tally: Tally, found: list[dict[str, Any]], expected: list[dict[str, Any]], texts: list[str]) -> None:
    """Count what is missing, twice there, or other than undisturbed."""
    by_offset = {row["offset"]: row for row in found}
    tally.records += len(texts)
    if len(found) > len(by_offset):
        tally.wrong("doubled", "rows", len(found) - len(by_offset))
    wrong = [row["offset"] for row in expected if by_offset.get(row["offset"]) != row]
    if wrong or len(expected) != len(texts):
        tally.wrong("lost", f"rows {wrong[:10]}", max(1, len(wrong)))


def training(folder: Path, seed: int, kills: int) -> Tally:
    """A run of a recipe, whose weights are to be the same bit for bit."""
    recipe = _recipe(folder, seed, "spanner")

    def weights(output: Path) -> dict[str, Any]:
        return load_file(output / "composite" / "model.safetensors")

    def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
        return a.keys() == b.keys() and all(bool((a[name] == b[name]).all()) for name in a)

    return _compared(folder, seed, kills, recipe, lambda made: run_recipe(made), weights, equal)


def crossval(folder: Path, seed: int, kills: int) -> Tally:
    """Out-of-fold predictions, every sentence once."""
    recipe = _recipe(folder, seed, "bert-bilstm-crf")

    def predictions(output: Path) -> Predictions:
        (path,) = output.glob("*.parquet")
        return Predictions.load(path)

    def equal(a: Predictions, b: Predictions) -> bool:
        same = bool((a.ballot.spans == b.ballot.spans).all() and (a.ballot.votes == b.ballot.votes).all())
        return [record.id for record in a.records] == [record.id for record in b.records] and same

    return _compared(folder, seed, kills, recipe, lambda made: run_crossval(made), predictions, equal)


def learning(folder: Path, seed: int, kills: int) -> Tally:
    """`learn`, whose output is a whole model or none."""
    tally, rng = Tally(), random.Random(seed)
    material.composite(folder / "model", seed)
    material.write_reviews(folder / "reviews.jsonl", 10, seed)
    command = ["learn", str(folder / "model"), str(folder / "reviews.jsonl"), "--output", str(folder / "learned")]
    began = time.monotonic()
    undisturbed = call(command)
    seconds = time.monotonic() - began
    if undisturbed.code != 0:
        tally.wrong("tracebacks", f"undisturbed, it fails: {undisturbed.error}")
        return tally
    for _ in range(kills):
        # What was learned before is written over, and has to be whole whenever the writing stops.
        if not run_child(lambda: call(command), rng.uniform(0.3, 1.0) * seconds):
            tally.kills += 1
        tally.records += 1
        ending = call(["predict", str(folder / "learned"), "俄罗斯", "--device", "cpu"])
        tally.calls += 1
        if ending.code != 0:
            tally.wrong("lost", f"learn: {ending.error}")
    return tally


def _recipe(folder: Path, seed: int, kind: str) -> dict[str, Any]:
    material.write_labelled(folder / "train.jsonl", 24, seed)
    material.write_labelled(folder / "dev.jsonl", 8, seed + 1)
    return {
        "data": {"train": str(folder / "train.jsonl"), "dev": str(folder / "dev.jsonl")},
        "members": {kind: {"type": kind, "encoder": material.ENCODER}},
        "training": {"epochs": 4, "batch_size": 8, "early_stopping_patience": 4, "head_learning_rate": 3e-3},
        "crossval": {"folds": 3},
    }


def _compared(
    folder: Path,
    seed: int,
    kills: int,
    recipe: dict[str, Any],
    run: Callable[[Any], object],
    result: Callable[[Path], Any],
    equal: Callable[[Any, Any], bool],
) -> Tally:
    tally, rng = Tally(), random.Random(seed)

    def work(output: Path) -> Callable[[], object]:
        made = {**recipe, "training": {**recipe["training"], "output": str(output)}}
        return lambda: run(recipe_from_dict(made))

    began = time.monotonic()
    if not run_child(work(folder / "undisturbed")):
        tally.wrong("tracebacks", "undisturbed, it fails")
        return tally
    seconds = time.monotonic() - began
    expected = result(folder / "undisturbed")
    while tally.kills < kills:
        kill_until_done(tally, work(folder / "killed"), seconds, rng, min(3, kills - tally.kills))
        tally.records += 24
        if not equal(result(folder / "killed"), expected):
            tally.wrong("lost", "the result is not that of the undisturbed run", 24)
        shutil.rmtree(folder / "killed")
    return tally
