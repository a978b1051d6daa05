"""Inputs of annotation jobs, and readers of what a job wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.support.tiny import TEXT


def sentences(count: int) -> list[str]:
    """Different short texts."""
    return [f"{TEXT[number % 17 : number % 17 + 12]}{number}" for number in range(count)]


def write_lines(path: Path, texts: list[str]) -> str:
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return str(path)


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of a job's output, by source and offset."""
    found = [row for path in folder.glob("data/*.parquet") for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: (row["source"], row["offset"]))


def rejects(folder: Path) -> list[dict[str, Any]]:
    lines = [line for path in folder.glob("rejects/*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted(map(json.loads, lines), key=lambda reject: (reject["source"], reject["offset"]))


def spans(entities: list[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return [(e["start"], e["end"], e.get("entity_group") or e["label"]) for e in entities]
