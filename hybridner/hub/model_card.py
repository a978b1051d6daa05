"""Model cards, made only of what training and evaluation wrote down."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.utils._validators import validate_repo_id
from jinja2 import TemplateError

import hybridner
from hybridner.data.domain_examples import domain_examples
from hybridner.errors import ModelError
from hybridner.export import OnnxHybridNerConfig
from hybridner.hub.model_folder import CARD_FILE, ModelFolder, public_report
from hybridner.hybrid import AdaptedHybridNerConfig
from hybridner.hybrid.configuration_adapted import is_hub_id
from hybridner.models import MemberConfig
from hybridner.models.encoders import max_encoder_characters

TEMPLATE = Path(__file__).with_name("model_card.md.j2")
LIBRARY = "hybridner"
#: Stands for the model in a card that was made before it was known where its readers will find it.
SOMEWHERE = "PATH-OR-HUB-ID"

#: What the Hub knows can be done to a base model.
_RELATIONS = ("adapter", "finetune", "merge", "quantized")
#: Thresholds whose point on the calibration's curve is shown, as near as it has them.
_SHOWN_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_MARK = re.compile(r"<!-- hybridner model (\w+) -->")
#: In place of a sentence of a domain that none is known of.
_ANY_SENTENCE = "在这里写一句话。"


@dataclass(frozen=True)
class EnergyUse:
    """What the training drew, as its user states it, for an estimate of its emissions.

    Attributes:
        watts: of the whole machine, on average.
        grams_per_kwh: of CO2 equivalents, where it stands.
    """

    watts: float
    grams_per_kwh: float

    def grams(self, seconds: float) -> float:
        """Grams of CO2 equivalents for so long a training."""
        return seconds / 3600 * self.watts / 1000 * self.grams_per_kwh


def make_card(
    record: ModelFolder,
    *,
    repo_id: str | None = None,
    revision: str | None = None,
    licence: str | None = None,
    energy_use: EnergyUse | None = None,
    template: str | Path = TEMPLATE,
) -> ModelCard:
    """The card of a model.

    Args:
        record: what is known about it.
        repo_id, revision: where its readers will find it; without one the examples say "PATH-OR-HUB-ID".
        licence: of the weights, as the Hub writes it ("apache-2.0"). Without one the card says that none is stated.
        energy_use: what the training drew; without it the card says nothing about emissions.
        template: a Jinja template in place of the package's own.

    Raises:
        ModelError: the template cannot be used, or the metadata are not what the Hub accepts.

    Examples:
        >>> card = make_card(read_model_folder(hybridner.bundled.BUNDLED_FOLDER), repo_id="NAME/MODEL", licence="apache-2.0")
        >>> card.data.license, card.data.language, card.data.pipeline_tag
        ('apache-2.0', 'zh', 'token-classification')
    """
    name = (repo_id or record.folder.resolve().name).split("/")[-1]
    emissions = _emissions(record, energy_use) if energy_use is not None else None
    content = {
        **card_content(record),
        "example": _first_sentence(record.labels.domain),
        "loading": loading(repo_id, revision),
        "requirement": requirement(record),
        "licence": licence,
        "emissions": emissions,
    }
    metadata = _metadata(record, name, licence, emissions)
    try:
        card = ModelCard.from_template(metadata, template_path=str(template), title=name, **content)
    except (OSError, TemplateError) as error:
        raise ModelError(f"cannot use the template {template}: {error}") from error
    return checked(str(card))


def _first_sentence(domain: str) -> str:
    """Of the domain's examples, for the card's code."""
    return next((text[: text.index("。") + 1] for text in domain_examples(domain)), _ANY_SENTENCE)


def existing_card(record: ModelFolder, repo_id: str | None = None, revision: str | None = None) -> ModelCard | None:
    """The card in the model's folder, which its owner may have edited; its examples learn where the model is.

    Raises:
        ModelError: it was made for other weights, or its metadata are not what the Hub accepts.
    """
    path = record.folder / CARD_FILE
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    mark = _MARK.search(text)
    if mark and mark[1] != record.fingerprint:
        raise ModelError(f"{path} is about other weights or settings; make it again with `hybridner card`, or delete it")
    return checked(text.replace(loading(), loading(repo_id, revision)), str(path))


def checked(text: str, where: str = "the card") -> ModelCard:
    """A card whose metadata huggingface_hub can read, model-index included.

    Raises:
        ModelError: it cannot.
    """
    try:
        card = ModelCard(text.rstrip() + "\n")
        _check_base_models(vars(card.data))
        return card
    except (ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise ModelError(f"{where} has metadata that the Hub does not accept: {error}") from error


def requirement(record: ModelFolder) -> str:
    """What to install in order to use a model, as pip wants it."""
    extras = [
        *(["onnx"] if isinstance(record.config, OnnxHybridNerConfig) else []),
        *(["stacking"] if getattr(record.config, "stackers", None) else []),
    ]
    return f"hybridner[{','.join(extras)}]" if extras else "hybridner"


def _check_base_models(metadata: Mapping[str, Any]) -> None:
    """Raise a ValueError where the Hub could not link a model to those it was made of."""
    bases = metadata.get("base_model") or []
    for base in [bases] if isinstance(bases, str) else bases:
        validate_repo_id(base)
    relation = metadata.get("base_model_relation")
    if relation is not None and relation not in _RELATIONS:
        raise ValueError(f"base_model_relation must be one of {', '.join(_RELATIONS)}, not {relation!r}")


def loading(repo_id: str | None = None, revision: str | None = None) -> str:
    """The arguments of `pipeline` that load a model."""
    arguments = f"model={json.dumps(repo_id or SOMEWHERE)}"
    return f"{arguments}, revision={json.dumps(revision)}" if revision else arguments


def card_content(record: ModelFolder) -> dict[str, Any]:
    """What the template shows, as plain data."""
    reports = {name: public_report(report) for name, report in record.training.items()}
    config = record.config
    return {
        "fingerprint": record.fingerprint,
        "composite": record.is_composite,
        "decoding": config.decoding if record.is_composite else None,
        "strategy": config.strategy if record.is_composite else None,
        "threshold": config.review_threshold.value() if record.is_composite else None,
        "label_thresholds": {_cell(k): v for k, v in config.review_threshold.by_label.items()} if record.is_composite else {},
        "uncertainty": config.uncertainty if record.is_composite else None,
        "temperature": config.temperature if record.is_composite else None,
        "ood_threshold": config.ood_threshold if record.is_composite and config.ood else None,
        "domain": _cell(record.labels.domain),
        "labels": [{k: _cell(v) for k, v in label.items()} for label in record.labels.to_dict()["labels"]],
        "members": [_member(record, name, reports.get(name)) for name in record.members],
        "gazetteer": _gazetteer(config.gazetteer) if record.is_composite else None,
        "precision": getattr(config, "precision", None),
        "parameters": f"{sum(record.parameters.values()):,}",
        "shared_parameters": f"{record.parameters['']:,}" if record.parameters.get("") else None,
        "window": min(max_encoder_characters(member.build_encoder_config()) for member in record.members.values()),
        "longest": next((m.max_span_length for m in record.members.values() if hasattr(m, "max_span_length")), None),
        "data": _data(reports),
        "training": _circumstances(reports),
        "evaluation": _evaluation(record.evaluation, "composite" if record.is_composite else "pipeline"),
        "plot": record.plot.name if record.plot else None,
        "calibration": _calibration(record),
        "hybridner": hybridner.__version__,
    }


def _gazetteer(known: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if known is None:
        return None
    by_label = ", ".join(f"{_cell(label)} {count:,}" for label, count in known["by_label"].items())
    return {
        "terms": f"{known['terms']:,}",
        "by_label": by_label,
        "fitted_on": f"{known['fitted_on']:,}" if known["fitted_on"] else "",
    }


def _member(record: ModelFolder, name: str, report: Mapping[str, Any] | None) -> dict[str, Any]:
    config = record.members[name]
    return {
        "name": name,
        "type": config.model_type,
        "encoder": _encoder(config, name, report),
        "parameters": f"{record.parameters[name]:,}",
        "dev_f1": f"{100 * report['best_dev_f1']:.1f}" if report else "–",
        "unrepresentable": f"{100 * report['unrepresentable']:.1f} %" if report and report.get("unrepresentable") else None,
    }


def _encoder(config: MemberConfig, name: str, report: Mapping[str, Any] | None) -> str:
    encoder = config.build_encoder_config()
    shape = f"{encoder.model_type}, layers: {encoder.num_hidden_layers}, size: {encoder.hidden_size}"
    origin = _origin(name, report)
    if origin is None:
        return shape
    return f"{shape}, from {_cell(origin)}" if isinstance(origin, str) else f"{shape}, random weights at the start"


def _origin(name: str, report: Mapping[str, Any] | None) -> Any:
    """The recipe's `encoder` of a member: a name, or a mapping of sizes when it started from random weights."""
    return report["recipe"]["members"].get(name, {}).get("encoder") if report else None


def _data(reports: Mapping[str, Any]) -> dict[str, Any] | None:
    """The data of the first report; the members of one recipe share them."""
    report = next(iter(reports.values()), None)
    if report is None:
        return None
    section = report["recipe"]["data"]
    return {
        "train": _cell(section["train"]),
        "dev": _cell(section["dev"] or ""),
        "texts": report["records"]["train"],
        "dev_texts": report["records"]["dev"],
        "seed": report["recipe"]["training"]["seed"],
    }


def _circumstances(reports: Mapping[str, Any]) -> dict[str, Any] | None:
    if not reports:
        return None
    last = max(reports.values(), key=lambda report: report["finished"])
    return {
        "minutes": f"{sum(report['seconds'] for report in reports.values()) / 60:.1f}",
        "reports": len(reports),
        "devices": ", ".join(sorted({f"{r['processes']} × {r['device']}" for r in reports.values()})),
        "finished": last["finished"][:10],
        "versions": ", ".join(f"{name} {version}" for name, version in last["versions"].items()),
    }


def _evaluation(evaluation: Mapping[str, Any] | None, whole: str) -> dict[str, Any] | None:
    if evaluation is None:
        return None
    return {
        **evaluation,
        "data": _cell(evaluation["data"]),
        "split": _cell(evaluation["split"]),
        "rows": [_system(name, scores, whole) for name, scores in evaluation["systems"].items()],
        "label_rows": [
            {"label": _cell(label), "gold": prf["gold"], **{k: _percent(prf[k]) for k in ("precision", "recall", "f1")}}
            for label, prf in evaluation["per_label"].items()
        ],
    }


def _calibration(record: ModelFolder) -> dict[str, Any] | None:
    report = record.calibration
    if report is None:
        return None
    points = report["curve"]
    return {
        **report,
        "kind": _cell(report["kind"]),
        "plot": record.calibration_plot.name if record.calibration_plot else None,
        "strategy_rows": [
            {"name": _chosen(name, report["strategy"]), "f1": _percent(f1)} for name, f1 in report["strategies"].items()
        ],
        "uncertainty_rows": [
            {"name": _chosen(name, report["uncertainty"]), **{k: _share(found[k]["auroc"]) for k in ("wrong", "missed")}}
            for name, found in report["uncertainties"].items()
        ],
        "reliability_rows": [{"name": name, "ece": f"{found['ece']:.3f}"} for name, found in report["reliability"].items()],
        "points": [min(points, key=lambda point: abs(point["threshold"] - at)) for at in _SHOWN_THRESHOLDS] if points else [],
    }


def _chosen(name: str, chosen: str) -> str:
    return f"**{name}**" if name == chosen else name


def _share(value: float) -> str:
    """A number from 0 to 1; a dash where there was nothing to tell apart."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def _emissions(record: ModelFolder, energy_use: EnergyUse) -> dict[str, Any]:
    """As `co2_eq_emissions` of the Hub's metadata.

    Raises:
        ModelError: no record of the training's time was kept.
    """
    if not record.training:
        raise ModelError(f"{record.folder} has no record of its training, so that nothing can be said about its emissions")
    seconds = sum(report["seconds"] for report in record.training.values())
    devices = sorted({report["device"] for report in record.training.values()})
    return {
        "emissions": round(energy_use.grams(seconds), 1),
        "source": f"estimate: {seconds / 60:.1f} minutes at {energy_use.watts:g} W and {energy_use.grams_per_kwh:g} g/kWh",
        "training_type": "fine-tuning",
        "hardware_used": ", ".join(devices),
    }


def _system(name: str, scores: Mapping[str, Any], whole: str) -> dict[str, str]:
    shown = {key: _percent(scores[key]) for key in ("precision", "recall", "f1")}
    low, high = scores["f1_interval"]
    label = f"**{whole} ({name.removeprefix('strategy:')})**" if name.startswith("strategy:") else name
    return {"name": label, **shown, "interval": f"{_percent(low)} to {_percent(high)}"}


def _metadata(record: ModelFolder, name: str, licence: str | None, emissions: dict[str, Any] | None) -> ModelCardData:
    bases, relation = _base_models(record)
    results = _model_index(record.evaluation) if record.evaluation else []
    return ModelCardData(
        language="zh",
        license=licence,
        library_name=LIBRARY,
        pipeline_tag="token-classification",
        tags=["named-entity-recognition", "chinese", record.config.model_type],
        base_model=bases or None,
        base_model_relation=relation if bases else None,
        metrics=["precision", "recall", "f1"] if results else None,
        model_name=name if results else None,
        eval_results=results or None,
        co2_eq_emissions=emissions,
    )


def _base_models(record: ModelFolder) -> tuple[list[str], str]:
    """The models on the Hub that this one was made of, and what was done to them, in the Hub's words."""
    config = record.config
    if isinstance(config, AdaptedHybridNerConfig):
        return [config.base_model] if config.base_model is not None else [], "adapter"
    origins = {str(origin) for name, report in record.training.items() if is_hub_id(origin := _origin(name, report))}
    return sorted(origins), "quantized" if getattr(config, "precision", None) == "int8" else "finetune"


def _model_index(evaluation: Mapping[str, Any]) -> list[EvalResult]:
    """The composite's figures (a single member is a composite of one), each with its interval."""
    scores = evaluation["systems"][f"strategy:{evaluation['strategy']}"]
    dataset = evaluation["data"]
    slug = re.sub(r"[^\w.]+", "-", dataset.lower()).strip("-") or "unnamed"
    return [
        EvalResult(
            task_type="token-classification",
            task_name="Named entity recognition",
            dataset_type=slug,
            dataset_name=dataset,
            dataset_split=evaluation["split"],
            metric_type=metric,
            metric_name=f"entity {'F1' if metric == 'f1' else metric}, micro",
            metric_value=round(scores[metric], 4),
            metric_args={
                "interval": [round(end, 4) for end in scores[f"{metric}_interval"]],
                **evaluation["interval"],
                "texts": evaluation["records"],
                "entities": evaluation["entities"],
            },
        )
        for metric in ("f1", "precision", "recall")
    ]


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _cell(text: object) -> str:
    """Text that can stand in a cell of a Markdown table without breaking it or becoming HTML."""
    return " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
