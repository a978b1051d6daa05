"""What every member's configuration holds."""

from __future__ import annotations

from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig

from hybridner.errors import ModelError
from hybridner.models.format_version import VersionedConfig
from hybridner.models.safety import check_encoder_settings
from hybridner.spans import LabelSet


class MemberConfig(VersionedConfig):
    """Configuration shared by taggers and SpanNER.

    Args:
        encoder_config: the encoder's own configuration, as a dict with its `model_type`; kept here so that loading a member never
            needs the encoder's repository.
        label_set: entity types with descriptions and the domain, as `LabelSet.to_dict` gives it.
        rnn_hidden_size: size of the recurrent layer's output, both directions together; even.
        dropout: share of features dropped before and after the recurrent layer in training.
        feature_norm: whether each feature of the encoder's output gets mean 0 and variance 1 over real characters.

    Raises:
        ModelError: a value that no model can be built with.

    Examples:
        >>> config = BertBiLstmCrfConfig(label_set=LabelSet.of(["Place", "State"]).to_dict(), rnn_hidden_size=128, dropout=0.1)
        >>> isinstance(config, MemberConfig), config.labels.names
        (True, ('Place', 'State'))
    """

    model_type = "hybridner-member"
    has_no_defaults_at_init = False

    encoder_config: dict[str, Any] | None = None
    label_set: dict[str, Any] | None = None
    rnn_hidden_size: int = 256
    dropout: float = 0.2
    feature_norm: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        if not is_integer(self.rnn_hidden_size) or self.rnn_hidden_size < 2 or self.rnn_hidden_size % 2:
            raise ModelError(f"rnn_hidden_size must be a positive even number, not {self.rnn_hidden_size!r}")
        if self.label_set is not None:
            self.id2label = dict(enumerate(self._output_names(self.labels)))
            self.label2id = {name: number for number, name in self.id2label.items()}
        for derived in ("id2label", "label2id", "num_labels"):
            kwargs.pop(derived, None)
        super().__post_init__(**kwargs)

    @staticmethod
    def _output_names(labels: LabelSet) -> list[str]:
        return list(labels.with_outside)

    @property
    def labels(self) -> LabelSet:
        """The label set.

        Raises:
            ModelError: the configuration was made without one.
        """
        if self.label_set is None:
            raise ModelError("this configuration has no label_set; start a member with from_encoder(encoder, labels)")
        return LabelSet.from_dict(self.label_set)

    @property
    def hidden_size(self) -> int:
        """Size of the vector the encoder gives for each character."""
        return int(self.build_encoder_config().hidden_size)

    def build_encoder_config(self) -> PreTrainedConfig:
        """The encoder's configuration as an object.

        Raises:
            ModelError: none is stored, or this version of transformers does not know its model_type or a value in it.
        """
        if not isinstance(self.encoder_config, dict):
            raise ModelError("this configuration has no encoder_config; start a member with from_encoder(encoder, labels)")
        check_encoder_settings(self.encoder_config)
        settings = dict(self.encoder_config)
        try:
            return AutoConfig.for_model(settings.pop("model_type", None), **settings)
        except (KeyError, ValueError, StrictDataclassError) as error:
            problem = " ".join(str(error).split())
            raise ModelError(f"encoder_config describes no encoder known to transformers: {problem}") from error


def is_integer(value: object) -> bool:
    """Whether a value, perhaps from a file, is an integer (True is none)."""
    return isinstance(value, int) and not isinstance(value, bool)
