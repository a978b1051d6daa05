"""A composite made small enough to be shipped: only common characters, shorter windows, matrices in half precision."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any, cast

from hybridner.errors import ModelError
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.hybrid.modeling_hybrid import HybridNerModel
from hybridner.models.encoders import max_encoder_characters

#: Rows of GB 2312 with punctuation, numbers and full-width letters, and with the 3,755 most common Chinese characters.
_PUNCTUATION, _LEVEL_ONE = range(0xA1, 0xA4), range(0xB0, 0xD8)


def common_characters() -> frozenset[str]:
    """ASCII, and the symbols and level-one characters of GB 2312: about 4,100."""
    cells = (bytes([row, cell]) for row in (*_PUNCTUATION, *_LEVEL_ONE) for cell in range(0xA1, 0xFF))
    # Where dash and middle dot have two readings, GBK has the usual one.
    return frozenset(map(chr, range(32, 127))).union(*(cell.decode("gbk", errors="ignore") for cell in cells))


def compact(model: HybridNerModel, characters: Collection[str], max_characters: int | None = None) -> HybridNerModel:
    """The same composite with smaller tables, to be stored in half precision; it says the same about texts that need no more.

    Args:
        model: the composite; BERT-type encoders with a table of absolute positions.
        characters: every other one becomes [UNK].
        max_characters: the most characters an encoder reads at once (longer texts are read in windows); by default as it is.

    Raises:
        ModelError: `max_characters` is more than the encoders can read, or less than 16.
    """
    longest = max_characters or model.max_characters
    if not 16 <= longest <= model.max_characters:
        raise ModelError(f"max_characters must be from 16 to {model.max_characters}, not {longest}")
    cuts = [vocabulary.restricted_to(characters) for vocabulary in model.vocabularies]
    config = cast("HybridNerConfig", copy.deepcopy(model.config))
    config.half_precision = True
    entries = config.encoders or []
    state = model.state_dict()
    for number, (encoder, entry) in enumerate(zip(cast("list[Any]", model.encoders), entries, strict=True)):
        vocabulary, kept = cuts[entry["vocabulary"]]
        table = encoder.get_input_embeddings().weight
        name = next(name for name, parameter in encoder.named_parameters() if parameter is table)
        state[f"encoders.{number}.{name}"] = table.detach()[kept]
        positions = encoder.config.max_position_embeddings - max_encoder_characters(encoder.config) + longest
        entry["config"].update(vocab_size=len(kept), pad_token_id=vocabulary.pad, max_position_embeddings=positions)
    smaller = HybridNerModel(config)
    wanted = smaller.state_dict()
    # What still differs is the table of positions, whose first rows are the ones that stay.
    smaller.load_state_dict({name: tensor[: len(wanted[name])] if tensor.dim() else tensor for name, tensor in state.items()})
    smaller.vocabularies = [vocabulary for vocabulary, _ in cuts]
    smaller.take_companions(model)
    smaller.eval()
    return smaller
