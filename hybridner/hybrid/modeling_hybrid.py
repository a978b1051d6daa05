"""The composite in torch: all members in one loadable model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from hybridner.errors import ModelError
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.hybrid.modeling_composite import CompositeModel, refuse_no_members
from hybridner.models import MEMBER_CLASSES, HybridNerOutput, MemberHead, MemberModel, SpannerHead
from hybridner.models.decoders import Decoder
from hybridner.models.encoders import character_mask, encode_characters, max_encoder_characters, new_encoder
from hybridner.text import CharacterVocabulary


class HybridNerModel(CompositeModel):
    """Several members over one label set, in one folder or repository.

    Encoders and heads are kept apart, so that members with the same encoder store and run it once.

    Args:
        config: its members, encoders and settings; `assemble` makes it of trained members.

    Examples:
        >>> tagger = BertBiLstmCrfModel.from_encoder("bert-base-chinese", ["Place", "State"])
        >>> spanner = SpannerModel.from_encoder("bert-base-chinese", ["Place", "State"])
        >>> model = HybridNerModel.assemble({"tagger": tagger, "spanner": spanner}, threshold=0.3)
        >>> model.save_pretrained("composite")
        >>> HybridNerModel.from_pretrained("composite").member_names
        ('tagger', 'spanner')
    """

    def __init__(self, config: HybridNerConfig) -> None:
        super().__init__(config)
        refuse_no_members(config)
        members = config.member_configs()
        first_of = {entry["encoder"]: members[entry["name"]] for entry in reversed(config.members or [])}
        self.encoders = nn.ModuleList(new_encoder(first_of[index].build_encoder_config()) for index in sorted(first_of))
        self.members = nn.ModuleDict(
            {name: MEMBER_CLASSES[member.model_type].head_class(member) for name, member in members.items()}
        )
        self.vocabularies = []
        self.stackers = {}
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
        spanners = [name for name, member in members.items() if member.head.decoder.is_span_scorer]
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
            model.members[name].load_state_dict(member.head.state_dict())
        model.eval()
        return model

    def member(self, name: str) -> MemberModel:
        """One member by itself, as it was assembled.

        Its weights stay shared with the composite, and members' encoders with each other.

        Args:
            name: one of `member_names`.

        Raises:
            ModelError: there is no such member.
        """
        position = self.member_names.index(name)
        head, encoder = self.heads[position], self.config.members[position]["encoder"]
        with torch.device("meta"):
            member = MEMBER_CLASSES[head.config.model_type](head.config)
        member.encoder, member.head = self.encoders[encoder], head
        member.vocabularies = [self.vocabularies[self.config.encoders[encoder]["vocabulary"]]]
        member.train(self.training)
        return member

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """As `PreTrainedModel.save_pretrained`, with tokenizers and stackers beside the weights.

        Args:
            save_directory: a folder; made when it is not there.
            *args, **kwargs: as for `PreTrainedModel.save_pretrained`.
        """
        if self.config.half_precision:
            state = kwargs.get("state_dict") or self.state_dict()
            kwargs["state_dict"] = {name: tensor.half() if tensor.dim() > 1 else tensor for name, tensor in state.items()}
        return super().save_pretrained(save_directory, *args, **kwargs)

    @property
    def heads(self) -> list[MemberHead]:
        """The members' heads, in the order of `member_names`; `member` gives one with its encoder."""
        return cast("list[MemberHead]", list(self.members.values()))

    @property
    def decoders(self) -> list[Decoder]:
        return [head.decoder for head in self.heads]

    @property
    def spanner(self) -> SpannerHead | None:
        """The SpanNER member's head, or None in a composite of taggers only."""
        return next((head for head in self.heads if isinstance(head, SpannerHead)), None)

    @property
    def max_characters(self) -> int:
        """The most characters that every member's encoder reads at once."""
        return min(max_encoder_characters(encoder.config) for encoder in self.encoders)

    def character_logits(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        output: HybridNerOutput = self(input_ids.to(self.device), attention_mask.to(self.device))
        logits = output.logits or ()
        return logits if output.strangeness is None else (*logits, output.strangeness[..., None])

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        tag_labels: Tensor | None = None,
        span_labels: Tensor | None = None,
    ) -> HybridNerOutput:
        """Every member's logits of each character and, with gold, the loss.

        Args:
            input_ids: [B, V, n + 2], one layer for each of the V distinct vocabularies; or [B, n + 2], as the folder's tokenizer
                gives them, where there is only one.
            attention_mask: [B, n + 2], 1 for real tokens (by default all are); the same for all, as every vocabulary gives one
                token per character.
            tag_labels: [B, n] tag numbers of the characters, for taggers; see `TaggerHead`.
            span_labels: [B, E, 3] gold spans, for SpanNER; see `SpannerHead`.

        Raises:
            ModelError: gold in a form that no member takes, or a member whose form of gold is missing while another's is given;
                or ids of one vocabulary for a model with several.
        """
        if input_ids.dim() == 2:
            input_ids = input_ids[:, None]
        if input_ids.size(1) != len(self.vocabularies):
            raise ModelError(
                f"this composite has {len(self.vocabularies)} vocabularies: input_ids must be [B, {len(self.vocabularies)}, n]"
            )
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids[:, 0])
        gold = self._gold(tag_labels, span_labels)
        hidden = [
            encode_characters(encoder, input_ids[:, entry["vocabulary"]], attention_mask)
            for encoder, entry in zip(self.encoders, self.config.encoders, strict=True)
        ]
        mask = character_mask(attention_mask)
        outputs = [
            head(hidden[entry["encoder"]], mask, gold.get(head.label_kind))
            for head, entry in zip(self.heads, self.config.members, strict=True)
        ]
        losses = [output.loss.float() for output in outputs if output.loss is not None]
        return HybridNerOutput(
            loss=torch.stack(losses).sum() if losses else None,
            logits=tuple(output.logits for output in outputs),
            strangeness=None if self.config.ood is None else self._strangeness(hidden[self.config.ood_encoder]),
        )

    def _strangeness(self, states: Tensor) -> Tensor:
        """[B, n] the characters' states [B, n, d] along the direction that leads out of the composite's domain."""
        direction = torch.tensor(self.config.ood["direction"], dtype=torch.float32, device=states.device)
        # No matrix product, so that a graph in 8 bits leaves it as it is.
        return (states.float() * direction).sum(-1)

    def _gold(self, tag_labels: Tensor | None, span_labels: Tensor | None) -> dict[str, Tensor]:
        gold = {kind: value for kind, value in (("tags", tag_labels), ("spans", span_labels)) if value is not None}
        wanted = {head.label_kind for head in self.heads}
        if gold and not wanted <= gold.keys():
            missing = " and ".join(sorted(wanted - gold.keys()))
            raise ModelError(f"members of this composite learn from {missing} too; give tag_labels and span_labels")
        return gold


def require_torch(model: CompositeModel) -> HybridNerModel:
    """The composite itself where its weights are at hand.

    Args:
        model: any composite.

    Raises:
        ModelError: it runs elsewhere than in torch.

    Examples:
        >>> require_torch(model) is model
        True
    """
    if not isinstance(model, HybridNerModel):
        raise ModelError("a model that was exported to ONNX only reads texts; use the model that it was exported from")
    return model


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
