"""The three taggers: one implementation, three configurations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import TokenClassifierOutput
from transformers.utils.generic import can_return_tuple

from hybridner.models.configuration_tagger import (
    BertBiLstmCrfConfig,
    MacBertAttnBiLstmCrfConfig,
    RobertaBiGruCrfConfig,
    TaggerConfig,
)
from hybridner.models.heads import TaggerHead
from hybridner.models.modeling_member import MemberModel, run_head, surround

#: ln P of a tag that cannot be, such as every tag but O at special tokens: as good as minus infinity, and still a number.
_IMPOSSIBLE = -69.0


class TaggerModel(MemberModel):
    """Encoder -> (self-attention) -> BiLSTM or BiGRU -> linear -> CRF (section 2.3.1).

    A token classification model like any other: `AutoModelForTokenClassification` loads it, `pipeline("token-classification")`
    and `Trainer` with `DataCollatorForTokenClassification` run it. Its own tokenizer (`AutoTokenizer.from_pretrained` on its
    folder) gives one token per character.

    Examples:
        >>> from transformers import AutoModelForTokenClassification, AutoTokenizer
        >>> BertBiLstmCrfModel.from_encoder("bert-base-chinese", ["Place", "State"]).save_pretrained("tagger")
        >>> tagger = AutoModelForTokenClassification.from_pretrained("tagger")
        >>> tokenizer = AutoTokenizer.from_pretrained("tagger")
        >>> tagger(**tokenizer("俄罗斯部署了干扰机。", return_tensors="pt")).logits.shape
        torch.Size([1, 12, 5])
    """

    config_class = TaggerConfig
    head_class = TaggerHead

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
    ) -> TokenClassifierOutput:
        """Tag scores of each token and, with labels, the loss.

        Args:
            input_ids: [B, n] token ids with [CLS] and [SEP], padding to the right.
            attention_mask: [B, n], 1 for real tokens; by default all are.
            token_type_ids, position_ids: [B, n], passed on to the encoder.
            inputs_embeds: [B, n, d] embeddings in place of `input_ids`.
            labels: [B, n] tag numbers (`config.label2id`), -100 at special and padding tokens. -100 at a character means that its
                tag is not known; the likelihood is then summed over all tags.
            **kwargs: as for transformers' own encoders, such as `output_hidden_states`, `output_attentions`, `return_dict`.

        Returns:
            `loss` [], the mean negative log-likelihood of a character under the CRF; `logits` [B, n, 2K + 1], ln P(tag of this
            token |
            sentence) under the CRF, without gradient: their softmax are the CRF's exact marginals, and the best tag of each token
            is as good as the best sequence, where the emissions by themselves are worth little (`head` gives those); O at special
            and padding tokens; `hidden_states` and `attentions` of the encoder.

        Raises:
            ModelError: neither `input_ids` nor `inputs_embeds`, or rows without special tokens.
        """
        options = {"token_type_ids": token_type_ids, "position_ids": position_ids, **kwargs}
        encoded, hidden, mask = self._encode(input_ids, attention_mask, inputs_embeds, options)
        emissions, loss = run_head(self.head, hidden, mask, None if labels is None else labels[:, 1:-1])
        outside = emissions.new_full((emissions.size(-1),), _IMPOSSIBLE)
        outside[0] = 0.0
        logits = surround(torch.where(mask[..., None], self._log_marginals(emissions, mask), outside), outside)
        return TokenClassifierOutput(loss=loss, logits=logits, hidden_states=encoded.hidden_states, attentions=encoded.attentions)

    def _log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        if not emissions.size(1):
            return emissions
        marginals = self.head.decoder.crf.marginals(emissions, mask)
        log_marginals: Tensor = marginals.log().clamp(min=_IMPOSSIBLE).to(emissions.dtype)
        return log_marginals


class BertBiLstmCrfModel(TaggerModel):
    """BERT-BiLSTM-CRF: encoder -> BiLSTM -> CRF (section 2.3.1, model 1).

    See `TaggerModel` for what it gives and `MemberModel` for how to start one.

    Examples:
        >>> tagger = BertBiLstmCrfModel.from_encoder("bert-base-chinese", ["Place", "State"])
        >>> tagger.save_pretrained("tagger")
        >>> BertBiLstmCrfModel.from_pretrained("tagger").config.label2id
        {'O': 0, 'B-Place': 1, 'I-Place': 2, 'B-State': 3, 'I-State': 4}
    """

    config_class = BertBiLstmCrfConfig


class RobertaBiGruCrfModel(TaggerModel):
    """RoBERTa-BiGRU-CRF: encoder -> BiGRU -> CRF (section 2.3.1, model 2).

    See `TaggerModel` for what it gives and `MemberModel` for how to start one.

    Examples:
        >>> tagger = RobertaBiGruCrfModel.from_encoder("bert-base-chinese", ["Place", "State"])
        >>> tagger.save_pretrained("tagger")
        >>> RobertaBiGruCrfModel.from_pretrained("tagger").config.label2id
        {'O': 0, 'B-Place': 1, 'I-Place': 2, 'B-State': 3, 'I-State': 4}
    """

    config_class = RobertaBiGruCrfConfig


class MacBertAttnBiLstmCrfModel(TaggerModel):
    """MacBERT-Attn-BiLSTM-CRF: encoder -> self-attention -> BiLSTM -> CRF (section 2.3.1, model 3).

    See `TaggerModel` for what it gives and `MemberModel` for how to start one.

    Examples:
        >>> tagger = MacBertAttnBiLstmCrfModel.from_encoder("bert-base-chinese", ["Place", "State"])
        >>> tagger.save_pretrained("tagger")
        >>> MacBertAttnBiLstmCrfModel.from_pretrained("tagger").config.label2id
        {'O': 0, 'B-Place': 1, 'I-Place': 2, 'B-State': 3, 'I-State': 4}
    """

    config_class = MacBertAttnBiLstmCrfConfig
