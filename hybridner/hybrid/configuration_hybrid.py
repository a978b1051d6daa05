"""Configuration of the composite model."""

from __future__ import annotations

from typing import Any, TypeGuard

from hybridner.ensemble import COMBINERS, STACKERS, UNCERTAINTIES, FixedThreshold, OodDetector, SelectionTable
from hybridner.errors import ModelError
from hybridner.models import MEMBER_CLASSES, MemberConfig
from hybridner.models.format_version import VersionedConfig
from hybridner.spans import RESOLVERS, LabelSet


class HybridNerConfig(VersionedConfig):
    """Members, how they are combined, and when an entity is doubtful.

    Args:
        encoders: one entry per encoder: `config` (its own configuration as a dict) and `vocabulary` (index of its character
            vocabulary).
        members: one entry per member: `name`, `config` (the member's own configuration as a dict, without the encoder's) and
            `encoder` (index of its encoder; members may share one).
        label_set: entity types with descriptions and the domain, as `LabelSet.to_dict` gives it.
        strategy: how votes are combined: a key of `hybridner.ensemble.COMBINERS`.
        decoding: "flat" (no overlap) or "nested" (no crossing).
        uncertainty: how u is measured: a key of `hybridner.ensemble.UNCERTAINTIES`.
        threshold: τ; an entity with uncertainty u > τ is doubtful. Read and written through `review_threshold`.
        label_thresholds: τ of single labels, in place of `threshold`; in the same way.
        temperature: SpanNER's scores are divided by it before the softmax.
        combiner_weights: what strategies that need weights were fitted, as `hybridner.ensemble.CombinerWeights` gives them.
        stackers: for each stacker stored beside the weights, the label numbers that it knows.
        gazetteer: how many terms of which labels vote beside the members; the terms are in a file beside the weights.
        llm_reliability: by the name of an LLM, what `hybridner calibrate --llm` fitted: `member` (a `MemberReliability`),
            `confusion` (a `ConfusionMatrix`), as dicts, and what the LLM was shown with every question (`asked`).
        llm_answers: by the name of an LLM, its answers that people judged: true label, answer, and how often.
        error_model: what the uncertainty "error" needs, as `hybridner.ensemble.ErrorModel` gives it.
        selection: what entities of which uncertainty were right, as `hybridner.ensemble.SelectionTable` gives it.
        ood: what texts are ranked against to tell those unlike what the model knows, as `hybridner.ensemble.OodDetector` gives
            it; None before `hybridner calibrate`.
        ood_threshold: entities in texts or passages whose `ood_score` is above it are to be reviewed.
        half_precision: whether matrices are stored in half precision; they are loaded in single precision all the same.
        simplify: whether traditional characters are read as the simplified ones they stand for; right for models that were
            trained on simplified text.
        near_miss: spans whose best label is at least so many times as probable as O are candidates though nobody proposed them.

    Examples:
        >>> config = model.config
        >>> config.strategy, config.decoding, len(config.labels.names)
        ('pool', 'flat', 13)
        >>> config.review_threshold = FixedThreshold(0.3)
    """

    model_type = "hybrid-ner"
    has_no_defaults_at_init = False

    encoders: list[dict[str, Any]] | None = None
    members: list[dict[str, Any]] | None = None
    label_set: dict[str, Any] | None = None
    strategy: str = "score"
    decoding: str = "flat"
    uncertainty: str = "spanner"
    threshold: float = 0.5
    label_thresholds: dict[str, float] | None = None
    temperature: float = 1.0
    combiner_weights: dict[str, Any] | None = None
    stackers: dict[str, list[int]] | None = None
    gazetteer: dict[str, Any] | None = None
    llm_answers: dict[str, list[list[Any]]] | None = None
    llm_reliability: dict[str, dict[str, Any]] | None = None
    near_miss: float = 0.1
    error_model: dict[str, Any] | None = None
    selection: dict[str, Any] | None = None
    ood: dict[str, Any] | None = None
    ood_threshold: float = 0.95
    half_precision: bool = False
    simplify: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        _check_layout(self.encoders or [], self.members or [])
        check_choice("strategy", self.strategy, COMBINERS)
        check_choice("decoding", self.decoding, RESOLVERS)
        check_choice("uncertainty", self.uncertainty, UNCERTAINTIES)
        FixedThreshold.from_dict(vars(self))  # refuses what is no threshold
        if not (_is_number(self.temperature) and self.temperature > 0):
            raise ModelError(f"temperature must be positive, not {self.temperature!r}")
        if not (_is_number(self.ood_threshold) and 0 <= self.ood_threshold <= 1):
            raise ModelError(f"ood_threshold must be a number from 0 to 1, not {self.ood_threshold!r}")
        if self.selection is not None:
            SelectionTable.from_dict(self.selection)  # refuses what is none
        if self.ood is not None:
            self._check_direction(OodDetector.from_dict(self.ood))
        if not isinstance(self.simplify, bool):
            raise ModelError(f"simplify must be true or false, not {self.simplify!r}")
        if not (_is_number(self.near_miss) and 0 < self.near_miss <= 1):
            raise ModelError(f"near_miss must be above 0 and at most 1, not {self.near_miss!r}")
        if not isinstance(self.stackers, dict | None):
            raise ModelError(f"stackers must hold the bytes of each stacker, not {self.stackers!r}")
        for kind in self.stackers or {}:
            check_choice("a stacker", kind, STACKERS)
        if self.label_set is not None:
            self.id2label = dict(enumerate(self.labels.with_outside))
            self.label2id = {name: number for number, name in self.id2label.items()}
        for derived in ("id2label", "label2id", "num_labels"):
            kwargs.pop(derived, None)
        super().__post_init__(**kwargs)

    @property
    def review_threshold(self) -> FixedThreshold:
        """Tells which spans are doubtful: marked for review, or sent to an LLM."""
        return FixedThreshold.from_dict(vars(self))

    @review_threshold.setter
    def review_threshold(self, threshold: FixedThreshold) -> None:
        self.update(threshold.to_dict())

    @property
    def labels(self) -> LabelSet:
        """The label set.

        Raises:
            ModelError: the configuration was made without one.
        """
        if self.label_set is None:
            raise ModelError("this configuration has no label_set; make a composite with HybridNerModel.assemble(members)")
        return LabelSet.from_dict(self.label_set)

    def _check_direction(self, detector: OodDetector) -> None:
        if self.members and self.encoders:
            width = self.encoders[self.ood_encoder]["config"].get("hidden_size", len(detector.direction))
            if len(detector.direction) != width:
                raise ModelError(
                    f"`ood` in the composite's config.json is for an encoder of {len(detector.direction)} dimensions, this has "
                    f"{width}; run `hybridner calibrate` again"
                )

    @property
    def ood_encoder(self) -> int:
        """The number of the encoder whose states say how strange a text is: SpanNER's, or the first member's."""
        members = self.members or []
        spanner = (entry["encoder"] for entry in members if entry["config"].get("model_type") == "spanner")
        return int(next(spanner, members[0]["encoder"]))

    def member_configs(self) -> dict[str, MemberConfig]:
        """Each member's configuration by its name.

        Raises:
            ModelError: a member's model_type is unknown.
        """
        configs: dict[str, MemberConfig] = {}
        for member in self.members or []:
            settings = dict(member["config"])
            model_type = settings.pop("model_type", None)
            if not isinstance(model_type, str) or model_type not in MEMBER_CLASSES:
                raise ModelError(
                    f"member {member['name']!r} has the unknown model_type {model_type!r}; known: {', '.join(MEMBER_CLASSES)}"
                )
            encoder = (self.encoders or [])[member["encoder"]]
            configs[member["name"]] = MEMBER_CLASSES[model_type].config_class(encoder_config=encoder["config"], **settings)
        return configs


def _check_layout(encoders: Any, members: Any) -> None:
    """Raise a ModelError where encoders and members are not stored as this version stores them."""
    for kind, entries, keys in (
        ("member", members, {"name": str, "config": dict, "encoder": int}),
        ("encoder", encoders, {"config": dict, "vocabulary": int}),
    ):
        if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
            raise ModelError(
                f"`{kind}s` in the composite's config.json must be a list of objects; it is damaged, fetch the folder again"
            )
        for number, entry in enumerate(entries):
            missing = [key for key, type_ in keys.items() if not isinstance(entry.get(key), type_)]
            if missing:
                raise ModelError(
                    f"{kind} {entry.get('name', number)!r} in the composite's config.json has no {', '.join(missing)}: it was "
                    "saved in a layout that this version of hybridner does not read; put the composite together again from its "
                    "members with `hybridner assemble`"
                )
    for member in members:
        if member["encoder"] not in range(len(encoders)):
            raise ModelError(
                f"member {member['name']!r} reads through encoder {member['encoder']!r}, but the composite's config.json has "
                f"only {len(encoders)}; it is damaged, fetch the folder again"
            )


def check_choice(name: str, value: object, choices: Any) -> None:
    """Raise a ModelError that lists the choices when `value` is none of them."""
    # Compared one by one: a damaged file may hold a list, which no dictionary can look up.
    if all(value != choice for choice in choices):
        raise ModelError(f"{name} must be one of {', '.join(map(str, choices))}; got {value!r}")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
