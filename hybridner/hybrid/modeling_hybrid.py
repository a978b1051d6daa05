"""The composite: all members in one loadable model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.utils.generic import ModelOutput
from typing_extensions import Self

from hybridner.ensemble.fitted import Fitted, refuse_other_shape
from hybridner.ensemble.stacking import STACKER_FILES, StoredStacker
from hybridner.errors import ModelError
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.models import MEMBER_CLASSES, MemberModel, SpannerModel, TaggerModel
from hybridner.models.modeling_member import (
    VocabularyMixin,
    character_mask,
    companion_file,
    encode,
    encoder_capacity,
    new_encoder,
)
from hybridner.text import CharacterVocabulary


@dataclass
class HybridNerOutput(ModelOutput):
    """Output of the composite.

    Attributes:
        loss: the members' losses added up, when gold was given.
        token_scores: one tensor [B, n, D] per member, in the members' order; D is 2K + 1 for a tagger, 2(K + 1) for SpanNER.
    """

    loss: Tensor | None = None
    token_scores: tuple[Tensor, ...] | None = None


class HybridNerModel(VocabularyMixin):
    """Several members over one label set; reading, combining and deciding is in `hybridner.hybrid.reading`.

    Encoders and heads are kept apart, so that members with the same encoder store and run it once.
    """

    config_class = HybridNerConfig
    base_model_prefix = "hybrid"
    main_input_name = "input_ids"

    def __init__(self, config: HybridNerConfig) -> None:
        super().__init__(config)
        if not config.members:
            raise ModelError("a composite needs at least one member; make one with HybridNerModel.assemble(members)")
        members = config.member_configs()
        first_of = {entry["encoder"]: members[entry["name"]] for entry in reversed(config.members)}
        self.encoders = nn.ModuleList(new_encoder(first_of[index].build_encoder_config()) for index in sorted(first_of))
        self.members = nn.ModuleDict(
            {name: MEMBER_CLASSES[member.model_type](member, with_encoder=False) for name, member in members.items()}
        )
        self.vocabularies = []
        self.stackers: dict[str, StoredStacker] = {}
        self.post_init()

    @classmethod
    def assemble(cls, members: Mapping[str, MemberModel], **settings: Any) -> Self:
        """Put trained members together; those with the same encoder (weights and vocabulary) will share it.

        Args:
            members: at least one model by a name of your choice (letters, digits, - and _); SpanNER among them scores the votes.
            **settings: fields of `HybridNerConfig`, such as strategy or threshold.

        Raises:
            ModelError: no member, two SpanNERs, a name that cannot be used, or members with different labels.
        """
        if not members:
            raise ModelError("a composite needs at least one member")
        for name in members:
            if not name or not name.replace("-", "").replace("_", "").isalnum():
                raise ModelError(f"a member's name is made of letters, digits, - and _; got {name!r}")
        spanners = [name for name, member in members.items() if isinstance(member, SpannerModel)]
        if len(spanners) > 1:
            raise ModelError(f"only one SpanNER can score the votes; got {', '.join(spanners)}")
        first = next(iter(members))
        labels = members[spanners[0] if spanners else first].config.labels
        for name, member in members.items():
            if member.config.labels.names != labels.names:
                raise ModelError(
                    f"member {name!r} was trained on the labels {list(member.config.labels.names)}, not {list(labels.names)}; "
                    "train all members with the same `labels` file"
                )
        owners: list[MemberModel] = []
        entries = []
        for name, member in members.items():
            index = next((i for i, owner in enumerate(owners) if _same_encoder(owner, member)), len(owners))
            if index == len(owners):
                owners.append(member)
            stored = {key: value for key, value in member.config.to_dict().items() if key not in _NOT_STORED}
            entries.append({"name": name, "config": stored, "encoder": index})
        vocabularies: list[CharacterVocabulary] = []
        for owner in owners:
            if owner.vocabulary not in vocabularies:
                vocabularies.append(owner.vocabulary)
        encoders = [
            {"config": owner.config.encoder_config, "vocabulary": vocabularies.index(owner.vocabulary)} for owner in owners
        ]
        model = cls(HybridNerConfig(encoders=encoders, members=entries, label_set=labels.to_dict(), **settings))
        model.vocabularies = vocabularies
        for encoder, owner in zip(model.encoders, owners, strict=True):
            encoder.load_state_dict(owner.encoder.state_dict())
        for name, member in members.items():
            wanted = model.members[name].state_dict()
            model.members[name].load_state_dict({key: tensor for key, tensor in member.state_dict().items() if key in wanted})
        return model.eval()

    def member(self, name: str) -> MemberModel:
        """One member by itself, as it was assembled; its weights stay shared with the composite (and members' encoders with each
        other)."""
        position = self.member_names.index(name)
        head, encoder = self.member_models[position], self.config.members[position]["encoder"]
        with torch.device("meta"):
            member = type(head)(cast("Any", head.config), with_encoder=False)
        member.load_state_dict(head.state_dict(keep_vars=True), assign=True)
        member.encoder = self.encoders[encoder]
        member.vocabularies = [self.vocabularies[self.config.encoders[encoder]["vocabulary"]]]
        return member.train(self.training)

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """As `PreTrainedModel.save_pretrained`, with vocabularies and stackers beside the weights."""
        if kwargs.get("is_main_process", True):
            Path(save_directory).mkdir(parents=True, exist_ok=True)
            for kind, name in STACKER_FILES.items():
                (Path(save_directory) / name).unlink(missing_ok=True)
                if kind in self.stackers:
                    (Path(save_directory) / name).write_bytes(self.stackers[kind].data)
        if self.config.half_precision:
            state = kwargs.get("state_dict") or self.state_dict()
            kwargs["state_dict"] = {name: tensor.half() if tensor.dim() > 1 else tensor for name, tensor in state.items()}
        return super().save_pretrained(save_directory, *args, **kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As `PreTrainedModel.from_pretrained`, from a folder or the Hub.

        Raises:
            ModelError: see `VocabularyMixin.from_pretrained`; or a stacker that the configuration names is missing.
        """
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.stackers = load_stackers(model.config, pretrained_model_name_or_path, kwargs)
        return loaded

    def encoder_settings(self) -> list[tuple[int, Mapping[str, Any]]]:
        return [(entry["vocabulary"], entry["config"]) for entry in self.config.encoders]

    @property
    def fitted(self) -> Fitted | None:
        """What strategies beyond the plain ones need; None before `hybridner calibrate`."""
        if self.config.fitted is None:
            return None
        fitted = Fitted.from_dict(self.config.fitted, self.stackers)
        refuse_other_shape(fitted, len(self.members), len(self.config.labels) + 1)
        return fitted

    @property
    def member_names(self) -> tuple[str, ...]:
        return tuple(self.members)

    @property
    def member_models(self) -> list[TaggerModel | SpannerModel]:
        """The members' heads, in the order of `member_names`; `member` gives one with its encoder."""
        return cast("list[TaggerModel | SpannerModel]", list(self.members.values()))

    @property
    def spanner(self) -> SpannerModel | None:
        """The SpanNER member, or None in a composite of taggers only."""
        return next((member for member in self.member_models if isinstance(member, SpannerModel)), None)

    @property
    def max_characters(self) -> int:
        """The most characters that every member's encoder reads at once."""
        return min(encoder_capacity(encoder.config) for encoder in self.encoders)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, tags: Tensor | None = None, spans: Tensor | None = None
    ) -> HybridNerOutput:
        """Every member's scores for each character and, with gold, the loss.

        Args:
            input_ids: [B, V, n + 2], one layer for each of the V distinct vocabularies.
            attention_mask: [B, n + 2], 1 for real tokens; the same for all, as every vocabulary gives one token per character.
            tags, spans: gold as taggers and SpanNER want it; see their `head`. Both or neither.
        """
        hidden = [
            encode(encoder, input_ids[:, entry["vocabulary"]], attention_mask)
            for encoder, entry in zip(self.encoders, self.config.encoders, strict=True)
        ]
        mask = character_mask(attention_mask)
        outputs = [
            member.head(hidden[entry["encoder"]], mask, spans if isinstance(member, SpannerModel) else tags)
            for member, entry in zip(self.member_models, self.config.members, strict=True)
        ]
        losses = [output.loss.float() for output in outputs if output.loss is not None]
        return HybridNerOutput(
            loss=torch.stack(losses).sum() if losses else None,
            token_scores=tuple(cast("Tensor", output.token_scores) for output in outputs),
        )


def load_stackers(config: HybridNerConfig, source: Any, options: Mapping[str, Any]) -> dict[str, StoredStacker]:
    """The stackers that a configuration names, from beside the weights."""
    return {
        kind: StoredStacker(
            kind,
            Path(companion_file(source, STACKER_FILES[kind], options)).read_bytes(),
            tuple(classes),
            len(config.labels) + 1,
        )
        for kind, classes in (config.stackers or {}).items()
    }


def _same_encoder(a: MemberModel, b: MemberModel) -> bool:
    """Whether two members read through the same encoder: the very same module, or one of the same form and weights."""
    if a.vocabulary != b.vocabulary:
        return False
    if a.encoder is b.encoder:
        return True
    mine, other = a.encoder.state_dict(), b.encoder.state_dict()
    return (
        a.config.encoder_config == b.config.encoder_config
        and mine.keys() == other.keys()
        and all(torch.equal(mine[name], other[name].to(mine[name].device)) for name in mine)
    )


#: Kept elsewhere, derived from the rest of a member's configuration, or about where it was loaded from.
_NOT_STORED = {"encoder_config", "_name_or_path", "transformers_version", "architectures", "dtype", "id2label", "label2id"}
