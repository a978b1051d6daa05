"""SpanNER: a span classifier that is both a member and the scorer of every other member's proposals."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.utils.generic import can_return_tuple

from hybridner.models.configuration_spanner import SpannerConfig
from hybridner.models.heads import SpannerHead
from hybridner.models.modeling_member import MemberModel, run_head, surround
from hybridner.models.outputs import SpannerOutput


class SpannerModel(MemberModel):
    """Encoder -> BiLSTM -> sᵀy for every span of up to L characters (section 2.3.2, equations 1 to 3).

    See `MemberModel` for how to start one.

    Examples:
        >>> spanner = SpannerModel.from_encoder("bert-base-chinese", ["Place", "State"], max_span_length=12)
        >>> ids = torch.tensor([spanner.vocabulary.encode("俄罗斯部署了干扰机。")])
        >>> output = spanner(input_ids=ids)
        >>> output.start_logits.shape, output.length_logits.shape
        (torch.Size([1, 12, 3]), torch.Size([12, 3]))
    """

    config_class = SpannerConfig
    head_class = SpannerHead

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Any,
    ) -> SpannerOutput:
        """Scores of each token as the first and as the last of a span of each label and, with labels, the loss.

        Args:
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, kwargs: as in `TaggerModel.forward`.
            labels: [B, E, 3] gold spans in characters of the text (tokens without [CLS]): start, end (exclusive), label number
                from 1 (`config.label2id`); rows of -1 fill up.

        Returns:
            `loss` [], the cross-entropy of all spans of up to L characters, per character; `start_logits` and `end_logits`
            [B, n, K + 1]; `length_logits` [L, K + 1]; `hidden_states` and `attentions` of the encoder.

        Raises:
            ModelError: neither `input_ids` nor `inputs_embeds`, or rows without special tokens.
        """
        options = {"token_type_ids": token_type_ids, "position_ids": position_ids, **kwargs}
        encoded, hidden, mask = self._encode(input_ids, attention_mask, inputs_embeds, options)
        logits, loss = run_head(self.head, hidden, mask, labels)
        start, end = (surround(part * mask[..., None]) for part in logits.chunk(2, dim=-1))
        return SpannerOutput(
            loss=loss,
            start_logits=start,
            end_logits=end,
            length_logits=self.head.decoder.length_logits(),
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )
