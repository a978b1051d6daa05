"""A tiny composite, texts and labelled sentences, all made here."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch

from hybridner import HybridNerModel, LabelSet
from hybridner.data import write_jsonl
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import Record, Span
from hybridner.text import CharacterVocabulary

STATES, PLACES = ("俄罗斯", "北约"), ("叙利亚", "加里宁格勒")
LABELS = LabelSet.of(["State", "Place"])
ENCODER = {
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 66,
}
KINDS = ("bert-bilstm-crf", "spanner")


def sentence(rng: random.Random, number: int) -> Record:
    """A labelled sentence like no other."""
    state, place = rng.choice(STATES), rng.choice(PLACES)
    text = f"{state}在{place}部署了第{number}台干扰机。"
    start = len(state) + 1
    return Record(text, (Span(0, len(state), "State"), Span(start, start + len(place), "Place")), str(number))


def vocabulary() -> CharacterVocabulary:
    return CharacterVocabulary.of_texts(["".join(STATES + PLACES) + "在部署了第台干扰机。0123456789"])


def composite(folder: Path, seed: int) -> HybridNerModel:
    """A composite with random weights that finds many entities, saved in a folder."""
    torch.manual_seed(seed)
    members = {}
    for kind in KINDS:
        sizes = {"max_span_length": 6} if kind == "spanner" else {}
        members[kind] = MEMBER_CLASSES[kind].from_scratch(ENCODER, vocabulary(), LABELS, rnn_hidden_size=16, **sizes)
    with torch.no_grad():
        for name, parameter in (pair for member in members.values() for pair in member.named_parameters()):
            if not name.startswith("encoder.") and parameter.dim() > 1:
                parameter.mul_(3.0)
        members["spanner"].head.boundary.bias.zero_()
    model = HybridNerModel.assemble(members)
    model.save_pretrained(folder)
    return model


def write_texts(path: Path, count: int, seed: int) -> list[str]:
    """A file of different sentences, one a line."""
    rng = random.Random(seed)
    texts = [sentence(rng, number).text for number in range(count)]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return texts


def write_labelled(path: Path, count: int, seed: int) -> None:
    rng = random.Random(seed)
    write_jsonl([sentence(rng, number) for number in range(count)], path)


def write_reviews(path: Path, count: int, seed: int) -> None:
    """Reviewed texts, as `hybridner learn` reads them."""
    rng = random.Random(seed)
    lines = []
    for number in range(count):
        record = sentence(rng, number)
        entities = [{**span._asdict(), "review": rng.choice(["accepted", "added"])} for span in record.entities]
        lines.append(json.dumps({"text": record.text, "complete": True, "entities": entities}, ensure_ascii=False))
    path.write_text("\n".join(lines), encoding="utf-8")
