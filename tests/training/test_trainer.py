"""Training from Python, and the reasons behind rates, decay, warm-up and the mean of the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from hybridner import HybridNerModel, HybridNerTrainer, HybridNerTrainingArguments
from hybridner.errors import DataError, RecipeError
from hybridner.models import MEMBER_CLASSES, MemberModel
from hybridner.spans import Record
from hybridner.training.composing import compose, share_encoder
from hybridner.training.features import Collator, make_features
from hybridner.training.optimization import parameter_groups
from hybridner.training.records import to_records
from tests.support.tiny import small_records, tiny_member

LABELS = ("Place", "State")


def members(*names: str, **settings: object) -> dict[str, MemberModel]:
    made = {name: tiny_member(name, labels=LABELS, rnn_hidden_size=32, dropout=0.0, **settings) for name in names}
    share_encoder(made)
    return made


def arguments(folder: Path, **changes: Any) -> HybridNerTrainingArguments:
    settings = {
        "output_dir": str(folder),
        "num_train_epochs": 8,
        "per_device_train_batch_size": 4,
        "encoder_learning_rate": 5e-3,
        "head_learning_rate": 1e-2,
        "disable_tqdm": True,
    }
    return HybridNerTrainingArguments(**{**settings, **changes})


class LastEpochSpoilsAll(TrainerCallback):
    """Makes the best epoch another one than the last."""

    def on_epoch_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.epoch >= args.num_train_epochs - 1:
            with torch.no_grad():
                for head in model.members.values():
                    head.emission.bias[0] += 100.0


def test_a_member_is_trained_in_place_and_ends_with_its_best_weights(tmp_path: Path) -> None:
    (tagger,) = members("bert-bilstm-crf").values()
    parts = small_records()[:18], small_records()[18:]
    settings = arguments(tmp_path, early_stopping_patience=None)
    trainer = HybridNerTrainer(tagger, settings, *parts, callbacks=[LastEpochSpoilsAll()])
    before = trainer.evaluate()
    trainer.train()
    found = trainer.evaluate()
    assert before["eval_f1"] < 0.5 < 0.9 < found["eval_f1"]
    scores = [entry["eval_f1"] for entry in trainer.state.log_history if "eval_f1" in entry]
    assert scores[-2] == 0 < scores[-1] == max(scores), "after the last epoch, and now"
    assert found["eval_f1"] == found["eval_f1_bert-bilstm-crf"]
    assert {"eval_precision", "eval_recall"} <= found.keys()
    tagger.save_pretrained(tmp_path / "tagger")
    again = HybridNerModel.assemble({"tagger": type(tagger).from_pretrained(tmp_path / "tagger")})
    (result,) = again.predict(["北约在叙利亚部署了干扰机。"])
    assert {(e.start, e.end, e.label) for e in result.entities} == {(0, 2, "State"), (3, 6, "Place")}


@pytest.mark.parametrize("name", ["bert-bilstm-crf", "spanner"])
def test_what_was_given_is_saved(tmp_path: Path, name: str) -> None:
    member = tiny_member(name)
    for model, kind in ((member, type(member)), (compose({name: tiny_member(name)}), HybridNerModel)):
        trainer = HybridNerTrainer(model, HybridNerTrainingArguments(str(tmp_path / "run"), report_to="none"))
        trainer.save_model(str(tmp_path / kind.__name__))
        again = kind.from_pretrained(tmp_path / kind.__name__)
        assert type(again) is kind
        assert all(torch.equal(one, other) for one, other in zip(again.parameters(), model.parameters(), strict=True))


def test_members_of_a_composite_are_measured_one_by_one_and_on_average(tmp_path: Path) -> None:
    trainer = HybridNerTrainer(compose(members("bert-bilstm-crf", "spanner")), arguments(tmp_path), small_records()[:4])
    found = trainer.evaluate(small_records())
    for measure in ("precision", "recall", "f1"):
        values = [found[f"eval_{measure}_{name}"] for name in ("bert-bilstm-crf", "spanner")]
        assert found[f"eval_{measure}"] == pytest.approx(sum(values) / 2)


def test_without_dev_all_epochs_are_trained_and_nothing_is_evaluated(tmp_path: Path) -> None:
    trainer = HybridNerTrainer(
        compose(members("spanner")), arguments(tmp_path, num_train_epochs=2, save_strategy="no"), small_records()[:4]
    )
    trainer.train()
    assert trainer.state.epoch == 2
    assert not [entry for entry in trainer.state.log_history if "eval_f1" in entry]
    assert not list(tmp_path.glob("checkpoint-*"))


def test_training_stops_when_dev_gets_no_better(tmp_path: Path) -> None:
    nothing_learned = arguments(
        tmp_path,
        encoder_learning_rate=1e-12,
        head_learning_rate=1e-12,
        num_train_epochs=9,
        early_stopping_patience=2,
        save_strategy="no",
    )
    trainer = HybridNerTrainer(compose(members("spanner")), nothing_learned, small_records()[:4], small_records()[:4])
    trainer.train()
    assert trainer.state.epoch == 3, "one evaluation to compare with, and two that are no better"


def test_a_dataset_is_read_like_records() -> None:
    records = [Record(r.text, r.entities) for r in small_records()[:5]]
    rows = [{"text": r.text, "entities": [s._asdict() for s in r.entities]} for r in records]
    for dataset in (records, rows, Dataset.from_list(rows)):
        assert [(r.text, r.entities) for r in to_records(dataset)] == [(r.text, r.entities) for r in records]
    with pytest.raises(DataError, match="text"):
        to_records([{"sentence": "天"}])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"learning_rate": 1e-4}, "give encoder_learning_rate"), ({"mixed_precision": "int8"}, "one of auto, no, bf16, fp16")],
)
def test_arguments_that_would_be_ignored_are_refused(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecipeError, match=problem):
        arguments(tmp_path, **changes)


@pytest.mark.parametrize("names", [("macbert-attn-bilstm-crf",), tuple(MEMBER_CLASSES)], ids=["alone", "joint"])
def test_encoders_and_attention_learn_slowly_heads_fast_and_only_matrices_decay(tmp_path: Path, names: tuple[str, ...]) -> None:
    settings = arguments(tmp_path, encoder_learning_rate=1e-5, head_learning_rate=1e-3, weight_decay=0.02)
    trainer = HybridNerTrainer(compose(members(*names)), settings, small_records()[:4])
    optimizer = trainer.create_optimizer()
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    named = dict(trainer.model.named_parameters())
    assert rate.keys() == {id(p) for p in named.values()}
    for name, parameter in named.items():
        slow = name.startswith("encoders.") or ".attention." in name
        assert rate[id(parameter)] == (1e-5 if slow else 1e-3), name
        assert decay[id(parameter)] == (0.02 if parameter.dim() > 1 and ".crf." not in name else 0.0), name
    transitions = [name for name, parameter in named.items() if ".crf." in name and parameter.dim() > 1]
    assert transitions, "matrices of a CRF that must not decay"
    assert any(".attention." in name and not name.startswith("encoders.") for name in named)


def test_a_member_may_have_a_rate_of_its_own_and_frozen_weights_have_none(tmp_path: Path) -> None:
    model = compose(members("bert-bilstm-crf", "spanner"))
    model.encoders.requires_grad_(False)
    groups = parameter_groups(model, arguments(tmp_path, member_learning_rates={"spanner": 0.5}))
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        expected = None if name.startswith("encoders.") else 0.5 if name.startswith("members.spanner.") else 1e-2
        assert rate.get(id(parameter)) == expected, name


def test_rates_rise_over_the_first_tenth_and_then_fall_to_nought(tmp_path: Path) -> None:
    trainer = HybridNerTrainer(compose(members("spanner")), arguments(tmp_path), small_records()[:4])
    trainer.create_optimizer_and_scheduler(num_training_steps=100)
    rates = []
    for _ in range(101):
        rates.append(trainer.optimizer.param_groups[-1]["lr"] / 1e-2)
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
    assert [rates[step] for step in (0, 5, 10, 55, 100)] == pytest.approx([0, 0.5, 1, 0.5, 0])


@pytest.mark.parametrize("name", ["bert-bilstm-crf", "spanner"])
def test_the_loss_is_a_mean_so_that_batches_of_any_size_move_the_weights_alike(tmp_path: Path, name: str) -> None:
    model = compose(members(name)).eval()
    features = make_features(small_records()[:1], model)
    one, many = (model(**Collator(model)(features * copies)).loss for copies in (1, 5))
    torch.testing.assert_close(one, many)


def test_the_loss_of_a_composite_is_the_sum_of_its_members(tmp_path: Path) -> None:
    parts = members("bert-bilstm-crf", "spanner")
    batch = Collator(model := compose(parts).eval())(make_features(small_records()[:3], model))
    alone = [compose({name: member}).eval()(**batch).loss for name, member in parts.items()]
    torch.testing.assert_close(model(**batch).loss, sum(alone))


def test_gradients_of_accumulated_batches_are_averaged(tmp_path: Path) -> None:
    """Equal sentences in one batch of four, or in four of one, are the same step."""
    records = [record for record in small_records() if len(record.text) == len(small_records()[0].text)][:4]
    results = []
    for number, (batch_size, steps) in enumerate(((4, 1), (1, 4))):
        # The norm over a batch would tell batches apart, and dropout everything.
        model = compose(members("bert-bilstm-crf", "spanner", feature_norm=False))
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        settings = arguments(
            tmp_path / str(number),
            num_train_epochs=1,
            per_device_train_batch_size=batch_size,
            gradient_accumulation_steps=steps,
            warmup_steps=0,
            # Adam and clipping forgive wrong sizes of gradients; plain descent does not.
            optim="sgd",
            max_grad_norm=0.0,
            save_strategy="no",
        )
        HybridNerTrainer(model, settings, records).train()
        results.append(model.state_dict())
    start = compose(members("bert-bilstm-crf", "spanner", feature_norm=False)).state_dict()
    assert not torch.equal(results[0]["members.spanner.boundary.start.weight"], start["members.spanner.boundary.start.weight"])
    for name, tensor in results[0].items():
        torch.testing.assert_close(results[1][name], tensor, msg=name, rtol=1e-4, atol=1e-6)


def test_transformers_own_trainer_averages_accumulated_batches_too(tmp_path: Path) -> None:
    (tagger,) = members("bert-bilstm-crf").values()
    trainer = Trainer(tagger, TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none"))
    assert not trainer.model_accepts_loss_kwargs
