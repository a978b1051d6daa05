"""Linear layers whose inputs have a few channels far larger than all others, in a form that 8 bits can hold.

Activations are quantised with one scale for a whole batch, and BERT-type encoders give a handful of channels, mostly at [CLS],
values ten times those of the rest, which are then left with a few levels. Such channels are multiplied in single precision by
themselves (LLM.int8(), Dettmers et al., 2022): eight of hundreds cost little.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hybridner.models.encoders import encode_characters
from hybridner.text import CharacterVocabulary

#: Channels taken out of a layer, and how many times the 99 % quantile of the channels' peaks the largest must be for that.
CHANNELS, FAR = 8, 2.0
#: Texts and their characters from which the peaks are read: they come from layers and special tokens, not from what a text says.
_TEXTS, _LENGTH = 16, 48

#: How the graph names the weights that stay in single precision.
EXACT = "exact_weights"


class SplitLinear(nn.Module):
    """A linear layer as the sum of two products: the outlying channels', kept exact, and all others'."""

    channels: Tensor
    others: Tensor
    exact_weights: Tensor

    def __init__(self, layer: nn.Linear, channels: Tensor) -> None:
        super().__init__()
        others = torch.ones(layer.in_features)
        others[channels] = 0.0
        self.register_buffer("channels", channels)
        self.register_buffer("others", others)
        self.register_buffer(EXACT, layer.weight.detach()[:, channels].t().contiguous())
        self.layer = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
        self.layer.load_state_dict(layer.state_dict() | {"weight": layer.weight.detach() * others})

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., d] -> [..., d']."""
        rest: Tensor = self.layer(hidden * self.others)
        return rest + hidden.index_select(-1, self.channels) @ self.exact_weights


@torch.no_grad()
def split_outliers(encoder: nn.Module, vocabulary: CharacterVocabulary) -> None:
    """Replace, in place, every linear layer of an encoder that has outlying channels.

    They are found on texts of random characters of the vocabulary, so no data is needed and the result is always the same.
    """
    generator = torch.Generator().manual_seed(0)
    known = torch.tensor(sorted(set(vocabulary.ids.values())))
    ids = known[torch.randint(len(known), (_TEXTS, _LENGTH), generator=generator)]
    ids[:, 0], ids[:, -1] = vocabulary.cls, vocabulary.sep
    with _peaks_of_inputs(encoder) as peaks:
        encode_characters(encoder, ids, torch.ones_like(ids))
    for name, peak in peaks.items():
        if len(peak) > CHANNELS and peak.max() > FAR * peak.quantile(0.99):
            parent, _, last = name.rpartition(".")
            layer = SplitLinear(encoder.get_submodule(name), peak.topk(CHANNELS).indices)  # type: ignore[arg-type]
            setattr(encoder.get_submodule(parent), last, layer)


@contextmanager
def _peaks_of_inputs(encoder: nn.Module) -> Iterator[dict[str, Tensor]]:
    """The largest magnitude of each input channel of every linear layer that runs inside the block."""
    peaks: dict[str, Tensor] = {}

    def watch(name: str) -> object:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            peak = inputs[0].abs().flatten(0, -2).amax(0)
            peaks[name] = torch.maximum(peaks.get(name, peak), peak)

        return hook

    handles = [
        layer.register_forward_pre_hook(watch(name))  # type: ignore[arg-type]
        for name, layer in encoder.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        yield peaks
    finally:
        for handle in handles:
            handle.remove()
