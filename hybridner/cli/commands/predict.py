"""`hybridner predict`: entities of texts, files or standard input."""

from __future__ import annotations

import argparse
from itertools import tee
from typing import TYPE_CHECKING, Any

from hybridner.bundled import BUNDLED
from hybridner.cli.arguments import LABELS_HELP, LLM_FILE, refuse_model, refuse_model_options, require_llm
from hybridner.cli.console import Terminal
from hybridner.cli.terminal import print_json, say
from hybridner.cli.texts import print_entities, read_texts
from hybridner.spans import RESOLVERS

if TYPE_CHECKING:
    from hybridner.pipeline import HybridNerPipeline

DESCRIPTION = "Find the entities of texts."
EPILOG = f"""\
examples:
  hybridner predict bundled "2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机。"
  hybridner predict my-composite --file report.txt --json > entities.jsonl
  cat notes.txt | hybridner predict --threshold 0.3
  hybridner predict my-composite --file report.txt --llm llm.yaml --llm-cache answers.sqlite --json > entities.jsonl
  hybridner predict --labels labels.yaml --llm llm.yaml --file report.txt --dry-run

The model that comes with hybridner is called "bundled"; it is used when no other is named. With --labels there is no model: the
LLM of --llm finds the entities from the definitions of the labels; the command fails where a text was not answered in whole.
A file of JSON, Parquet or tagged tokens gives the text of each record; any other file, and standard input, one text per line.

{LLM_FILE}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hybridner.ensemble import COMBINERS

    parser.add_argument("model", nargs="?", metavar="MODEL", help=f"folder or Hub id of a composite or a member ({BUNDLED})")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts; without any, --file or standard input is read")
    parser.add_argument("--file", action="append", default=[], metavar="FILE", help="read texts from a file (several times)")
    parser.add_argument("--json", action="store_true", help="one JSON object per text: {text, ood_score, entities}")
    parser.add_argument("--threshold", type=float, help="mark entities with a greater uncertainty for review")
    parser.add_argument("--min-precision", type=float, metavar="X", help="only entities promised to be right so often")
    parser.add_argument("--strategy", choices=list(COMBINERS), help="how votes are combined (default: the model's own)")
    parser.add_argument("--decoding", choices=list(RESOLVERS), help="default: the model's own")
    parser.add_argument("--force", metavar="FILE", help="terms, with their labels, that are entities wherever they stand")
    parser.add_argument("--forbid", metavar="FILE", help="terms that are no entities, or not of the label that they have there")
    parser.add_argument("--labels", metavar="SET", help=LABELS_HELP)
    parser.add_argument("--llm", metavar="FILE", help="YAML file: verifier and settings of an LLM for the doubtful spans")
    parser.add_argument("--llm-cache", metavar="FILE", help="keep the LLM's answers in this file, and ask nothing twice")
    parser.add_argument("--dry-run", action="store_true", help="with --llm: only say what asking would cost")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="windows per forward pass (16)")
    parser.add_argument("--device", help='such as "cpu" or "cuda:0" (default: an accelerator where there is one)')


def run(options: argparse.Namespace) -> int:
    from hybridner.llm.llm_file import read_llm_file

    llm = read_llm_file(options.llm) if options.llm else None
    require_llm(options, ("labels", "llm_cache", "dry_run"))
    asking = {} if llm is None else {**llm.options, "llm_cache": options.llm_cache}
    pipe, given = _of_labels(options, asking) if options.labels else _of_model(options, asking)
    texts = read_texts(options.texts, options.file)
    if options.dry_run:
        say(pipe(list(texts), dry_run=True, **given))
        return 0
    # Texts are read only as fast as their entities are written, so a file may be larger than memory.
    texts, read = tee(texts)
    console, unanswered = Terminal(), 0
    for text, entities in zip(texts, pipe(read, **given), strict=True):
        unanswered += entities.error is not None
        if options.json:
            known = {"ood_score": entities.ood_score, "error": entities.error}
            print_json({"text": text, **{k: v for k, v in known.items() if v is not None}, "entities": entities})
        else:
            print_entities(console, text, entities)
            if entities.ood_score is not None and entities.ood_score > pipe.model.config.ood_threshold:
                console.print(f"  less typical than {entities.ood_score:.0%} of the texts that the model knows", style="bold red")
    if pipe.llm_report is not None:
        say(_summary(pipe), error=True)
    return 1 if unanswered else 0


def _of_model(options: argparse.Namespace, asking: dict[str, Any]) -> tuple[HybridNerPipeline, dict[str, Any]]:
    """The pipeline of a model, and the parameters of its call."""
    from hybridner.hybrid.loading import load_composite
    from hybridner.pipeline import HybridNerPipeline

    names = ("batch_size", "threshold", "min_precision", "strategy", "decoding", "force", "forbid")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return HybridNerPipeline(load_composite(options.model or BUNDLED), device=options.device), {**given, **asking}


def _of_labels(options: argparse.Namespace, asking: dict[str, Any]) -> tuple[HybridNerPipeline, dict[str, Any]]:
    """The pipeline of an LLM alone, and the parameters of its call; there is no model, and so the first argument is a text."""
    from hybridner.pipeline.definitions import DefinitionsPipeline

    refuse_model_options(options, ("threshold", "min_precision", "strategy", "force", "forbid", "device"))
    if options.model is not None:
        refuse_model(options.model)
        options.texts = [options.model, *options.texts]
    if options.decoding:
        asking = {**asking, "llm_settings": {**asking.get("llm_settings", {}), "decoding": options.decoding}}
    return DefinitionsPipeline(labels=options.labels), asking


def _summary(pipe: HybridNerPipeline) -> str:
    from hybridner.pipeline.definitions import DefinitionsPipeline

    report = pipe.llm_report
    assert report is not None
    asked = f"{report.spans_routed:,} doubtful spans"
    if isinstance(pipe, DefinitionsPipeline):
        asked = f"{report.texts:,} texts"
    elif report.pieces_routed:
        asked = f"{report.pieces_routed:,} sentences, {asked}"
    line = (
        f"LLM: {asked}, {report.calls:,} calls (+ {report.cached:,} answered without one), "
        f"{report.failed:,} failed, {report.prompt_tokens:,} tokens in, {report.completion_tokens:,} out"
    )
    if report.truncated:
        line += f"; {report.truncated:,} answers cut at the token limit"
    if isinstance(pipe, DefinitionsPipeline) and (pipe.counts.unfound or pipe.counts.unreadable):
        line += f"; left out: {pipe.counts.unfound:,} entities that are not in their text, {pipe.counts.unreadable:,} other lines"
    return line
