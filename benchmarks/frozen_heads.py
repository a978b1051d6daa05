"""Heads trained on an encoder that stays as it is: each text is read once, so that many trainings cost minutes on a CPU."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import torch
from accelerate.utils import set_seed
from torch import Tensor

from hybridner.hybrid import HybridNerModel
from hybridner.models.encoders import character_mask, encode_characters
from hybridner.spans import LabelSet, Record
from hybridner.training import TrainingData
from hybridner.training.composing import compose, share_encoder
from hybridner.training.features import Collator, make_features
from hybridner.training.members import build_member
from hybridner.training.recipe import MemberSection

_BATCH = 16


class FrozenTrainer:
    """Trains heads and keeps what the encoder made of each text.

    Args:
        members: all on one encoder.
        labels: the entity types.
        seed: of initialisation, dropout and shuffling.
        epochs: passes over the records.
        rate: the highest learning rate; it rises over the first tenth of the steps and falls to 0.
    """

    def __init__(
        self, members: Mapping[str, MemberSection], labels: LabelSet, seed: int, epochs: int, rate: float = 2e-3
    ) -> None:
        self.members, self.labels, self.seed, self.epochs, self.rate = members, labels, seed, epochs, rate
        self._hidden: dict[str, Tensor] = {}

    def fit(self, records: Sequence[Record]) -> HybridNerModel:
        """A composite whose heads are trained on these records, each shorter than the encoder's limit."""
        set_seed(self.seed)
        built = {
            name: build_member(section, TrainingData(records, records, self.labels)) for name, section in self.members.items()
        }
        share_encoder(built)
        model = compose(built)
        features, collate = make_features(records, model), Collator(model)
        self._read(model, records)
        texts = [record.text for record in records]
        steps = -(-len(texts) // _BATCH) * self.epochs
        optimizer = torch.optim.AdamW(model.members.parameters(), lr=self.rate)
        rise = max(1, steps // 10)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / rise, (steps - step) / max(1, steps - rise))
        )
        dice = random.Random(self.seed)
        model.members.train()
        for _ in range(self.epochs):
            order = dice.sample(range(len(texts)), len(texts))
            for start in range(0, len(order), _BATCH):
                rows = order[start : start + _BATCH]
                batch = collate([features[row] for row in rows])
                hidden = torch.nn.utils.rnn.pad_sequence([self._hidden[texts[row]] for row in rows], batch_first=True)
                mask = character_mask(batch["attention_mask"])
                gold = {"tags": batch["tag_labels"], "spans": batch["span_labels"]}
                losses = [head(hidden, mask, gold[head.label_kind]).loss for head in model.heads]
                optimizer.zero_grad()
                torch.stack(losses).sum().backward()
                torch.nn.utils.clip_grad_norm_(model.members.parameters(), 5.0)
                optimizer.step()
                schedule.step()
        model.eval()
        return model

    @torch.no_grad()
    def _read(self, model: HybridNerModel, records: Sequence[Record]) -> None:
        """Encode the texts that are not known yet."""
        new = sorted({record.text for record in records} - self._hidden.keys(), key=len)
        model.eval()
        for start in range(0, len(new), _BATCH):
            some = new[start : start + _BATCH]
            batch = Collator(model)(make_features([Record(text) for text in some], model))
            hidden = encode_characters(model.encoders[0], batch["input_ids"][:, 0], batch["attention_mask"])
            self._hidden |= {text: hidden[row, : len(text)].clone() for row, text in enumerate(some)}
