"""Members keep the contract of transformers' own models: what works on BERT works on them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from transformers import (
    AutoModel,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertForTokenClassification,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
    pipeline,
)
from transformers.modeling_outputs import TokenClassifierOutput

from hybridner import HybridNerModel
from hybridner.errors import ModelError
from hybridner.models import MEMBER_CLASSES, HybridNerOutput, SpannerOutput
from hybridner.models.span_scoring import span_logits
from hybridner.spans import Record, spans_to_tags
from tests.support.tiny import ENCODER, LABELS, TEXT, small_records, tiny_member

TYPES = list(MEMBER_CLASSES)
TAGGERS = [name for name in TYPES if name != "spanner"]
LENGTHS = (12, 5, 1)


def inputs(lengths: tuple[int, ...] = LENGTHS, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, 40, (len(lengths), max(lengths) + 2), generator=generator)
    mask = torch.arange(ids.size(1))[None, :] < torch.tensor(lengths)[:, None] + 2
    return {"input_ids": ids.masked_fill(~mask, 0), "attention_mask": mask.long()}


def labels_for(model: Any, mask: torch.Tensor) -> torch.Tensor:
    """B-1 at the first character of each row, O elsewhere, as the member wants it."""
    if isinstance(model.config, MEMBER_CLASSES["spanner"].config_class):
        return torch.tensor([[[0, 1, 1], [-1, -1, -1]]] * len(mask))
    labels = torch.where(mask.bool(), 0, -100)
    labels[:, 0] = -100
    labels[:, 1] = 1
    labels[torch.arange(len(mask)), mask.sum(1) - 1] = -100
    return labels


@pytest.mark.parametrize("name", TAGGERS)
def test_a_tagger_gives_a_token_classifier_output_aligned_to_its_input(name: str, make_member: Callable) -> None:
    model, batch = make_member(name), inputs()
    with torch.inference_mode():
        output = model(**batch, labels=labels_for(model, batch["attention_mask"]))
    assert isinstance(output, TokenClassifierOutput)
    assert output.logits.shape == (*batch["input_ids"].shape, 2 * len(LABELS) + 1) == (3, 14, model.num_labels)
    assert output.loss.dim() == 0
    assert output.hidden_states is None
    assert output.attentions is None
    # Special and padding tokens are outside, for certain.
    special = torch.cat([torch.zeros(3, 1), batch["attention_mask"][:, 2:], torch.zeros(3, 1)], dim=1) == 0
    assert (output.logits.softmax(-1)[special][:, 0] > 0.999).all()
    assert model.config.id2label == {0: "O", 1: "B-State", 2: "I-State", 3: "B-System", 4: "I-System", 5: "B-Place", 6: "I-Place"}
    assert model.config.label2id["I-Place"] == 6


@pytest.mark.parametrize("name", TAGGERS)
def test_logits_are_the_crfs_marginals(name: str, make_member: Callable) -> None:
    """P(tag | sentence) from all tag sequences of a short sentence, by brute force."""
    model = make_member(name, labels=["A"])
    crf, batch = model.head.decoder.crf, inputs((4,))
    with torch.inference_mode():
        probabilities = model(**batch).logits.softmax(-1)[0, 1:-1]
        emissions = model.head(model.encoder(**batch).last_hidden_state[:, 1:-1], torch.ones(1, 4, dtype=torch.bool)).logits
        sequences = torch.cartesian_prod(*[torch.arange(3)] * 4)
        mask = torch.ones(len(sequences), 4, dtype=torch.bool)
        weight = crf.log_likelihood(emissions.expand(len(sequences), -1, -1), sequences, mask).exp()
    for position in range(4):
        expected = torch.stack([weight[sequences[:, position] == tag].sum() for tag in range(3)])
        torch.testing.assert_close(probabilities[position].double(), expected, rtol=1e-4, atol=1e-5)


def test_spanner_gives_logits_that_add_up_to_its_spans(make_member: Callable) -> None:
    model, batch = make_member("spanner"), inputs()
    with torch.inference_mode():
        output = model(**batch, labels=labels_for(model, batch["attention_mask"]))
        hidden = model.encoder(**batch).last_hidden_state[:, 1:-1]
        expected = model.head(hidden, batch["attention_mask"][:, 2:].bool()).logits
    assert isinstance(output, SpannerOutput)
    assert output.start_logits.shape == output.end_logits.shape == (3, 14, len(LABELS) + 1)
    assert output.length_logits.shape == (6, len(LABELS) + 1)
    ours = span_logits(torch.cat([output.start_logits, output.end_logits], -1)[:, 1:-1], output.length_logits)
    theirs = span_logits(expected, output.length_logits)
    torch.testing.assert_close(ours[0, :6], theirs[0, :6])
    assert not output.start_logits[1, 6:].any()
    assert not output.end_logits[:, 0].any()
    with pytest.raises(ValueError, match="Unrecognized configuration class"):
        AutoModelForTokenClassification.from_config(model.config)


@pytest.mark.parametrize("name", TYPES)
def test_arguments_behave_as_in_bert(name: str, make_member: Callable) -> None:
    model, batch = make_member(name), inputs((12,))
    labels = labels_for(model, batch["attention_mask"])
    bert = BertForTokenClassification(BertConfig(**{**ENCODER, "vocab_size": 40, "attn_implementation": "eager"}))
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        output = model(**batch, labels=labels)
        # a mask that is left out, types and positions, embeddings in place of ids, unknown arguments
        for options in (
            {"input_ids": batch["input_ids"]},
            {**batch, "token_type_ids": torch.zeros_like(batch["input_ids"]), "position_ids": torch.arange(14)[None]},
            {"inputs_embeds": model.get_input_embeddings()(batch["input_ids"]), "attention_mask": batch["attention_mask"]},
            {**batch, "num_items_in_batch": 3},
        ):
            assert torch.equal(model(**options, labels=labels).loss, output.loss)
        as_tuple = model(**batch, labels=labels, return_dict=False)
        assert isinstance(as_tuple, tuple)
        assert all(map(torch.equal, as_tuple, output.to_tuple()))
        everything = {"output_hidden_states": True, "output_attentions": True}
        ours, theirs = model(**batch, **everything), bert(**batch, **everything)
        assert [state.shape for state in ours.hidden_states] == [state.shape for state in theirs.hidden_states]
        assert [state.shape for state in ours.attentions] == [state.shape for state in theirs.attentions]
    with pytest.raises(ModelError, match="either input_ids or inputs_embeds"):
        model()
    with pytest.raises(ModelError, match="this one has 1 tokens"):
        model(torch.tensor([[2]]))


@pytest.mark.parametrize("name", TYPES)
def test_texts_of_no_or_one_character_are_no_special_case(name: str, make_member: Callable) -> None:
    model = make_member(name)
    for lengths in ((0,), (1,), (0, 3), (0, 0)):
        batch = inputs(lengths)
        labels = torch.full_like(batch["input_ids"], -100) if name != "spanner" else torch.full((len(lengths), 1, 3), -1)
        if name != "spanner":
            labels[:, 1 : max(lengths) + 1][batch["attention_mask"][:, 2:].bool()] = 0
        for training in (False, True):
            loss = model.train(training)(**batch, labels=labels).loss
            loss.backward()
            assert torch.isfinite(loss)
            assert all(torch.isfinite(weight.grad).all() for weight in model.parameters() if weight.grad is not None)


def test_an_unknown_tag_is_summed_over(make_member: Callable) -> None:
    """-100 at a character: the likelihood of what is known is that of all sequences that agree with it."""
    model, batch = make_member("bert-bilstm-crf", labels=["A"]), inputs((3,))
    with torch.inference_mode():
        known = [model(**batch, labels=torch.tensor([[-100, 0, tag, 0, -100]])).loss for tag in range(3)]
        unknown = model(**batch, labels=torch.tensor([[-100, 0, -100, 0, -100]])).loss
    torch.testing.assert_close(torch.stack([-loss * 3 for loss in known]).logsumexp(0), -unknown * 3)


@pytest.mark.parametrize("name", TYPES)
def test_state_dicts_precision_and_devices(name: str, make_member: Callable, tmp_path: Path) -> None:
    model, batch = make_member(name), inputs()
    model.save_pretrained(tmp_path / "models" / "mine")
    with torch.inference_mode():
        expected = model(**batch).to_tuple()
        stored = io.BytesIO()
        torch.save(model.state_dict(), stored)
        stored.seek(0)
        other = type(model)(model.config)
        other.load_state_dict(torch.load(stored))
        prepared = Accelerator(cpu=True).prepare(other.eval())
        mapped = AutoModel.from_pretrained(tmp_path / "models", subfolder="mine", device_map="cpu")
        for same in (prepared, mapped):
            for ours, theirs in zip(same(**batch).to_tuple(), expected, strict=True):
                torch.testing.assert_close(ours, theirs)
        for dtype in (torch.bfloat16, torch.float64):
            cast = AutoModel.from_pretrained(tmp_path / "models" / "mine", dtype=dtype)
            assert {weight.dtype for weight in cast.parameters()} == {dtype}
            for ours, theirs in zip(cast(**batch).to_tuple(), expected, strict=True):
                assert ours.dtype == dtype
                torch.testing.assert_close(ours.float(), theirs.float(), rtol=0.1, atol=0.5)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "models", subfolder="mine")
    assert tokenizer(TEXT)["input_ids"] == model.vocabulary.encode(TEXT)


@pytest.mark.parametrize("name", TYPES)
def test_gradient_checkpointing_changes_no_gradient(name: str, make_member: Callable) -> None:
    model, batch = make_member(name, dropout=0.0).train(), inputs()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    labels, gradients = labels_for(model, batch["attention_mask"]), []
    for checkpointing in (False, True):
        if checkpointing:
            model.activation_checkpointing_enable()
        model.zero_grad()
        model(**batch, labels=labels).loss.backward()
        gradients.append([weight.grad.clone() for weight in model.encoder.parameters() if weight.grad is not None])
    assert all(map(torch.allclose, *gradients))


def feature(record: Record, tokenizer: Any) -> dict[str, list[int]]:
    tags = spans_to_tags(record.entities, len(record.text), LABELS)
    return {**tokenizer(record.text), "labels": [-100, *tags, -100]}


@pytest.mark.parametrize("name", TAGGERS)
def test_a_tagger_trains_and_reads_with_transformers_own_tools(name: str, tmp_path: Path) -> None:
    """`Trainer` with `DataCollatorForTokenClassification`, then `pipeline("token-classification")`."""
    tiny_member(name).save_pretrained(tmp_path / "new")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "new")
    records = small_records()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            str(tmp_path / "run"),
            num_train_epochs=30,
            per_device_train_batch_size=8,
            learning_rate=1e-2,
            seed=1,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=[feature(record, tokenizer) for record in records],
        eval_dataset=[feature(record, tokenizer) for record in records[:4]],
        data_collator=DataCollatorForTokenClassification(tokenizer),
        processing_class=tokenizer,
    )
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < 0.1
    assert trainer.predict(trainer.eval_dataset).predictions.shape[-1] == 7
    trainer.save_model(tmp_path / "trained")
    ner = pipeline("token-classification", model=str(tmp_path / "trained"), aggregation_strategy="simple", device="cpu")
    for record in records:
        found = ner(record.text)
        assert [(e["start"], e["end"], e["entity_group"]) for e in found] == [tuple(span) for span in record.entities]
        assert [e["word"] for e in found] == [record.text[span.start : span.end] for span in record.entities]
        assert all(e["score"] > 0.5 for e in found)


def test_the_composite_keeps_what_its_forward_promises(composite: HybridNerModel) -> None:
    batch = inputs((6, 3))
    tags, spans = torch.zeros(2, 6, dtype=torch.long), torch.tensor([[[0, 2, 1]], [[-1, -1, -1]]])
    with torch.inference_mode():
        output = composite(**batch, tag_labels=tags, span_labels=spans)
        layered = composite(batch["input_ids"][:, None], batch["attention_mask"], tags, spans)
        assert torch.equal(output.loss, layered.loss)
        assert composite(batch["input_ids"]).loss is None
    assert isinstance(output, HybridNerOutput)
    assert [part.shape for part in output.logits] == [(2, 6, 7)] * 3 + [(2, 6, 8)]
    with pytest.raises(ModelError, match="learn from spans too"):
        composite(**batch, tag_labels=tags)
    with pytest.raises(ModelError, match="learn from tags too"):
        composite(**batch, span_labels=spans)
    with pytest.raises(ModelError, match="has 1 vocabularies"):
        composite(batch["input_ids"][:, None].expand(-1, 2, -1), batch["attention_mask"])
    taggers = HybridNerModel.assemble({name: composite.member(name) for name in TAGGERS})
    assert torch.isfinite(taggers(**batch, tag_labels=tags).loss)
