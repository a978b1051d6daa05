"""`hybridner predict`: entities of texts, files or standard input."""

from __future__ import annotations

import argparse
from itertools import tee
from typing import TYPE_CHECKING

from hybridner.bundled import BUNDLED
from hybridner.cli.arguments import LLM_FILE
from hybridner.cli.console import Terminal
from hybridner.cli.terminal import print_json, say
from hybridner.cli.texts import print_entities, read_texts
from hybridner.errors import DataError
from hybridner.spans import RESOLVERS

if TYPE_CHECKING:
    from hybridner.llm import LlmReport

DESCRIPTION = "Find the entities of texts."
EPILOG = f"""\
examples:
  hybridner predict bundled "2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机。"
  hybridner predict my-composite --file report.txt --json > entities.jsonl
  cat notes.txt | hybridner predict --threshold 0.3
  hybridner predict my-composite --file report.txt --llm llm.yaml --llm-cache answers.sqlite --json > entities.jsonl

The model that comes with hybridner is called "bundled"; it is used when no other is named.
A file of JSON, Parquet or tagged tokens gives the text of each record; any other file, and standard input, one text per line.

{LLM_FILE}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hybridner.ensemble import COMBINERS

    parser.add_argument(
        "model", nargs="?", default=BUNDLED, metavar="MODEL", help=f"folder or Hub id of a composite or a member ({BUNDLED})"
    )
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts; without any, --file or standard input is read")
    parser.add_argument("--file", action="append", default=[], metavar="FILE", help="read texts from a file (several times)")
    parser.add_argument("--json", action="store_true", help="one JSON object per text: {text, ood_score, entities}")
    parser.add_argument("--threshold", type=float, help="mark entities with a greater uncertainty for review")
    parser.add_argument("--min-precision", type=float, metavar="X", help="only entities promised to be right so often")
    parser.add_argument("--strategy", choices=list(COMBINERS), help="how votes are combined (default: the model's own)")
    parser.add_argument("--decoding", choices=list(RESOLVERS), help="default: the model's own")
    parser.add_argument("--force", metavar="FILE", help="terms, with their labels, that are entities wherever they stand")
    parser.add_argument("--forbid", metavar="FILE", help="terms that are no entities, or not of the label that they have there")
    parser.add_argument("--llm", metavar="FILE", help="YAML file: verifier and settings of an LLM for the doubtful spans")
    parser.add_argument("--llm-cache", metavar="FILE", help="keep the LLM's answers in this file, and ask nothing twice")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="windows per forward pass (16)")
    parser.add_argument("--device", help='such as "cpu" or "cuda:0" (default: an accelerator where there is one)')


def run(options: argparse.Namespace) -> int:
    from hybridner.hybrid.loading import load_composite
    from hybridner.llm.llm_file import read_llm_file
    from hybridner.pipeline import HybridNerPipeline

    settings = {
        name: getattr(options, name) for name in ("threshold", "min_precision", "strategy", "decoding", "force", "forbid")
    }
    given = {name: value for name, value in settings.items() if value is not None}
    if options.llm:
        given["llm"], given["llm_settings"] = read_llm_file(options.llm)
        given["llm_cache"] = options.llm_cache
    elif options.llm_cache:
        raise DataError("is of use only with an LLM; give --llm as well", "--llm-cache")
    model = load_composite(options.model)
    pipe = HybridNerPipeline(model, device=options.device)
    # Texts are read only as fast as their entities are written, so a file may be larger than memory.
    texts, read = tee(read_texts(options.texts, options.file))
    console = Terminal()
    for text, entities in zip(texts, pipe(read, batch_size=options.batch_size, **given), strict=True):
        if options.json:
            known = {} if entities.ood_score is None else {"ood_score": entities.ood_score}
            print_json({"text": text, **known, "entities": entities})
        else:
            print_entities(console, text, entities)
            if (entities.ood_score or 0.0) > model.config.ood_threshold:
                console.print(f"  less typical than {entities.ood_score:.0%} of the texts that the model knows", style="bold red")
    if pipe.llm_report is not None:
        say(_summary(pipe.llm_report), error=True)
    return 0


def _summary(report: LlmReport) -> str:
    return (
        f"LLM: {report.spans_routed:,} doubtful spans, {report.calls:,} calls (+ {report.cached:,} answered without one), "
        f"{report.failed:,} failed, {report.prompt_tokens:,} tokens in, {report.completion_tokens:,} out"
    )
