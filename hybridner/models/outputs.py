"""What models give back: `ModelOutput`s as everywhere in transformers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from transformers.utils.generic import ModelOutput


@dataclass
class SpannerOutput(ModelOutput):
    """Output of SpanNER. Its score of the span that starts at token b and ends with token e, as label y, is
    ``start_logits[b, y] + end_logits[e, y] + length_logits[e - b, y]`` (equation 3); `span_logits` gives all of them.

    Attributes:
        loss: [] cross-entropy of all spans per character, when labels were given.
        start_logits: [B, n, K + 1] score of each token as the first of a span; 0 at special and padding tokens.
        end_logits: [B, n, K + 1] score of each token as the last of a span; 0 at special and padding tokens.
        length_logits: [L, K + 1] score of each span length; row j belongs to spans of j + 1 characters.
        hidden_states, attentions: of the encoder, as in transformers, when asked for.

    Examples:
        >>> from hybridner.models.span_scoring import span_logits
        >>> spanner = SpannerModel.from_encoder("bert-base-chinese", ["Place", "State"], max_span_length=6)
        >>> output = spanner(input_ids=torch.tensor([spanner.vocabulary.encode(text)]))
        >>> output.start_logits.shape, output.end_logits.shape, output.length_logits.shape
        (torch.Size([1, 12, 3]), torch.Size([1, 12, 3]), torch.Size([6, 3]))
    """

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    length_logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class HybridNerOutput(ModelOutput):
    """Output of the composite.

    Attributes:
        loss: [] the members' losses added up, when labels were given.
        logits: one tensor [B, n, D] per member in the members' order, aligned to characters (no special tokens): D is 2K + 1
            for a tagger (emissions of the BIO tags), 2(K + 1) for SpanNER (start logits, then end logits).
        strangeness: [B, n] how unlike known texts each character's state is, in composites that learned it; see
            `hybridner.ensemble.ood`.

    Examples:
        >>> ids = torch.tensor([model.vocabularies[0].encode(text)])
        >>> output = model(input_ids=ids)
        >>> [tuple(logits.shape) for logits in output.logits]
        [(1, 10, 27), (1, 10, 27), (1, 10, 27), (1, 10, 28)]
    """

    loss: Tensor | None = None
    logits: tuple[Tensor, ...] | None = None
    strangeness: Tensor | None = None
