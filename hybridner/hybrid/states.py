"""What a composite's encoder makes of whole texts: the states that say which domain a text is from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hybridner.ensemble.ballot import Floats
from hybridner.hybrid.modeling_hybrid import HybridNerModel
from hybridner.hybrid.reading import text_logits
from hybridner.models.encoders import encode_characters

#: Texts whose states are in memory at the same time.
_TEXTS = 64


class _EncoderReader:
    """Reads texts as the engine does, but only up to the encoder that `HybridNerConfig.ood_encoder` names."""

    def __init__(self, model: HybridNerModel) -> None:
        self._device = model.device
        self._encoder = model.encoders[model.config.ood_encoder]
        self._layer = model.config.encoders[model.config.ood_encoder]["vocabulary"]
        self.vocabularies, self.max_characters = model.vocabularies, model.max_characters

    def character_logits(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        ids, mask = input_ids[:, self._layer].to(self._device), attention_mask.to(self._device)
        return (encode_characters(self._encoder, ids, mask),)


@torch.inference_mode()
def mean_states(model: HybridNerModel, texts: Sequence[str], batch_size: int = 16) -> Floats:
    """[N, d] the mean of each text's states in the encoder's last layer; no text may be empty."""
    reader = _EncoderReader(model)
    read = [model.normalize(text) for text in texts]
    chunks = (read[first : first + _TEXTS] for first in range(0, len(read), _TEXTS))
    means = [states.mean(0).cpu().numpy() for chunk in chunks for (states,) in text_logits(reader, chunk, batch_size)]
    return np.stack(means).astype(np.float64)
