"""What a composite's encoder and members make of texts: all that a score of foreignness may look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hybridner import HybridNerModel
from hybridner.ensemble.ballot import Floats
from hybridner.hybrid.reading import text_logits
from hybridner.models.encoders import character_mask, encode_characters
from hybridner.models.span_scoring import span_logits, valid_spans

_BATCH_SIZE, _CHUNK = 16, 64


@dataclass(frozen=True)
class TextFeatures:
    """Of N texts.

    Attributes:
        states: [N, layers + 1, d] mean state in each layer, embeddings first.
        energy: [N] minus the mean over all spans of ln Σ exp(SpanNER's scores) (Liu et al., 2020).
        unknown: [N] share of the characters that the vocabulary does not have.
    """

    states: Floats
    energy: Floats
    unknown: Floats

    def __len__(self) -> int:
        return len(self.states)


class _StatesReader:
    """Gives for each character its states in all layers, one after the other, and SpanNER's scores."""

    def __init__(self, model: HybridNerModel) -> None:
        self._encoder, self._model = model.encoders[model.config.ood_encoder], model
        self._layer = model.config.encoders[model.config.ood_encoder]["vocabulary"]
        self.vocabularies, self.max_characters = model.vocabularies, model.max_characters

    def character_logits(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        ids = input_ids[:, self._layer]
        layers = self._encoder(input_ids=ids, attention_mask=attention_mask, output_hidden_states=True).hidden_states
        spanner = self._model.spanner
        assert spanner is not None
        scores = spanner(encode_characters(self._encoder, ids, attention_mask), character_mask(attention_mask)).logits
        return torch.cat([layer[:, 1:-1] for layer in layers], dim=-1), scores


def read_features(model: HybridNerModel, texts: Sequence[str], cache: Path | None = None) -> TextFeatures:
    """Read texts, or what was kept of it.

    Args:
        model: one encoder for all members, SpanNER among them.
        texts: none of them empty.
        cache: a file that keeps the features.
    """
    if cache is not None and cache.exists():
        with np.load(cache) as kept:
            return TextFeatures(**{name: kept[name].astype(np.float64) for name in TextFeatures.__dataclass_fields__})
    states, energy = _states(model, texts)
    vocabulary = model.vocabularies[0]
    features = TextFeatures(
        states,
        energy,
        np.array([np.mean([token == vocabulary.unk for token in vocabulary.encode(model.normalize(text))]) for text in texts]),
    )
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, **{name: values.astype(np.float32) for name, values in vars(features).items()})
    return features


@torch.inference_mode()
def _states(model: HybridNerModel, texts: Sequence[str]) -> tuple[Floats, Floats]:
    reader, spanner = _StatesReader(model), model.spanner
    assert spanner is not None
    length_logits = spanner.decoder.length_logits()
    read = [model.normalize(text) for text in texts]
    means, energies = [], []
    for first in range(0, len(read), _CHUNK):
        for states, scores in text_logits(reader, read[first : first + _CHUNK], _BATCH_SIZE):
            means.append(states.mean(0).reshape(-1, model.config.encoders[0]["config"]["hidden_size"]).numpy())
            valid = valid_spans(torch.ones(1, len(scores), dtype=torch.bool), len(length_logits))
            energies.append(-float(span_logits(scores[None], length_logits)[valid].logsumexp(-1).mean()))
    return np.stack(means).astype(np.float64), np.array(energies)
