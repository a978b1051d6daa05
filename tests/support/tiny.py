"""Tiny models and sentences that every test can have in a moment."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizer

from hybridner import LabelSet
from hybridner.models import MEMBER_CLASSES, MemberModel
from hybridner.spans import Record, Span
from hybridner.text import CharacterVocabulary

LABELS = ("State", "System", "Place")
TEXT = "2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机。北约的无人机在加里宁格勒失去了GPS信号，，！ ab"
ENCODER = {
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 66,
}


def tiny_vocabulary() -> CharacterVocabulary:
    return CharacterVocabulary.of_texts([TEXT])


def tiny_member(model_type: str, seed: int = 0, labels: object = LABELS, **settings: object) -> MemberModel:
    torch.manual_seed(seed)
    heads = {"attention_heads": 2} if model_type == "macbert-attn-bilstm-crf" else {}
    length = {"max_span_length": 6} if model_type == "spanner" else {}
    label_set = labels if isinstance(labels, LabelSet) else LabelSet.of(labels)
    model = MEMBER_CLASSES[model_type].from_scratch(
        ENCODER, tiny_vocabulary(), label_set, **{"rnn_hidden_size": 16, **heads, **length, **settings}
    )
    # Random weights hardly ever call anything an entity; larger ones do, so that there is something to compare.
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("encoder.") and parameter.dim() > 1:
                parameter.mul_(3.0)
        if model_type == "spanner":
            model.head.boundary.bias.zero_()
    return model.eval()


def small_records() -> list[Record]:
    """Sentences whose labels can be learned by heart in a few steps."""
    places, states = ("叙利亚", "加里宁格勒"), ("俄罗斯", "北约")
    records = []
    for number in range(24):
        state, place = states[number % 2], places[number // 2 % 2]
        text = f"{state}在{place}部署了干扰机{'。' if number % 3 else '！'}"
        start = len(state) + 1
        spans = (Span(0, len(state), "State"), Span(start, start + len(place), "Place"))
        records.append(Record(text, spans, str(number), f"document {number // 2}"))
    return records


def save_tiny_encoder(folder: Path, characters: str = TEXT, **sizes: int) -> None:
    """A pretrained encoder as the Hub would have it."""
    torch.manual_seed(1)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(characters)]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    settings = {name: value for name, value in {**ENCODER, **sizes}.items() if name != "model_type"}
    BertModel(BertConfig(**settings, vocab_size=len(tokens))).save_pretrained(folder)
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
