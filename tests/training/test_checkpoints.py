"""A run goes on from the newest checkpoint that is complete, or says why it does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import Trainer

from hybridner import HybridNerTrainer
from hybridner.errors import ModelError, OutputError
from hybridner.training import trainer as trainer_module
from hybridner.training.checkpoints import UNFINISHED, find_problem, find_resumption, seal
from hybridner.training.composing import compose
from tests.support.tiny import small_records
from tests.training.test_trainer import arguments, members

EPOCHS = 4


def new_trainer(folder: Path) -> HybridNerTrainer:
    settings = arguments(folder, num_train_epochs=EPOCHS, early_stopping_patience=None)
    return HybridNerTrainer(compose(members("bert-bilstm-crf")), settings, small_records()[:12], small_records()[12:])


def interrupt(monkeypatch: pytest.MonkeyPatch, method: str, call: int) -> None:
    """Leave everything as it is, as a kill would, at this call of a method of Trainer."""
    original, calls = getattr(Trainer, method), []

    def cut_off(self: Trainer, *args: object, **kwargs: object) -> object:
        calls.append(None)
        if len(calls) == call:
            raise KeyboardInterrupt
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, method, cut_off)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped while the third of its checkpoints was written."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, "_save_rng_state", 3)
        with pytest.raises(KeyboardInterrupt):
            new_trainer(folder).train()
    return folder


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    run = new_trainer(tmp_path_factory.mktemp("whole"))
    run.train()
    return {name: tensor.clone() for name, tensor in run.model.state_dict().items()}


def test_an_unfinished_checkpoint_never_has_the_name_of_a_finished_one(stopped: Path) -> None:
    assert sorted(path.name for path in stopped.iterdir()) == ["checkpoint-3", "checkpoint-6", UNFINISHED]
    found = find_resumption(stopped)
    assert found.checkpoint == stopped / "checkpoint-6"
    assert list(found.unusable) == [stopped / UNFINISHED]


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 3 // 4])


def zero(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "contents.json"]
)
@pytest.mark.parametrize("damage", [Path.unlink, truncate, zero])
def test_damage_to_any_part_is_found(stopped: Path, tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    assert find_problem(folder / "checkpoint-6", 1) is None
    damage(folder / "checkpoint-6" / name)
    assert find_problem(folder / "checkpoint-6", 1)
    assert find_resumption(folder).checkpoint == folder / "checkpoint-3"


def test_a_checkpoint_of_fewer_processes_or_without_its_best_is_of_no_use(stopped: Path, tmp_path: Path) -> None:
    assert "rng_state_1.pth" in str(find_problem(stopped / "checkpoint-6", 2))
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    # Which one is best is the data's affair; here the later one leads to the earlier.
    state = folder / "checkpoint-6" / "trainer_state.json"
    text = state.read_text().replace("checkpoint-6", "checkpoint-3")
    state.write_text(text)
    (folder / "checkpoint-6" / "contents.json").unlink()
    seal(folder / "checkpoint-6")
    assert find_problem(folder / "checkpoint-6", 1) is None
    truncate(folder / "checkpoint-3" / "model.safetensors")
    assert "the best so far" in str(find_problem(folder / "checkpoint-6", 1))
    assert find_resumption(folder).checkpoint is None


@pytest.mark.parametrize(
    ("damaged", "onward"),
    [
        ((), "from checkpoint-6"),
        (("checkpoint-6",), "from checkpoint-3"),
        (("checkpoint-6", "checkpoint-3"), "from the beginning"),
    ],
)
def test_a_run_goes_on_and_ends_with_the_weights_of_an_uninterrupted_one(
    stopped: Path, tmp_path: Path, uninterrupted: dict[str, torch.Tensor], damaged: tuple[str, ...], onward: str
) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(stopped, folder)
    for name in damaged:
        truncate(folder / name / "optimizer.pt")
    run = new_trainer(folder)
    with pytest.warns(UserWarning, match=f"dropped .*{UNFINISHED}.* {onward}"):
        run.train(resume_from_checkpoint=True)
    assert not (folder / UNFINISHED).exists()
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(uninterrupted[name], tensor), name


def test_what_is_of_no_use_is_deleted(stopped: Path, tmp_path: Path) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    truncate(tmp_path / "run" / "checkpoint-6" / "model.safetensors")
    find_resumption(tmp_path / "run").drop_unusable()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint-3"]


def test_a_named_checkpoint_that_cannot_be_used_is_refused(stopped: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot go on from .*unfinished"):
        new_trainer(tmp_path).train(resume_from_checkpoint=str(stopped / UNFINISHED))


def test_a_full_disk_is_one_error_and_leaves_the_last_checkpoint(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    shutil.rmtree(folder / UNFINISHED)

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer_module, "seal", full)
    with pytest.raises(OutputError, match=r"No space left on device.*last complete checkpoint"):
        new_trainer(folder).train(resume_from_checkpoint=True)
    assert find_resumption(folder).checkpoint == folder / "checkpoint-6"


def test_as_many_checkpoints_are_kept_as_asked_for(uninterrupted: dict[str, torch.Tensor], tmp_path: Path) -> None:
    run = new_trainer(tmp_path)
    run.train()
    left = sorted(int(path.name.rpartition("-")[2]) for path in tmp_path.iterdir())
    assert left[-1] == 3 * EPOCHS
    assert len(left) == 2
    assert run.state.best_global_step in left
