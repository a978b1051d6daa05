"""One token per character, whatever BERT-type tokenizer a checkpoint carries.

A wordpiece tokenizer drops whitespace, joins Latin letters and digits and strips accents, so its tokens cannot carry exact
character offsets. Here each character of the text is looked up on its own in that tokenizer's vocabulary; what is not there
becomes [UNK] and never vanishes, so token i is always character i.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from hybridner.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: How SentencePiece vocabularies write a space.
_SENTENCEPIECE_SPACE = "▁"


@dataclass(frozen=True)
class CharacterVocabulary:
    """The single-character part of a tokenizer's vocabulary.

    Attributes:
        ids: token id of each character.
        pad, unk, cls, sep: ids of the special tokens.
        lowercase: whether letters are lower-cased before looking them up (an uncased checkpoint).

    Examples:
        >>> vocabulary = CharacterVocabulary.of_texts(["中国"])
        >>> vocabulary.encode("中文")
        [2, 4, 1, 3]
    """

    ids: dict[str, int]
    pad: int
    unk: int
    cls: int
    sep: int
    lowercase: bool = False

    @classmethod
    def from_tokenizer(cls, tokenizer: PreTrainedTokenizerBase) -> CharacterVocabulary:
        """Read off the characters that `tokenizer` knows.

        Raises:
            ModelError: it lacks [PAD], [UNK], [CLS] or [SEP], or knows hardly any single character, as when the vocabulary
                file was not found.
        """
        special: dict[str, Any] = {name: getattr(tokenizer, f"{name}_token_id", None) for name in ("pad", "unk", "cls", "sep")}
        missing = [name for name, value in special.items() if value is None]
        if missing:
            raise ModelError(
                f"the tokenizer has no {', '.join(missing)} token; a BERT-type tokenizer with [PAD], [UNK], [CLS] "
                "and [SEP] is needed"
            )
        vocabulary = tokenizer.get_vocab()
        ids = {token: index for token, index in vocabulary.items() if len(token) == 1}
        if not any("\u4e00" <= character <= "\u9fff" for character in ids):
            raise ModelError(
                f"the tokenizer's vocabulary of {len(vocabulary)} tokens holds no Chinese character; "
                "check that its vocab file is present (an empty vocabulary loads without an error) or take a Chinese encoder"
            )
        lowercase = bool(getattr(tokenizer, "do_lower_case", False))
        return vocabulary_from_tokens(ids, **special, lowercase=lowercase)

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> CharacterVocabulary:
        """A new vocabulary of every character that occurs in `texts`, after the four special tokens."""
        # Half a surrogate pair is no character, and no file can hold it.
        characters = sorted({character for text in texts for character in text if not "\ud800" <= character <= "\udfff"})
        return cls({character: index for index, character in enumerate(characters, start=4)}, pad=0, unk=1, cls=2, sep=3)

    @property
    def size(self) -> int:
        """One more than the largest id."""
        return max(*self.ids.values(), self.pad, self.unk, self.cls, self.sep) + 1

    @cached_property
    def _cache(self) -> dict[str, int]:
        return {}

    def id_of(self, character: str) -> int:
        """Token id of one character: as written, else lower-cased for an uncased checkpoint, else its NFKC form when that is one
        character (full-width letters and digits), any whitespace as a space, else [UNK]."""
        known = self._cache.get(character)
        if known is None:
            known = self._cache[character] = self._look_up(character)
        return known

    def _look_up(self, character: str) -> int:
        forms = [character]
        if character.isspace():
            forms.append(" ")
        forms.append(unicodedata.normalize("NFKC", character))
        if self.lowercase:
            forms = [form.lower() for form in forms]
        return next((self.ids[form] for form in forms if form in self.ids), self.unk)

    def encode(self, text: str) -> list[int]:
        """Ids of [CLS], each character of `text`, [SEP]: always ``len(text) + 2`` numbers."""
        return [self.cls, *map(self.id_of, text), self.sep]

    def restricted_to(self, characters: Iterable[str]) -> tuple[CharacterVocabulary, list[int]]:
        """Only what these characters need, numbered anew; and for each new id the old one, in the same order as before."""
        old = sorted({self.pad, self.unk, self.cls, self.sep, *map(self.id_of, characters)})
        new = {index: number for number, index in enumerate(old)}
        ids = {character: new[index] for character, index in self.ids.items() if index in new}
        return CharacterVocabulary(ids, new[self.pad], new[self.unk], new[self.cls], new[self.sep], self.lowercase), old

    def aliases(self) -> dict[str, list[str]]:
        """For each character of the vocabulary all others of Unicode that are read as it, in the order of their code points."""
        known = {index: character for character, index in reversed(self.ids.items())}
        found: dict[str, list[str]] = {}
        for character in _characters_with_other_forms():
            if character not in self.ids and (index := self._look_up(character)) != self.unk:
                found.setdefault(known[index], []).append(character)
        return found


def vocabulary_from_tokens(
    ids: Mapping[str, int], *, pad: int, unk: int, cls: int, sep: int, lowercase: bool
) -> CharacterVocabulary:
    """A vocabulary of single-character tokens, in the order of their ids; SentencePiece's mark for a space stands for one too."""
    known = dict(sorted(ids.items(), key=lambda item: item[1]))
    if _SENTENCEPIECE_SPACE in known:
        known.setdefault(" ", known[_SENTENCEPIECE_SPACE])
    return CharacterVocabulary(known, pad, unk, cls, sep, lowercase)


@cache
def _characters_with_other_forms() -> tuple[str, ...]:
    """Every character that may be looked up in another form than its own."""
    everything = map(chr, range(sys.maxunicode + 1))
    return tuple(
        character
        for character in everything
        if character.isspace() or unicodedata.decomposition(character) or character.lower() != character
    )
