"""Lay down what all systems are given: the same sentences, the same labels, the same encoder weights.

usage: python -m benchmarks.peers.prepare RECIPE TEST ENCODER LAYERS FOLDER
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

from hybridner.data import read_records
from hybridner.spans import Record
from hybridner.training import load_recipe
from hybridner.training.data import load_data


def write(records: Iterable[Record], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            entities = [{"start": s.start, "end": s.end, "label": s.label} for s in record.entities]
            file.write(json.dumps({"text": record.text, "entities": entities}, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("recipe", "test", "encoder"):
        parser.add_argument(name)
    parser.add_argument("layers", type=int)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    data = load_data(load_recipe(options.recipe))
    options.folder.mkdir(parents=True, exist_ok=True)
    test = read_records(options.test)
    for name, records in (("train", data.train), ("dev", data.dev), ("test", test)):
        write(records, options.folder / f"{name}.jsonl")
    titles = {label.name: label.title or label.name for label in data.labels.labels}
    (options.folder / "labels.json").write_text(json.dumps(titles, ensure_ascii=False), encoding="utf-8")
    encoder = options.folder / "encoder"
    AutoModel.from_pretrained(options.encoder, num_hidden_layers=options.layers, dtype=torch.float32).save_pretrained(encoder)
    AutoTokenizer.from_pretrained(options.encoder).save_pretrained(encoder)
    print(
        f"{len(data.train)} sentences to train on, {len(data.dev)} to choose epochs or thresholds by, {len(test)} to test on: "
        f"{options.folder}"
    )


if __name__ == "__main__":
    main()
