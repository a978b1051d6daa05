"""The character vocabulary as a fast tokenizer of the `tokenizers` library, and back.

What `CharacterVocabulary` does in Python (one token per character, unknown ones [UNK], full-width and other variants read as
their
plain form) is here said in the tokenizers library's own terms, so that `AutoTokenizer.from_pretrained` and everything that
takes a tokenizer work on a model's folder: same ids, offsets of single characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from hybridner.errors import ModelError
from hybridner.files import read_json
from hybridner.text import CharacterVocabulary
from hybridner.text.characters import vocabulary_from_tokens

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")

_SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]"}


def character_tokenizer(vocabulary: CharacterVocabulary, max_characters: int | None = None) -> PreTrainedTokenizerFast:
    """A tokenizer that gives one token for each character, with the ids of `vocabulary`.

    Args:
        vocabulary: which character has which id.
        max_characters: the most characters that the encoder reads at once; longer texts are cut off only where `truncation` is
            asked for.

    Examples:
        >>> tokenizer = character_tokenizer(CharacterVocabulary.of_texts(["中国"]))
        >>> tokenizer("中 国")["input_ids"]
        [2, 4, 1, 5, 3]
    """
    special = {name: getattr(vocabulary, name) for name in _SPECIAL}
    tokens = {token: special[name] for name, token in _SPECIAL.items()}
    tokens |= _without_equals(vocabulary.ids, taken=set(special.values()))
    # The library wants an unbroken row of ids; BERT's own name for such gaps.
    used = set(tokens.values())
    tokens |= {f"[unused{index}]": index for index in range(vocabulary.size) if index not in used}
    tokenizer = Tokenizer(models.WordLevel(tokens, unk_token=_SPECIAL["unk"]))
    tokenizer.normalizer = normalizers.Sequence(_normalizers(vocabulary, tokens))
    # In Oniguruma (?m) lets the dot match line ends as well.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(?m)."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    cls, sep = ((_SPECIAL[name], special[name]) for name in ("cls", "sep"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[cls, sep]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{f"{name}_token": token for name, token in _SPECIAL.items()},
        do_lower_case=vocabulary.lowercase,
        clean_up_tokenization_spaces=False,
        # "[CLS]" in a text is five characters like any others.
        split_special_tokens=True,
        model_input_names=["input_ids", "attention_mask"],
        padding_side="right",
        **({} if max_characters is None else {"model_max_length": max_characters + 2}),
    )


def _without_equals(ids: Mapping[str, int], taken: set[int]) -> dict[str, int]:
    """One character for each id; the library cannot hold two, and the normalizer reads the others as this one."""
    first: dict[int, str] = {}
    for character, index in ids.items():
        if index not in taken:
            first.setdefault(index, character)
    return {character: index for index, character in first.items()}


def _normalizers(vocabulary: CharacterVocabulary, tokens: Mapping[str, int]) -> list[Any]:
    """One replacement for each character that others are read as."""
    names = {index: token for token, index in tokens.items()}
    variants = {target: list(others) for target, others in vocabulary.aliases().items()}
    for character, index in vocabulary.ids.items():
        if names[index] != character:
            variants.setdefault(names[index], []).append(character)
    return [
        normalizers.Replace(Regex("[" + "".join(map(_escaped, others)) + "]"), target)
        for target, others in sorted(variants.items())
        if len(target) == 1
    ]


def _escaped(character: str) -> str:
    return rf"\x{{{ord(character):x}}}"


def read_vocabulary(path: str | Path, config_path: str | Path) -> CharacterVocabulary:
    """The vocabulary of a tokenizer that `character_tokenizer` made, from its two files.

    Args:
        path: tokenizer.json.
        config_path: tokenizer_config.json.

    Raises:
        ModelError: a file is damaged, or of another kind of tokenizer.
    """
    try:
        tokens = read_json(path)["model"]["vocab"]
        settings = read_json(config_path)
        special = {name: int(tokens[token]) for name, token in _SPECIAL.items()}
        ids = {token: int(index) for token, index in tokens.items() if len(token) == 1}
        return vocabulary_from_tokens(ids, **special, lowercase=bool(settings.get("do_lower_case")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is damaged or of another kind of tokenizer ({error!r}); fetch the model again") from error
