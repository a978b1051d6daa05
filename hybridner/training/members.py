"""Untrained members as a recipe describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hybridner.errors import RecipeError
from hybridner.models import MEMBER_CLASSES, MemberModel
from hybridner.text import CharacterVocabulary
from hybridner.text.simplified import to_simplified
from hybridner.training.data import TrainingData
from hybridner.training.recipe import MemberSection

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def build_member(section: MemberSection, data: TrainingData) -> MemberModel:
    """An untrained member as its section describes it."""
    model_class = MEMBER_CLASSES[section.type]
    if isinstance(section.encoder, str):
        return model_class.from_encoder(
            section.encoder, data.labels, num_hidden_layers=section.num_hidden_layers, **section.settings
        )
    # Composites read simplified characters, unless told not to.
    texts = (form for record in data.train for form in (record.text, to_simplified(record.text)))
    vocabulary = CharacterVocabulary.of_texts(texts)
    return model_class.from_scratch(section.encoder, vocabulary, data.labels, **section.settings)


def check_encoders(members: Mapping[str, MemberSection]) -> None:
    """Notice encoders that are not there before any member is trained.

    Raises:
        RecipeError: an encoder is no folder and cannot be the name of a repository on the Hub either.
    """
    for name, section in members.items():
        encoder = section.encoder
        if not isinstance(encoder, str) or Path(encoder).is_dir():
            continue
        if Path(encoder).exists() or encoder.startswith((".", "~")) or not _HUB_ID.fullmatch(encoder):
            raise RecipeError(
                f"members.{name}.encoder: there is no folder {encoder!r}; give the folder of an encoder with its config.json, "
                "weights and tokenizer, or a Hub id such as bert-base-chinese"
            )
