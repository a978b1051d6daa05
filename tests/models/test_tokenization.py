"""The fast tokenizer beside a model gives what the vocabulary in Python gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertTokenizer

from hybridner import HybridNerModel
from hybridner.errors import ModelError
from hybridner.models.tokenization import TOKENIZER_FILES, character_tokenizer, read_vocabulary
from hybridner.text import CharacterVocabulary
from tests.support.tiny import TEXT

#: Whitespace, emoji, full width, combining marks, variants in other scripts, line ends, names of special tokens.
ODD = " \t\n\r\u2028\u3000\u00a0\u200b▁👩‍🚀🇷🇺ＡＢａｂ１，。é\u0301İıßﬁ㎞①⑴⼀﨑ﾀ゛𝐀𝟙[CLS][SEP][UNK]\x00\ufeff\ufffd龘"
any_text = st.text(st.one_of(st.sampled_from(ODD), st.sampled_from(TEXT), st.characters(exclude_categories=["Cs"])), max_size=40)

CASED = CharacterVocabulary.of_texts([TEXT, "▁é一崎Aa1, "])
PLAIN = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "中": 200, "国": 7, "a": 9, "i": 10, "1": 11, ",": 12, "一": 13}
UNCASED = CharacterVocabulary({k: v for k, v in PLAIN.items() if len(k) == 1}, pad=0, unk=100, cls=101, sep=102, lowercase=True)
TOKENIZERS = {name: character_tokenizer(vocabulary) for name, vocabulary in (("cased", CASED), ("uncased", UNCASED))}
VOCABULARIES = {"cased": CASED, "uncased": UNCASED}


@pytest.mark.parametrize("name", VOCABULARIES)
@settings(max_examples=300, deadline=None)
@given(text=any_text)
@example(text=ODD)
@example(text="".join(map(chr, range(0x2E80, 0x3400))))
@example(text="".join(map(chr, range(0xF900, 0xFFFE))))
def test_same_ids_and_one_token_per_character(name: str, text: str) -> None:
    encoded = TOKENIZERS[name](text, return_offsets_mapping=True)
    assert encoded["input_ids"] == VOCABULARIES[name].encode(text)
    assert encoded["offset_mapping"][1:-1] == [(index, index + 1) for index in range(len(text))]
    assert encoded["attention_mask"] == [1] * (len(text) + 2)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_character_that_has_variants(name: str) -> None:
    """All of Unicode, in one text for each plane."""
    for plane in range(17):
        text = "".join(chr(c) for c in range(plane << 16, (plane + 1) << 16) if not 0xD800 <= c <= 0xDFFF)
        assert TOKENIZERS[name](text)["input_ids"] == VOCABULARIES[name].encode(text)


def test_the_file_gives_the_vocabulary_back(tmp_path: Path) -> None:
    for name, tokenizer in TOKENIZERS.items():
        tokenizer.save_pretrained(tmp_path / name)
        assert read_vocabulary(*(tmp_path / name / file for file in TOKENIZER_FILES)) == VOCABULARIES[name]
        again = AutoTokenizer.from_pretrained(tmp_path / name)
        assert again(ODD)["input_ids"] == VOCABULARIES[name].encode(ODD)


def test_a_checkpoint_with_gaps_and_sentencepiece_spaces(tmp_path: Path) -> None:
    tokens = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "中国", "##国", "中", "▁", "国"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    vocabulary = CharacterVocabulary.from_tokenizer(BertTokenizer(vocab=str(tmp_path / "vocab.txt")))
    tokenizer = character_tokenizer(vocabulary)
    assert tokenizer("中 国\u3000中国")["input_ids"] == [3, 7, 8, 9, 8, 7, 9, 4] == vocabulary.encode("中 国\u3000中国")
    tokenizer.save_pretrained(tmp_path)
    assert read_vocabulary(*(tmp_path / file for file in TOKENIZER_FILES)) == vocabulary


def test_padding_pairs_truncation_and_words_as_everywhere() -> None:
    tokenizer = character_tokenizer(CASED, max_characters=5)
    batch = tokenizer(["俄罗斯", "俄"], padding=True, return_tensors="pt")
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch["input_ids"][1, 3:].tolist() == [CASED.pad] * 2
    assert len(tokenizer("俄罗斯在叙利亚", truncation=True)["input_ids"]) == 7
    assert tokenizer.decode(tokenizer("俄罗斯")["input_ids"], skip_special_tokens=True) == "俄罗斯"
    words = tokenizer(list("俄罗斯"), is_split_into_words=True)
    assert words["input_ids"] == CASED.encode("俄罗斯")
    assert words.word_ids() == [None, 0, 1, 2, None]


def test_members_and_composites_have_their_tokenizer(composite: HybridNerModel, composite_folder: Path, tmp_path: Path) -> None:
    member = composite.member("spanner")
    member.save_pretrained(tmp_path)
    for folder, model in ((tmp_path, member), (composite_folder, composite)):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert tokenizer.is_fast
        assert tokenizer.model_max_length == model.max_characters + 2
        assert tokenizer(TEXT)["input_ids"] == model.vocabularies[0].encode(TEXT)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content["model"].pop("vocab"),
        lambda content: content["model"]["vocab"].pop("[CLS]"),
        lambda content: content.update(model=[]),
        lambda content: content["model"].update(vocab=["a"]),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, damage: object) -> None:
    TOKENIZERS["cased"].save_pretrained(tmp_path)
    content = json.loads((tmp_path / TOKENIZER_FILES[0]).read_text())
    damage(content)  # type: ignore[operator]
    (tmp_path / TOKENIZER_FILES[0]).write_text(json.dumps(content))
    with pytest.raises(ModelError, match="another kind of tokenizer"):
        read_vocabulary(*(tmp_path / file for file in TOKENIZER_FILES))
