"""The texts that scores of foreignness are compared on: training parts to choose by, test parts to report."""

from __future__ import annotations

import lzma
import random
import re
from collections.abc import Iterable
from pathlib import Path

from hybridner.data import read_records
from hybridner.data.sncm.corpus import read_corpus_splits

#: Each foreign set with the files that choices are made on, and that figures are reported of.
FOREIGN = {
    "cluener": ("cluener/train.json", "cluener/dev.json"),
    "cmeee": ("cmeee/CMeEE_train.json", "cmeee/CMeEE_dev.json"),
    "msra": ("msra/msra_train_bio", "msra/msra_test_bio"),
}
#: The same domain in another style: records of facts and encyclopedia articles.
DRAFT = ("sncm_draft/entity_train.jsonl", "sncm_draft/entity_val.jsonl")
_SEED = 42
#: Every so many-th line of the general text is used, and sentences of these lengths.
_STRIDE, _LENGTHS = 97, (12, 120)


def known_texts() -> dict[str, list[str]]:
    """The sentences of SNCM-open by split."""
    return {split: _distinct(sentence.record.text for sentence in found) for split, found in read_corpus_splits().items()}


def foreign_texts(data: Path, count: int) -> dict[str, list[str]]:
    """At most `count` texts of the training and of the test part of each foreign set, drawn with a fixed seed, by "SET-train" and
    "SET-test"."""
    found = {}
    for name, files in {**FOREIGN, "draft": DRAFT}.items():
        for part, file in zip(("train", "test"), files, strict=True):
            texts = _distinct(record.text for record in read_records(data / file))
            found[f"{name}-{part}"] = random.Random(_SEED).sample(texts, min(count, len(texts)))
    return found


def general_sentences(path: Path, count: int) -> list[str]:
    """Sentences of all kinds from a large text, one of a line, drawn with a fixed seed."""
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as file:
        lines = [line.strip() for number, line in enumerate(file) if number % _STRIDE == 0]
    dice = random.Random(_SEED)
    dice.shuffle(lines)
    shortest, longest = _LENGTHS
    found: dict[str, None] = {}
    for line in lines:
        fitting = [part for part in re.findall(r"[^。！？]+[。！？]?", line) if shortest <= len(part) <= longest]
        if fitting:
            found[dice.choice(fitting)] = None
        if len(found) == count:
            break
    return list(found)


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text.strip()))
