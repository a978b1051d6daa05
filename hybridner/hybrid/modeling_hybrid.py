"""The composite: all members in one loadable model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn
from transformers.utils.generic import ModelOutput
from typing_extensions import Self

from hybridner.errors import ModelError
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.models import MEMBER_CLASSES, MemberModel, SpannerModel, TaggerModel
from hybridner.models.modeling_member import VocabularyMixin


@dataclass
class HybridNerOutput(ModelOutput):
    """Output of the composite.

    Attributes:
        token_scores: one tensor [B, n, D] per member, in the members' order; D is 2K + 1 for a tagger, 2(K + 1) for SpanNER.
    """

    token_scores: tuple[Tensor, ...] | None = None


class HybridNerModel(VocabularyMixin):
    """Several members over one label set; reading, combining and deciding is in `hybridner.hybrid.reading`."""

    config_class = HybridNerConfig
    base_model_prefix = "hybrid"
    main_input_name = "input_ids"

    def __init__(self, config: HybridNerConfig) -> None:
        super().__init__(config)
        if not config.members:
            raise ModelError("a composite needs at least one member; make one with HybridNerModel.assemble(members)")
        self.members = nn.ModuleDict(
            {name: MEMBER_CLASSES[member.model_type](member) for name, member in config.member_configs().items()}
        )
        self.vocabularies = []
        self.post_init()

    @classmethod
    def assemble(cls, members: Mapping[str, MemberModel], **settings: Any) -> Self:
        """Put trained members together.

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
        vocabularies = []
        entries = []
        for name, member in members.items():
            if member.vocabulary not in vocabularies:
                vocabularies.append(member.vocabulary)
            stored = {key: value for key, value in member.config.to_dict().items() if key not in _NOT_STORED}
            entries.append({"name": name, "config": stored, "vocabulary": vocabularies.index(member.vocabulary)})
        model = cls(HybridNerConfig(members=entries, label_set=labels.to_dict(), **settings))
        model.vocabularies = vocabularies
        for name, member in members.items():
            model.members[name].load_state_dict(member.state_dict())
        return model.eval()

    @property
    def member_names(self) -> tuple[str, ...]:
        return tuple(self.members)

    @property
    def member_models(self) -> list[TaggerModel | SpannerModel]:
        """The members themselves, in the order of `member_names`."""
        return cast("list[TaggerModel | SpannerModel]", list(self.members.values()))

    @property
    def spanner(self) -> SpannerModel | None:
        """The SpanNER member, or None in a composite of taggers only."""
        return next((member for member in self.member_models if isinstance(member, SpannerModel)), None)

    @property
    def max_characters(self) -> int:
        """The most characters that every member's encoder reads at once."""
        return min(member.max_characters for member in self.member_models)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> HybridNerOutput:
        """Every member's scores for each character.

        Args:
            input_ids: [V, B, n + 2], one layer for each of the V distinct vocabularies.
            attention_mask: [B, n + 2], 1 for real tokens; the same for all, as every vocabulary gives one token per character.
        """
        scores = []
        for entry in self.config.members:
            ids = input_ids[entry["vocabulary"]]
            scores.append(self.members[entry["name"]](input_ids=ids, attention_mask=attention_mask).token_scores)
        return HybridNerOutput(token_scores=tuple(scores))


#: Derived from the rest of a member's configuration, or about where it was loaded from.
_NOT_STORED = {"_name_or_path", "transformers_version", "architectures", "dtype", "id2label", "label2id"}
