from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer

from hybridner.errors import ModelError
from hybridner.text import CharacterVocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# surrogates too: they occur in text that was decoded carelessly
any_text = st.text(st.characters(), max_size=60)


def bert_tokenizer(folder: Path, tokens: list[str], **settings: object) -> BertTokenizer:
    path = folder / "vocab.txt"
    path.write_text("\n".join([*SPECIAL, *tokens]), encoding="utf-8")
    return BertTokenizer(vocab=str(path), **settings)


@pytest.fixture
def vocabulary(tmp_path: Path) -> CharacterVocabulary:
    return CharacterVocabulary.from_tokenizer(bert_tokenizer(tmp_path, ["中", "国", "a", "b", "##a", "ab", "1", "，"]))


@given(any_text)
def test_one_token_per_character_for_any_text(text: str) -> None:
    vocabulary = CharacterVocabulary.of_texts(["中国ab ，"])
    ids = vocabulary.encode(text)
    assert len(ids) == len(text) + 2
    assert (ids[0], ids[-1]) == (vocabulary.cls, vocabulary.sep)
    for token, character in zip(ids[1:-1], text, strict=True):
        if character in vocabulary.ids:
            assert token == vocabulary.ids[character]


def test_tokens_are_those_of_the_checkpoint(tmp_path: Path, vocabulary: CharacterVocabulary) -> None:
    tokenizer = bert_tokenizer(tmp_path, ["中", "国", "a", "b", "##a", "ab", "1", "，"])
    assert vocabulary.encode("中国，")[1:-1] == tokenizer.convert_tokens_to_ids(["中", "国", "，"])


@pytest.mark.parametrize("character", [" ", "\t", "\r", "\n", "\u3000", "\u200b", "\u0301", "😀", "\ud800", "龘", "\x00"])
def test_what_is_unknown_becomes_unk_and_stays_one_token(vocabulary: CharacterVocabulary, character: str) -> None:
    assert vocabulary.encode(f"中{character}国")[1:-1] == [vocabulary.ids["中"], vocabulary.unk, vocabulary.ids["国"]]


def test_full_width_forms_are_read_as_what_they_are(vocabulary: CharacterVocabulary) -> None:
    assert vocabulary.encode("ａ１")[1:-1] == vocabulary.encode("a1")[1:-1]


def test_an_uncased_checkpoint_reads_capitals(tmp_path: Path) -> None:
    for lowercase, same in ((True, True), (False, False)):
        tokenizer = bert_tokenizer(tmp_path, ["中", "a"], do_lower_case=lowercase)
        vocabulary = CharacterVocabulary.from_tokenizer(tokenizer)
        assert (vocabulary.id_of("A") == vocabulary.id_of("a")) is same


def test_sentencepiece_spaces_are_found(tmp_path: Path) -> None:
    vocabulary = CharacterVocabulary.from_tokenizer(bert_tokenizer(tmp_path, ["中", "▁"]))
    assert {vocabulary.id_of(character) for character in " \n\u3000"} == {vocabulary.ids["▁"]}


def test_an_empty_vocabulary_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no Chinese character"):
        CharacterVocabulary.from_tokenizer(bert_tokenizer(tmp_path, ["a"]))
