"""Labelled sentences that a run of a recipe never read, for calibration without out-of-fold predictions; samples of a test set.

python -m benchmarks.fresh_sentences RECIPE --limit 400 --output dev.jsonl      # dev sentences that early stopping does not read
python -m benchmarks.fresh_sentences --of test.parquet --limit 1500 --output test.jsonl
"""

from __future__ import annotations

import argparse

import torch

from hybridner.data import read_records, write_jsonl
from hybridner.spans import Record
from hybridner.training import Recipe, load_recipe
from hybridner.training.data import load_data

_SEED = 42


def unread_dev(recipe: Recipe) -> list[Record]:
    """The recipe's dev records less those that its early stopping reads, and less any text of its training records."""
    data = load_data(recipe)
    everything = load_data(recipe.changed("data", max_dev_records=None)).dev
    known = {record.text for record in (*data.train, *data.dev)}
    return [record for record in everything if record.text not in known]


def drawn(records: list[Record], limit: int) -> list[Record]:
    order = torch.randperm(len(records), generator=torch.Generator().manual_seed(_SEED)).tolist()
    return [records[index] for index in sorted(order[:limit])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?")
    parser.add_argument("--of", help="a labelled file to draw from")
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--output", required=True)
    options = parser.parse_args()
    if (options.recipe is None) == (options.of is None):
        parser.error("give a recipe or --of FILE")
    records = read_records(options.of) if options.of else unread_dev(load_recipe(options.recipe))
    kept = drawn(records, options.limit)
    write_jsonl(kept, options.output)
    print(f"{len(kept)} of {len(records)} sentences, {sum(len(record.entities) for record in kept)} entities: {options.output}")


if __name__ == "__main__":
    main()
