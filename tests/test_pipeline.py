from __future__ import annotations

import copy
import json
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import pipeline
from transformers.pipelines.pt_utils import KeyDataset

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.ensemble import FixedThreshold
from hybridner.errors import HybridNerError, InputError, ModelError
from tests.support.forked import Forked
from tests.support.near import assert_same
from tests.support.tiny import TEXT

KEYS = {"entity_group", "word", "start", "end", "score", "uncertainty", "source", "votes", "needs_review"}
TEXTS = [TEXT, TEXT[6:20], "", TEXT[::-1], "。"]


@pytest.fixture(scope="module")
def pipe(composite_folder: Path) -> HybridNerPipeline:
    return pipeline("hybrid-ner", model=str(composite_folder), device="cpu")


def test_an_entity_says_all_about_itself(pipe: HybridNerPipeline, composite: HybridNerModel) -> None:
    entities = pipe(TEXT)
    assert entities
    for entity in entities:
        assert set(entity) == KEYS
        assert TEXT[entity["start"] : entity["end"]] == entity["word"]
        assert entity["entity_group"] in composite.config.labels.names
        assert 0 <= entity["score"] <= 1
        assert 0 <= entity["uncertainty"] <= 1
        assert entity["source"] == "local"
        assert set(entity["votes"]) <= set(composite.member_names)
        assert entity["entity_group"] in entity["votes"].values()
        assert entity["needs_review"] is (entity["uncertainty"] > 0.5)
    json.dumps(entities)


@settings(max_examples=20, deadline=None)
@given(text=st.text(st.one_of(st.sampled_from(TEXT), st.characters(exclude_categories=["Cs"])), max_size=150))
def test_the_word_is_always_the_text_at_its_offsets(pipe: HybridNerPipeline, text: str) -> None:
    for entity in pipe(text):
        assert text[entity["start"] : entity["end"]] == entity["word"]
        assert entity["word"]


def test_a_list_of_chinese_sentences_is_a_list_of_texts(pipe: HybridNerPipeline) -> None:
    assert_same(pipe(TEXTS), [pipe(text) for text in TEXTS])
    assert pipe(tuple(TEXTS)) == pipe(TEXTS)
    assert pipe([]) == []


def test_generators_and_data_sets_are_read_as_they_come(pipe: HybridNerPipeline) -> None:
    expected = pipe(TEXTS)
    drawn = 0

    def endless() -> Iterator[str]:
        nonlocal drawn
        while True:
            drawn += 1
            yield TEXTS[(drawn - 1) % len(TEXTS)]

    stream = pipe(endless(), batch_size=1)
    assert_same([next(stream) for _ in TEXTS], expected)
    assert drawn < 100
    data = Dataset.from_dict({"text": TEXTS})
    assert_same(list(pipe(KeyDataset(data, "text"))), expected)
    assert_same(list(pipe(data["text"])), expected)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batch_size_changes_neither_order_nor_results(pipe: HybridNerPipeline, batch_size: int) -> None:
    rng = random.Random(1)
    texts = ["".join(rng.choices(TEXT, k=rng.randint(0, 150))) for _ in range(30)]
    spans = [[(e["start"], e["end"], e["entity_group"]) for e in entities] for entities in pipe(texts, batch_size=batch_size)]
    assert spans == [[(e["start"], e["end"], e["entity_group"]) for e in pipe(text)] for text in texts]


def test_windows_of_several_texts_share_forward_passes(composite: HybridNerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = HybridNerPipeline(composite, device="cpu")
    sizes: list[int] = []
    forward = composite.forward
    monkeypatch.setattr(composite, "forward", lambda ids, mask: (sizes.append(len(mask)), forward(ids, mask))[1])
    pipe([TEXT] * 10 + [TEXT * 4] * 2, batch_size=8)
    assert max(sizes) == 8
    assert len(sizes) == -(-sum(sizes) // 8)


@pytest.mark.parametrize("value", [None, b"\xe4\xb8\xad", 7, 1.5, {"text": TEXT}])
def test_what_is_no_text_is_refused_alone(pipe: HybridNerPipeline, value: object) -> None:
    with pytest.raises(InputError, match="expected a string"):
        pipe(value)


@pytest.mark.parametrize("value", [None, b"\xe4\xb8\xad", 7, ["中"]])
def test_what_is_no_text_leaves_the_rest_of_a_batch_unharmed(pipe: HybridNerPipeline, value: object) -> None:
    with pytest.warns(UserWarning, match="item 1 is .*, not a string"):
        results = pipe([TEXT, value, TEXT])
    assert_same(results, [pipe(TEXT), [], pipe(TEXT)])


def test_settings_of_a_call_go_before_those_of_the_pipeline(composite: HybridNerModel) -> None:
    pipe = HybridNerPipeline(composite, device="cpu", threshold=0.0, strategy="majority")
    assert all(entity["needs_review"] for entity in pipe(TEXT))
    assert not any(entity["needs_review"] for entity in pipe(TEXT, threshold=1.0))
    assert pipe(TEXT, strategy="mean") == HybridNerPipeline(composite, device="cpu", threshold=0.0)(TEXT, strategy="mean")
    assert pipe(TEXT) == HybridNerPipeline(composite, device="cpu")(TEXT, strategy="majority", threshold=0.0)
    assert composite.config.strategy == "score"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"threshold": 2}, "from 0 to 1"),
        ({"threshold": "0.3"}, "from 0 to 1"),
        ({"strategy": "vote"}, "must be one of majority"),
        ({"decoding": "deep"}, "flat, nested"),
        ({"batch_size": 0}, "at least 1"),
        ({"treshold": 0.3}, "unknown parameter 'treshold'"),
    ],
)
def test_wrong_settings_are_named(pipe: HybridNerPipeline, settings: dict, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        pipe(TEXT, **settings)


def test_nested_decoding_keeps_what_flat_decoding_must_drop(composite: HybridNerModel) -> None:
    pipe = HybridNerPipeline(composite, device="cpu")
    rng = random.Random(3)
    texts = ["".join(rng.choices(TEXT, k=50)) for _ in range(10)]
    flat, nested = (sum(map(len, pipe(texts, decoding=decoding))) for decoding in ("flat", "nested"))
    assert nested > flat


@pytest.mark.parametrize("model_type", ["roberta-bigru-crf", "spanner"])
def test_a_single_member_is_a_pipeline_too(make_member: Callable, tmp_path: Path, model_type: str) -> None:
    make_member(model_type).save_pretrained(tmp_path)
    entities = pipeline("hybrid-ner", model=str(tmp_path), device="cpu")(TEXT)
    assert entities
    assert all(set(entity["votes"]) == {model_type} for entity in entities)


def test_half_precision_is_possible(composite_folder: Path) -> None:
    pipe = pipeline("hybrid-ner", model=str(composite_folder), device="cpu", dtype=torch.bfloat16)
    assert pipe.model.dtype == torch.bfloat16
    assert all(TEXT[e["start"] : e["end"]] == e["word"] for e in pipe(TEXT))


def test_half_precision_that_was_not_asked_for_is_told_on_a_cpu(composite: HybridNerModel, tmp_path: Path) -> None:
    copy.deepcopy(composite).half().save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="load the model with dtype=torch.float32"):
        assert pipeline("hybrid-ner", model=str(tmp_path), device="cpu").model.dtype == torch.float16
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pipeline("hybrid-ner", model=str(tmp_path), device="cpu", dtype=torch.float32).model.dtype == torch.float32


def test_another_kind_of_model_is_refused() -> None:
    with pytest.raises(HybridNerError, match="needs a composite"):
        HybridNerPipeline(torch.nn.Linear(1, 1))


def test_reading_warns_of_nothing(pipe: HybridNerPipeline) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe(TEXTS)


MAP = """
import sys
import torch
from datasets import Dataset
from transformers import pipeline
import hybridner
torch.set_num_threads(2)
folder, backend, text = sys.argv[1:]
ner = pipeline("hybrid-ner", model=folder, device="cpu", **({"backend": backend} if backend else {}))
expected = [len(found) for found in ner([text] * 8)]
data = Dataset.from_dict({"text": [text] * 8})
mapped = data.map(lambda rows: {"entities": [len(found) for found in ner(rows["text"])]}, batched=True, batch_size=2, num_proc=2)
assert mapped["entities"][:] == expected and expected[0] > 0
print("as expected")
"""


@pytest.mark.parametrize("backend", ["", "onnx"])
def test_a_pipeline_that_was_used_works_in_forked_workers(composite_folder: Path, backend: str) -> None:
    """Without care torch's threads, which a fork does not have, would be waited for for ever."""
    done = Forked("-c", MAP, str(composite_folder), backend, TEXT).wait()
    assert done.stdout.strip().endswith("as expected"), done.stderr


@pytest.mark.parametrize("row", [{"text": TEXT}, {"id": 1, "text": TEXT}])
def test_rows_with_several_columns_are_never_read_as_nothing(pipe: HybridNerPipeline, row: dict) -> None:
    with pytest.raises(InputError, match=r"item 1 is a row with the columns .*text.*KeyDataset"):
        pipe([TEXT, row])
    data = Dataset.from_list([row, row])
    with pytest.raises(InputError, match="item 0 is a row"):
        list(pipe(iter(data)))
    assert_same(list(pipe(KeyDataset(data, "text"))), [pipe(TEXT)] * 2)


def test_the_steps_can_be_called_one_after_the_other(pipe: HybridNerPipeline) -> None:
    expected = pipe(TEXT, threshold=0.3, strategy="majority")
    outputs = pipe.forward(pipe.preprocess(TEXT), strategy="majority")
    assert pipe.postprocess(outputs, threshold=FixedThreshold(0.3)) == expected
    assert pipe.run_single(TEXT, {}, {"strategy": "majority"}, {"threshold": FixedThreshold(0.3)}) == expected
    assert pipe.transform(TEXT) == pipe.predict(TEXT) == pipe(TEXT)


def test_traditional_characters_are_read_as_simplified_ones(composite: HybridNerModel, pipe: HybridNerPipeline) -> None:
    simplified, traditional = "俄罗斯在叙利亚部署了干扰机。", "俄羅斯在敘利亞部署了干擾機。"
    expected = pipe(simplified)
    assert expected
    found = pipe(traditional)
    assert [{**entity, "word": simplified[entity["start"] : entity["end"]]} for entity in found] == expected
    assert [entity["word"] for entity in found] == [traditional[entity["start"] : entity["end"]] for entity in found]
    # The tiny model knows no traditional character at all.
    assert pipe(traditional, simplify=False) != found
    members = {name: composite.member(name) for name in composite.member_names}
    untouched = HybridNerModel.assemble(members, simplify=False)
    assert HybridNerPipeline(untouched, device="cpu")(traditional) == pipe(traditional, simplify=False)
    with pytest.raises(ModelError, match="simplify must be one of"):
        pipe(traditional, simplify="yes")


@pytest.mark.parametrize("half", [chr(0xD83D), chr(0xDE00), chr(0xDFFF)])
def test_halves_of_characters_are_replaced_and_told(pipe: HybridNerPipeline, half: str) -> None:
    text = TEXT[:9] + half + TEXT[9:] + half
    with pytest.warns(UserWarning, match="2 halves of characters"):
        found = pipe(text)
    assert found == pipe(text.replace(half, "\ufffd"))
    json.dumps(found, ensure_ascii=False).encode()
