"""Folders that any version has saved are read, or refused with the reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoModel

from hybridner import HybridNerModel
from hybridner.errors import ModelError
from hybridner.models import format_version
from hybridner.models.format_version import FORMAT_VERSION, MIGRATIONS
from tests.golden.make import COMPOSITE
from tests.support.tiny import tiny_member


def stored(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return settings


def test_what_is_saved_has_the_current_version(composite_folder: Path, tmp_path: Path) -> None:
    tiny_member("spanner").save_pretrained(tmp_path)
    assert stored(tmp_path)["format_version"] == stored(composite_folder)["format_version"] == FORMAT_VERSION


def test_there_is_a_way_up_from_every_version() -> None:
    assert sorted(MIGRATIONS) == list(range(FORMAT_VERSION))


def test_a_folder_from_before_versions_is_read_and_saved_anew(tmp_path: Path) -> None:
    assert "format_version" not in stored(COMPOSITE)
    model = AutoModel.from_pretrained(COMPOSITE)
    model.save_pretrained(tmp_path)
    assert stored(tmp_path)["format_version"] == FORMAT_VERSION
    again = AutoModel.from_pretrained(tmp_path)
    before, after = ({**one.config.to_dict(), "_name_or_path": ""} for one in (model, again))
    assert before == after


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> int:
    """hybridner after two changes of the layout: τ was called `tau` at first, and then counted in per cent."""
    current = FORMAT_VERSION + 2

    def renamed(settings: dict[str, Any]) -> dict[str, Any]:
        return {"percent" if name == "threshold" else name: value for name, value in settings.items()}

    def in_shares(settings: dict[str, Any]) -> dict[str, Any]:
        return {**{k: v for k, v in settings.items() if k != "percent"}, "threshold": settings["percent"] / 100}

    monkeypatch.setattr(format_version, "FORMAT_VERSION", current)
    monkeypatch.setitem(MIGRATIONS, FORMAT_VERSION, renamed)
    monkeypatch.setitem(MIGRATIONS, FORMAT_VERSION + 1, in_shares)
    return current


@pytest.mark.parametrize("version", [None, FORMAT_VERSION, FORMAT_VERSION + 1])
def test_every_step_that_is_missing_is_taken(
    composite_folder: Path, tmp_path: Path, next_version: int, version: int | None
) -> None:
    folder = tmp_path / "old"
    shutil.copytree(composite_folder, folder)
    settings = {name: value for name, value in stored(folder).items() if name not in ("format_version", "threshold")}
    settings["percent" if version == FORMAT_VERSION + 1 else "threshold"] = 40
    settings |= {} if version is None else {"format_version": version}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    model = AutoModel.from_pretrained(folder)
    assert isinstance(model, HybridNerModel)
    assert model.config.threshold == 0.4
    assert model.config.format_version == next_version


@pytest.mark.parametrize(
    ("version", "reason"), [(FORMAT_VERSION + 1, "pip install --upgrade hybridner"), ("1", "whole number"), (-1, "whole number")]
)
def test_what_cannot_be_read_is_refused(composite_folder: Path, tmp_path: Path, version: object, reason: str) -> None:
    shutil.copytree(composite_folder, tmp_path / "odd")
    (tmp_path / "odd" / "config.json").write_text(json.dumps({**stored(composite_folder), "format_version": version}))
    with pytest.raises(ModelError, match=reason):
        AutoConfig.from_pretrained(tmp_path / "odd")
