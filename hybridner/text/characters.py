"""One token per character, whatever BERT-type tokenizer a checkpoint carries.

A wordpiece tokenizer drops whitespace, joins Latin letters and digits and strips accents, so its tokens cannot carry exact
character offsets. Here each character of the text is looked up on its own in that tokenizer's vocabulary; what is not there
becomes [UNK] and never vanishes, so token i is always character i.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
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
        if _SENTENCEPIECE_SPACE in ids:
            ids.setdefault(" ", ids[_SENTENCEPIECE_SPACE])
        if not any("\u4e00" <= character <= "\u9fff" for character in ids):
            raise ModelError(
                f"the tokenizer's vocabulary of {len(vocabulary)} tokens holds no Chinese character; "
                "check that its vocab file is present (an empty vocabulary loads without an error) or take a Chinese encoder"
            )
        lowercase = bool(getattr(tokenizer, "do_lower_case", False))
        return cls(ids, special["pad"], special["unk"], special["cls"], special["sep"], lowercase)

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> CharacterVocabulary:
        """A new vocabulary of every character that occurs in `texts`, after the four special tokens."""
        characters = sorted({character for text in texts for character in text})
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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def save_vocabularies(vocabularies: Sequence[CharacterVocabulary], folder: str | PathLike[str]) -> None:
    """Write `characters.json` into `folder`."""
    data = [vocabulary.to_dict() for vocabulary in vocabularies]
    (Path(folder) / VOCABULARY_FILE).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def load_vocabularies(path: str | PathLike[str]) -> list[CharacterVocabulary]:
    """Read what `save_vocabularies` wrote.

    Raises:
        ModelError: the file is not in that form.
    """
    try:
        vocabularies = [CharacterVocabulary(**entry) for entry in json.loads(Path(path).read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path} is damaged ({error}); fetch the model again") from error
    if not vocabularies:
        raise ModelError(f"{path} is damaged (no vocabulary); fetch the model again")
    return vocabularies


VOCABULARY_FILE = "characters.json"
