"""A composite with one encoder for all members against one with an encoder for each: sentences a second, side by side."""

from __future__ import annotations

import sys

from benchmarks.side_by_side import compare, report
from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.data import read_records

BATCH = 32


def main() -> None:
    if len(sys.argv) != 5:
        sys.exit("usage: python -m benchmarks.one_pass ONE_PASS_COMPOSITE FOUR_ENCODER_COMPOSITE DATA TEXTS")
    one_path, four_path, data, number = sys.argv[1:]
    texts = [record.text for record in read_records(data)][: int(number)]
    one, four = (
        HybridNerPipeline(HybridNerModel.from_pretrained(path), device="cpu", batch_size=BATCH) for path in (one_path, four_path)
    )
    measured = compare(lambda: one(texts), lambda: four(texts), rounds=5)
    report(
        "one_pass",
        {
            "texts": len(texts),
            "characters": sum(map(len, texts)),
            "batch_size": BATCH,
            "encoder_layers": one.model.encoder_settings()[0][1]["num_hidden_layers"],
            "encoders": [len(pipe.model.encoder_settings()) for pipe in (one, four)],
            "weights": [sum(p.numel() for p in pipe.model.parameters()) for pipe in (one, four)],
            "sentences_per_second": [len(texts) / measured[key] for key in ("ours_seconds", "other_seconds")],
            "one_pass_against_four_encoders": measured,
        },
    )


if __name__ == "__main__":
    main()
