"""`hybridner calibrate`: weights, temperature and threshold of a composite."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from hybridner.cli.arguments import LLM_FILE, require_llm
from hybridner.cli.console import Terminal
from hybridner.cli.terminal import say
from hybridner.errors import DataError, MissingPackageError, ModelError
from hybridner.files import atomic_folder, write_json

if TYPE_CHECKING:
    from hybridner.calibration import LlmCalibration
    from hybridner.ensemble import Predictions
    from hybridner.hybrid import CompositeModel

DESCRIPTION = (
    "Fit what is fitted after training: the weights of the combining strategies, the temperature of SpanNER's "
    "scores, and the threshold above which an entity is doubtful."
)
EPILOG = f"""\
examples:
  hybridner calibrate runs/mine/composite runs/mine/oof.parquet --share 0.2
  hybridner calibrate runs/mine/composite dev.jsonl --strategy best --uncertainty best --accuracy 0.8
  hybridner calibrate runs/mine/composite runs/mine/oof.parquet --gazetteer terms.parquet --output runs/mine/with-terms
  hybridner calibrate runs/mine/composite runs/mine/oof.parquet --error-recall 0.9 --by-label --stacker xgboost
  hybridner calibrate runs/mine/composite runs/mine/oof.parquet --llm llm.yaml --llm-sentences 50 --dry-run

DATA is what `hybridner crossval` made, or a labelled file that no member was trained on. Everything is fitted on all of it; every
figure shown, and every choice made by a figure, is cross-fitted.

How far an LLM is to be trusted depends on what it is shown: ask it with the template, guidelines and examples that it gets later.
{LLM_FILE}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hybridner.ensemble import COMBINERS, STACKERS, UNCERTAINTIES

    parser.add_argument("model", metavar="MODEL", help="folder of a composite")
    parser.add_argument("data", metavar="DATA", help="out-of-fold predictions (Parquet), or a labelled file")
    parser.add_argument(
        "--strategy",
        choices=["best", *COMBINERS],
        default="pool",
        help="the strategy (pool: never clearly below another across the sets measured); best: of the highest F1",
    )
    parser.add_argument(
        "--uncertainty",
        choices=["best", *UNCERTAINTIES],
        default="score",
        help="the uncertainty (score: best across the sets measured; the paper's is spanner); best: of the highest AUROC",
    )
    parser.add_argument("--stacker", action="append", default=[], choices=list(STACKERS), help="fit this one too (several times)")
    parser.add_argument(
        "--gazetteer", metavar="FILE", help="let these terms vote from now on (what `hybridner gazetteer build` wrote, or a list)"
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--share", type=float, metavar="X", help="threshold that routes so many spans for each entity found")
    target.add_argument("--calls", type=int, metavar="N", help="threshold that routes so many spans in 1,000 texts")
    target.add_argument("--accuracy", type=float, metavar="X", help="threshold of the best expected F1 with such a verifier")
    target.add_argument(
        "--error-recall", type=float, metavar="X", help="threshold that routes this share of wrong entities (conformal)"
    )
    parser.add_argument("--by-label", action="store_true", help="with --error-recall: a threshold for each label")
    parser.add_argument(
        "--known",
        action="append",
        metavar="FILE",
        help="texts of the domain, such as the training data, to learn from what is foreign (else DATA); several times for "
        "several styles",
    )
    parser.add_argument(
        "--held-out",
        action="append",
        metavar="FILE",
        help="other texts of the domain, that members were not trained on, to rank new texts among (default: DATA); several "
        "times for several styles",
    )
    parser.add_argument("--background", metavar="FILE", help="texts of other kinds, thousands if possible (else 200 of ours)")
    parser.add_argument(
        "--llm", metavar="FILE", help="YAML file of an LLM: ask it about labelled sentences, and learn how far to trust it"
    )
    parser.add_argument("--llm-sentences", type=int, default=50, metavar="N", help="how many sentences (default: 50)")
    parser.add_argument("--llm-cache", metavar="FILE", help="keep the LLM's answers in this file, and ask nothing twice")
    parser.add_argument("--dry-run", action="store_true", help="with --llm: only say what asking would cost")
    parser.add_argument(
        "--answers", metavar="FILE", help="answers of an LLM about spans of DATA: how reliable it is, by kind and label"
    )
    parser.add_argument("--answers-of", metavar="NAME", help="with --answers: the LLM's name, as it is named where it is asked")
    parser.add_argument("--output", metavar="DIR", help="where the composite goes (default: where it is)")


def run(options: argparse.Namespace) -> int:
    from hybridner.calibration import CalibrationConfig, Target, calibrate
    from hybridner.calibration.answers import learn_from_file
    from hybridner.calibration.plots import draw_report
    from hybridner.gazetteer.files import load_gazetteer
    from hybridner.hub.model_folder import CALIBRATION_FILE, CALIBRATION_PLOT_FILE, fingerprint
    from hybridner.hybrid.loading import load_composite

    if not Path(options.model).is_dir() and not options.output:
        raise ModelError(f"{options.model} is no folder; give --output for the calibrated composite")
    if (options.answers is None) != (options.answers_of is None):
        raise DataError("--answers and --answers-of go together: the answers, and whose they are", "calibrate")
    require_llm(options, ("llm_cache", "dry_run"))
    targets = {name: getattr(options, name) for name in ("share", "calls", "accuracy", "error_recall")}
    wanted = any(value is not None for value in targets.values())
    target = Target(**targets, by_label=options.by_label) if wanted or options.by_label else None
    model = load_composite(options.model)
    choices = CalibrationConfig(options.strategy, options.uncertainty, target, tuple(dict.fromkeys(options.stacker)))
    if options.gazetteer:
        model.use_gazetteer(load_gazetteer(options.gazetteer, model.config.labels.names))
    predictions = _predictions(options.data, model)
    # What cannot work shows before anything is fitted.
    llm = _llm_calibration(model, predictions, options) if options.llm else None
    report = calibrate(model, predictions, choices)
    if llm is not None:
        if options.dry_run:
            say(llm.plan())
            return 0
        report["llm"] = llm.fit()
        if llm.stated:
            say(f"{options.llm} states {', '.join(llm.stated)}, which goes before what was fitted; take it out", error=True)
    if options.answers:
        report["answers"] = learn_from_file(model, options.answers, predictions.records, options.answers_of)
    report["ood"] = _teach_domain(model, [record.text for record in predictions.records], options)
    folder = Path(options.output or options.model)
    with atomic_folder(folder) as unfinished:
        model.save_pretrained(unfinished)
        report = {"model": fingerprint(unfinished), **report}
        write_json(unfinished / CALIBRATION_FILE, report)
    console = Terminal()
    try:
        draw_report(report, folder / CALIBRATION_PLOT_FILE)
    except MissingPackageError as error:
        console.print(f"no picture: {error}")
    print_report(console, report)
    console.print(f"written to {folder}")
    return 0


def _llm_calibration(model: Any, predictions: Predictions, options: argparse.Namespace) -> LlmCalibration:
    from hybridner.calibration import LlmCalibration
    from hybridner.llm import AnswerCache, as_verifier
    from hybridner.llm.llm_file import read_llm_file

    llm = read_llm_file(options.llm)
    cache = AnswerCache(options.llm_cache) if options.llm_cache else None
    return LlmCalibration(model, predictions, as_verifier(llm.verifier), llm.settings, options.llm_sentences, cache, llm.examples)


def _predictions(path: str, model: Any) -> Predictions:
    from hybridner.data import detect_format, read_records
    from hybridner.ensemble import Predictions
    from hybridner.hybrid import predict_records

    if detect_format(path).format == "parquet" and Predictions.stored_in(path):
        return Predictions.load(path)
    records = read_records(path)
    if not any(record.entities for record in records):
        raise DataError("holds no labelled entity to calibrate on", path)
    return predict_records(model, records)


def _teach_domain(model: CompositeModel, texts: list[str], options: argparse.Namespace) -> dict[str, Any] | None:
    """What `fit_ood` reports; None where it could not be done, which nothing else depends on."""
    from hybridner.calibration.ood import fit_ood
    from hybridner.hybrid import HybridNerModel

    if not isinstance(model, HybridNerModel):
        return None
    background = None if options.background is None else _texts_of([options.background])
    held_out = texts if options.held_out is None else _texts_of(options.held_out)
    if options.known is not None:
        return fit_ood(model, _texts_of(options.known), held_out, background)
    try:
        return fit_ood(model, texts, None, background)
    except DataError:
        return None


def _texts_of(files: list[str]) -> list[str]:
    from hybridner.data.texts import iter_texts

    return [text for file in files for text in iter_texts(file)]


def print_report(console: Terminal, report: dict[str, Any]) -> None:
    console.print(f"cross-fitted F1 on {report['records']} records ({report['kind']})")
    table = Table()
    table.add_column("strategy")
    table.add_column("F1 %", justify="right")
    for name, value in report["strategies"].items():
        table.add_row(name, f"{100 * value:.2f}", style="bold" if name == report["strategy"] else None)
    console.print(table)
    console.print("how well u finds wrong entities, and missed ones")
    table = Table()
    for column in ("uncertainty", "AUROC wrong", "AUPR wrong", "AUROC missed", "AUPR missed"):
        table.add_column(column, justify="left" if column == "uncertainty" else "right")
    for name, found in report["uncertainties"].items():
        values = [_shown(found[kind][area]) for kind in ("wrong", "missed") for area in ("auroc", "aupr")]
        table.add_row(name, *values, style="bold" if name == report["uncertainty"] else None)
    console.print(table)
    before, after = (report["reliability"][name]["ece"] for name in ("spanner", "spanner, calibrated"))
    console.print(f"temperature {report['temperature']:.3f}: ECE of SpanNER {before:.3f} -> {after:.3f}")
    chosen = report["threshold"]
    console.print(
        f"threshold {chosen['threshold']:.3f}: routes {chosen['routed_spans']} spans ({chosen['entities']} entities found, "
        f"{chosen['wrong']} of them wrong) and {100 * chosen['error_recall']:.1f} % of the wrong ones"
    )
    if not chosen["wrong"]:
        console.print(
            "no entity is wrong in these predictions, so uncertainty and threshold are fitted to nothing: calibrate on sentences "
            "that no member was trained on, such as those of `hybridner crossval`"
        )
    for label, value in chosen["by_label"].items():
        console.print(f"  {label}: {value:.3f}")
    if llm := report.get("llm"):
        console.print(f"reliability of {llm['model']} fitted on {llm['sentences']} sentences")
        if member := llm.get("member"):
            console.print(
                f"  as a member: {member['found']} entities found, {member['right']} of them right, of {member['gold']}"
            )
        if verify := llm.get("verify"):
            console.print(f"  about doubtful spans: right on {verify['right']} of {verify['spans']}")
            if not verify["spans"]:
                console.print("  no span was left in doubt, so that about them the stated accuracy holds")
    if known := report.get("answers"):
        console.print(f"{known['llm']}: {known['answers']} answers, {100 * known['accuracy']:.1f} % of them right")
        for value, share in {**known["kind"], **known["label"]}.items():
            console.print(f"  {value or 'any kind'}: {100 * share:.1f} %")
    console.print(_domain_line(report.get("ood")))


def _domain_line(found: dict[str, Any] | None) -> str:
    if found is None:
        return "no ood_score: there are too few texts to learn from what is foreign; give more with --known"
    return (
        f"ood_score: learned from {found['known']} known texts and {found['background']} others, ranked against "
        f"{found['held_out']} held-out ones; tells these from other texts with AUROC {_shown(found['separation']['auroc'])}"
    )


def _shown(value: float) -> str:
    """A figure for the table; where there is nothing to tell apart there is none."""
    return "-" if math.isnan(value) else f"{value:.3f}"
