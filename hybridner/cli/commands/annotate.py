"""`hybridner annotate`: whole corpora."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridner.bundled import BUNDLED
from hybridner.cli.arguments import LABELS_HELP, LLM_FILE, refuse_model, refuse_model_options, require_llm
from hybridner.cli.terminal import say
from hybridner.errors import DataError
from hybridner.spans import RESOLVERS

if TYPE_CHECKING:
    from hybridner.annotation import Source
    from hybridner.pipeline import HybridNerPipeline

DESCRIPTION = "Find the entities of whole corpora."
EPILOG = f"""\
examples:
  hybridner annotate my-composite news/*.txt --output annotated
  hybridner annotate my-composite posts.jsonl --output annotated --text body --id post_id
  hybridner annotate my-composite me/corpus --split train --output annotated
  hybridner annotate --labels labels.yaml --llm llm.yaml posts.jsonl --output annotated --dry-run
  accelerate launch --num_processes 8 -m hybridner annotate my-composite corpus.parquet --output annotated

INPUT is files of text (a sentence a line), JSON lines or Parquet, or one data set (a Hub id or a folder that load_dataset opens),
which is streamed. DIR/data gets Parquet files with id, source, offset, text and entities; DIR/rejects what could not be read, and
why; DIR/manifest.json says what the job is and, at the end, what was done. A job that was stopped, however it was, goes on when
the same command is given again, on any number of processes. Several machines need one DIR that all of them see.

With --labels there is no model: the LLM of --llm finds what the labels define. A text that it does not answer about is set aside;
where the budget is used up the job stops, and goes on with a larger one.

{LLM_FILE}"""

#: `hybridner.annotation.KINDS`, whose import takes long.
_KINDS = ("text", "jsonl", "parquet")

_DECISION = ("threshold", "min_precision", "strategy", "decoding", "force", "forbid")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hybridner.ensemble import COMBINERS

    parser.add_argument(
        "model", metavar="MODEL", help=f"folder or Hub id of a composite or a member, or {BUNDLED}; with --labels there is none"
    )
    parser.add_argument("input", metavar="INPUT", nargs="*", help="files, or one data set")
    parser.add_argument("--output", required=True, metavar="DIR", help="where shards, rejects and manifest go")
    parser.add_argument("--kind", choices=_KINDS, help="kind of the files (default: by the ending of the first one)")
    parser.add_argument("--text", default="text", metavar="FIELD", help="field or column of the text (text)")
    parser.add_argument("--id", metavar="FIELD", help="field or column of the record's own id (default: file name and number)")
    parser.add_argument("--split", default="train", help="split of a data set (train)")
    parser.add_argument("--config", help="configuration of a data set")
    parser.add_argument("--revision", help="revision of a data set")
    parser.add_argument("--records-per-shard", type=int, default=10_000, metavar="N", help="what a kill may cost (10000)")
    parser.add_argument("--longest", type=int, default=200_000, metavar="N", help="set longer texts aside (200000)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="windows per forward pass (32)")
    parser.add_argument("--labels", metavar="SET", help=LABELS_HELP)
    parser.add_argument("--threshold", type=float, help="mark entities with a greater uncertainty (default: the model's own)")
    parser.add_argument("--min-precision", type=float, metavar="X", help="only entities promised to be right so often")
    parser.add_argument("--strategy", choices=list(COMBINERS), help="how votes are combined (default: the model's own)")
    parser.add_argument("--decoding", choices=list(RESOLVERS), help="default: the model's own")
    parser.add_argument("--force", metavar="FILE", help="terms, with their labels, that are entities wherever they stand")
    parser.add_argument("--forbid", metavar="FILE", help="terms that are no entities, or not of the label that they have there")
    parser.add_argument("--llm", metavar="FILE", help="YAML file: verifier and settings of an LLM for the doubtful spans")
    parser.add_argument("--dry-run", action="store_true", help="with --llm: only say what asking would cost")


def run(options: argparse.Namespace) -> int:
    from hybridner.annotation import AnnotationConfig, annotate, plan_annotation
    from hybridner.launch import processes
    from hybridner.llm.llm_file import read_llm_file

    state = processes()
    if options.records_per_shard < 1:
        raise DataError(f"--records-per-shard must be at least 1, not {options.records_per_shard}")
    require_llm(options, ("labels", "dry_run"))
    llm = read_llm_file(options.llm).options if options.llm else {}
    pipe, chosen = _of_labels(options) if options.labels else _of_model(options, state.device)
    how = AnnotationConfig(options.batch_size, **chosen, **llm)
    if not options.input:
        raise DataError("name the files, or the data set, to annotate", "INPUT")
    if options.dry_run:
        say(plan_annotation(pipe, _source(options), options.output, how))
        return 0
    totals = annotate(pipe, _source(options), options.output, how, name=options.model)
    if state.is_main_process:
        say(_summary(totals, options.output))
    return 0


def _of_model(options: argparse.Namespace, device: Any) -> tuple[HybridNerPipeline, dict[str, Any]]:
    """The pipeline of a model, and how it is to decide."""
    from hybridner.hybrid.loading import load_composite
    from hybridner.pipeline import HybridNerPipeline

    return HybridNerPipeline(load_composite(options.model), device=device), {name: getattr(options, name) for name in _DECISION}


def _of_labels(options: argparse.Namespace) -> tuple[HybridNerPipeline, dict[str, Any]]:
    """The pipeline of an LLM alone; there is no model, and so the first argument is an input."""
    from hybridner.pipeline.definitions import DefinitionsPipeline

    refuse_model_options(options, _DECISION)
    if options.input:
        refuse_model(options.model)
    options.input, options.model = [options.model, *options.input], ""
    return DefinitionsPipeline(labels=options.labels), {}


def _source(options: argparse.Namespace) -> Source:
    from hybridner.annotation import Fields, FileSource, StreamSource
    from hybridner.annotation.manifest import revision_of

    fields = Fields(options.text, options.id, options.longest)
    alone = Path(options.input[0]) if len(options.input) == 1 and options.kind is None else None
    if alone is not None and (alone.is_dir() or not alone.exists()):
        # What has been pushed to the Hub since a job began does not change it.
        revision = options.revision or revision_of(Path(options.output))
        return StreamSource(options.input[0], options.split, options.config, revision, fields, options.records_per_shard)
    return FileSource(options.input, options.kind, fields, options.records_per_shard)


def _summary(totals: dict[str, Any], output: str) -> str:
    lines = [
        f"{totals['texts']:,} texts, {totals['entities']:,} entities ({totals['needs_review']:,} to review), "
        f"{totals['rejected']:,} records set aside",
        f"output: {output}",
    ]
    if totals["unfamiliar"]:
        share = totals["unfamiliar"] / totals["texts"]
        lines.append(f"{share:.0%} of these texts are unlike what the model knows; what was found in them is marked for review")
    if totals["rejected"]:
        lines.append(f"why records were set aside: {Path(output) / 'rejects'}")
    if totals["llm"]:
        used = totals["llm"]
        lines.append(f"LLM: {used['calls']:,} calls, {used['prompt_tokens']:,} tokens in, {used['completion_tokens']:,} out")
    return "\n".join(lines)
