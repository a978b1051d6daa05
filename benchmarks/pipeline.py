"""The whole pipeline against its members' bare forward passes, one tagger against transformers' own pipeline: processor time."""

from __future__ import annotations

import sys
from time import process_time

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, TokenClassificationPipeline

from benchmarks.side_by_side import compare, report
from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.data import read_records
from hybridner.hybrid.loading import load_composite
from hybridner.hybrid.reading import window_batches

TEXTS, BATCH = 200, 32


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit("usage: python -m benchmarks.pipeline COMPOSITE ENCODER TEXTS")
    composite_path, encoder_path, data = sys.argv[1:]
    texts = [record.text for record in read_records(data)][:TEXTS]
    composite = load_composite(composite_path)
    assert isinstance(composite, HybridNerModel)
    pipe = HybridNerPipeline(composite, device="cpu", batch_size=BATCH)
    # The pipeline reads some batches ahead and sorts these by length; the bare passes get the very same batches.
    ahead = BATCH * 16
    batches = [
        batch
        for start in range(0, len(texts), ahead)
        for batch in window_batches(texts[start : start + ahead], composite.vocabularies, composite.max_characters, BATCH)
    ]

    def bare() -> None:
        with torch.inference_mode():
            for batch in batches:
                composite.character_logits(batch.input_ids, batch.attention_mask)

    whole = compare(lambda: pipe(texts), bare, rounds=5, clock=process_time)

    tagger = composite.member("bert-bilstm-crf")
    layers = tagger.encoder.config.num_hidden_layers
    theirs = AutoModelForTokenClassification.from_pretrained(encoder_path, num_hidden_layers=layers, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(encoder_path)
    other = TokenClassificationPipeline(model=theirs, tokenizer=tokenizer, device="cpu", aggregation_strategy="simple")
    one = HybridNerPipeline(tagger, device="cpu", batch_size=BATCH)
    single = compare(lambda: one(texts), lambda: other(texts, batch_size=BATCH), rounds=5, clock=process_time)
    report(
        "pipeline",
        {
            "composite": composite_path,
            "clock": "processor time",
            "texts": len(texts),
            "batch_size": BATCH,
            "encoder_layers": layers,
            "pipeline_against_bare_forward": {**whole, "share_of_bare_speed": whole["other_over_ours"]},
            "one_tagger_against_transformers": single,
        },
    )


if __name__ == "__main__":
    main()
