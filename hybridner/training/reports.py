"""What is written down and told about trained members."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import PartialState

from hybridner.files import read_mapping, write_json
from hybridner.hybrid import HybridNerModel
from hybridner.models import MemberModel
from hybridner.spans import Record
from hybridner.training.data import TrainingData
from hybridner.training.features import fit_record, lost_entities
from hybridner.training.folders import REPORT

#: A member whose F1 is below this has learned next to nothing.
_NEAR_NOUGHT = 0.05


def write_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Write `training.json`; it is there only when the model beside it is."""
    write_json(folder / REPORT, dict(report))


def read_report(folder: Path) -> dict[str, Any]:
    """What `write_report` wrote.

    Raises:
        DataError: it is damaged.
    """
    return read_mapping(folder / REPORT, "remove it, and what it reports about is trained again")


def unrepresentable_share(member: MemberModel, records: Sequence[Record], max_characters: int) -> float:
    """Share of the gold entities that a member cannot give back: too long for it, or hidden in another."""
    pieces = [piece for record in records for piece in fit_record(record, max_characters)]
    total = sum(len(record.entities) for record in records)
    lost = lost_entities(records, max_characters)
    lost += sum(member.head.count_unrepresentable(piece.entities, len(piece.text)) for piece in pieces)
    return lost / total if total else 0.0


def warn_of_losses(model: HybridNerModel, shares: Mapping[str, float], data: TrainingData) -> None:
    """Tell which gold entities nothing can be learned from."""
    for split, records in (("train", data.train), ("dev", data.dev)):
        if lost := lost_entities(records, model.max_characters):
            warnings.warn(
                f"{lost} entities in {split} are left out: they are longer than the {model.max_characters} characters that the "
                "encoder reads at once, or overlap where a long text is cut",
                stacklevel=2,
            )
    for name, share in shares.items():
        if share > 0:
            warnings.warn(
                f"{name}: {share:.1%} of the gold entities in train cannot be expressed by this member (longer than its "
                "max_span_length, or inside or across another) and cannot be learned",
                stacklevel=2,
            )


def warn_of_failures(dev_f1: Mapping[str, float]) -> None:
    """Tell which members find next to nothing, given the F1 on dev of each, and what to change."""
    for name, f1 in dev_f1.items():
        if f1 < _NEAR_NOUGHT:
            warnings.warn(
                f"{name}: the entity F1 on dev came to {f1:.3f}, so this member finds next to nothing. Raise "
                "encoder_learning_rate and head_learning_rate (2e-4 and 3e-3 suit small encoders and few sentences), train for "
                "more epochs, give more sentences, or leave this member out",
                stacklevel=2,
            )


def circumstances(seconds: float, state: PartialState) -> dict[str, Any]:
    """Where and how long: what has to stand beside every figure."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{platform.machine()} CPU"
    return {
        "seconds": round(seconds, 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device,
        "processes": state.num_processes,
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
