"""From a composite to a new domain or label set with a few hundred sentences, or fewer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from accelerate.utils import set_seed

from hybridner.adaptation.heads import carry_over
from hybridner.data import collect_labels
from hybridner.data.labels import load_label_set
from hybridner.ensemble import UNFITTED
from hybridner.errors import DataError, ModelError
from hybridner.hybrid import AdaptedHybridNerConfig, AdaptedHybridNerModel, HybridNerConfig, HybridNerModel
from hybridner.hybrid.modeling_adapted import base_fingerprint
from hybridner.spans import LabelSet, Record
from hybridner.training import HybridNerTrainer, HybridNerTrainingArguments

#: How a model was adapted; written beside it under this name.
Report = dict[str, Any]
REPORT = "adaptation.json"


@dataclass(frozen=True)
class AdaptationSettings:
    """How a composite is adapted.

    Attributes:
        rank: r of the LoRA matrices, in every linear layer of the encoders; they are scaled by 2.
        epochs: passes over the sentences; None takes so many that about 3,000 are read, at least 6 and at most 30.
        batch_size: sentences per step.
        encoder_learning_rate, head_learning_rate: learning rates of the LoRA matrices and of the heads.
        seed: of initialisation, dropout and shuffling.
        mixed_precision: "no", "bf16", "fp16" or "auto", as in recipes.

    Raises:
        ModelError: a number that is not positive.

    Examples:
        >>> AdaptationSettings(rank=4, epochs=10).training_arguments(records=200, output="runs").num_train_epochs
        10
        >>> AdaptationSettings().training_arguments(records=200, output="runs").num_train_epochs    # 3,000 sentences in all
        15
    """

    rank: int = 8
    epochs: int | None = None
    batch_size: int = 8
    encoder_learning_rate: float = 1e-3
    head_learning_rate: float = 3e-3
    seed: int = 42
    mixed_precision: str = "auto"

    def __post_init__(self) -> None:
        for name in ("rank", "epochs", "batch_size", "encoder_learning_rate", "head_learning_rate"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ModelError(f"{name} must be positive, not {value!r}")

    def training_arguments(self, records: int, output: str) -> HybridNerTrainingArguments:
        """The same for the trainer, for so many sentences; few leave none to stop early by."""
        return HybridNerTrainingArguments(
            output_dir=output,
            num_train_epochs=self.epochs or max(6, min(30, round(3000 / records))),
            per_device_train_batch_size=self.batch_size,
            encoder_learning_rate=self.encoder_learning_rate,
            head_learning_rate=self.head_learning_rate,
            save_strategy="no",
            disable_tqdm=True,
            seed=self.seed,
            mixed_precision=self.mixed_precision,
        )


def adapt(
    base: HybridNerModel,
    base_name: str,
    records: Sequence[Record],
    labels: LabelSet,
    settings: AdaptationSettings | None = None,
) -> tuple[AdaptedHybridNerModel, Report]:
    """Train an adapter; the base stays as it is.

    Args:
        base: the composite to adapt, not an adapter itself.
        base_name: the folder or Hub id by which the adapter finds it again.
        records: labelled sentences of the new domain.
        labels: their label set; labels that the base knows by the same name start from its heads.
        settings: how.

    Returns:
        the adapter, and a report of how it was trained.

    Raises:
        DataError: no record, or labels outside the label set.
        ModelError: the base is an adapter itself.

    Examples:
        >>> base = HybridNerModel.assemble({"tagger": BertBiLstmCrfModel.from_encoder("bert-base-chinese", ["Place", "State"])})
        >>> base.save_pretrained("base")
        >>> known = [Record("北约部署了雷达。", (Span(0, 2, "Alliance"),))] * 8
        >>> adapter, report = adapt(base, "base", known, LabelSet.of(["Alliance"]), AdaptationSettings(rank=2, epochs=1))
        {'loss': ...}
        >>> adapter.config.base, adapter.config.labels.names, report["records"]
        ('base', ('Alliance',), 8)
    """
    settings = settings or AdaptationSettings()
    _check_records(records, labels)
    set_seed(settings.seed)
    config = AdaptedHybridNerConfig(
        **adapted_settings(base.config, labels),
        base=base_name,
        base_fingerprint=base_fingerprint(base),
    )
    model = AdaptedHybridNerModel.from_base(base, config, rank=settings.rank, trainable=True)
    return model, _train(model, base, records, settings)


def fine_tune(
    base: HybridNerModel, records: Sequence[Record], labels: LabelSet, settings: AdaptationSettings
) -> tuple[HybridNerModel, Report]:
    """As `adapt`, but all weights of a copy of the base are trained, and an ordinary composite comes out.

    Args:
        base: the composite to start from; it may be an adapted one, and stays as it is.
        records: labelled sentences of the new domain.
        labels: their label set.
        settings: how; `rank` has no meaning here.

    Returns:
        the composite, and a report of how it was trained.

    Examples:
        >>> base = HybridNerModel.assemble({"tagger": BertBiLstmCrfModel.from_encoder("bert-base-chinese", ["Place", "State"])})
        >>> known = [Record("北约部署了雷达。", (Span(0, 2, "Alliance"),))] * 8
        >>> composite, report = fine_tune(base, known, LabelSet.of(["Alliance"]), AdaptationSettings(epochs=1))
        {'loss': ...}
        >>> type(composite).__name__, composite.config.labels.names
        ('HybridNerModel', ('Alliance',))
    """
    _check_records(records, labels)
    base = base.merged() if isinstance(base, AdaptedHybridNerModel) else base
    set_seed(settings.seed)
    model = HybridNerModel(HybridNerConfig(**adapted_settings(base.config, labels)))
    model.vocabularies = base.vocabularies
    model.encoders.load_state_dict(base.encoders.state_dict())
    return model, _train(model, base, records, settings)


def adapted_settings(config: Any, labels: LabelSet) -> dict[str, Any]:
    """Fields of a composite's configuration for another label set; what was calibrated for the old one is left out."""
    stored = labels.to_dict()
    members = [{**entry, "config": {**entry["config"], "label_set": stored}} for entry in config.members or []]
    kept = {name: getattr(config, name) for name in ("encoders", "decoding", "uncertainty", "near_miss", "simplify")}
    return {
        **kept,
        **config.review_threshold.for_labels(labels.names).to_dict(),
        "members": members,
        "label_set": stored,
        "strategy": config.strategy if config.strategy in UNFITTED else "score",
    }


def labels_for(base: LabelSet, records: Sequence[Record], source: str | None) -> LabelSet:
    """The label set to adapt to.

    It is the one named by `source`; else the base's when it has all labels of the records; else that of the records, described as
    in the base where it knows them.

    Args:
        base: the base's label set.
        records: labelled sentences of the new domain.
        source: the name of a data set or a YAML file of a label set; None for one of the other two.

    Raises:
        DataError: no entity at all, or labels in the records that the named label set lacks.

    Examples:
        >>> labels_for(LabelSet.of(["State", "Place", "System"]), records, None).names
        ('State', 'Place', 'System')
    """
    found = load_label_set(source, records)
    if source is not None:
        return found
    if set(found.names) <= set(base.names):
        return base
    known = {label.name: label for label in base.labels}
    return LabelSet(tuple(known.get(label.name, label) for label in found.labels), found.domain)


def _check_records(records: Sequence[Record], labels: LabelSet) -> None:
    if not records:
        raise DataError("there is no sentence to adapt to")
    unknown = sorted(set(collect_labels(records).names) - set(labels.names))
    if unknown:
        raise DataError(f"labels {', '.join(unknown)} occur in the sentences but not in the label set")


def _train(model: HybridNerModel, base: HybridNerModel, records: Sequence[Record], settings: AdaptationSettings) -> Report:
    for old, new in zip(base.heads, model.heads, strict=True):
        carry_over(old, new)
    began, busy = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="hybridner-adapt-") as folder:
        trainer = HybridNerTrainer(model, settings.training_arguments(len(records), folder), records)
        trainer.train()
    model.eval()
    return {
        "records": len(records),
        "settings": {**asdict(settings), "epochs": int(trainer.args.num_train_epochs or 0)},
        "trained_parameters": sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - busy, 1),
        "device": str(model.device),
        "history": list(trainer.state.log_history),
    }
