"""The README's code runs as it stands, in a folder where `hybridner demo` has left its composite."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from hybridner import HybridNerModel
from hybridner.data import write_jsonl
from hybridner.training import recipe_from_dict
from tests.support.tiny import save_tiny_encoder, small_records

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README_zh.md")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", READMES)
def test_the_python_of_the_readme_runs(
    name: str, composite_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(composite_folder, tmp_path / "hybridner-demo" / "composite")
    monkeypatch.chdir(tmp_path)
    # What a reader has: labelled sentences, and an encoder, here a tiny one in a folder of that name.
    write_jsonl(small_records(), tmp_path / "train.jsonl")
    write_jsonl(small_records()[:4], tmp_path / "dev.jsonl")
    save_tiny_encoder(tmp_path / "bert-base-chinese")
    scope: dict[str, object] = {}
    code = blocks(name, "python")
    assert len(code) >= 2
    for block in code:
        exec(compile(block, name, "exec"), scope)
    assert capsys.readouterr().out.strip(), "the first block prints entities"
    assert isinstance(scope["ner"].model, HybridNerModel)


def test_the_recipe_of_the_readme_is_valid() -> None:
    (recipe,) = blocks("README.md", "yaml")
    assert len(recipe_from_dict(yaml.safe_load(recipe)).members) == 4


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / name).read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert link.startswith("http") or (ROOT / link).exists(), link


@pytest.mark.parametrize("name", READMES)
def test_both_languages_give_the_same_commands(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "pip install -c constraints.txt -e . && hybridner demo" in text
    assert 'pip install -c constraints.txt -e ".[dev]" && pytest' in text
