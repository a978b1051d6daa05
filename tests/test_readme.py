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
    first, *others = blocks(name, "python")
    capsys.readouterr()
    exec(compile(first, name, "exec"), scope)
    assert is_shown(capsys.readouterr().out, blocks(name, "text")[0])
    for block in others:
        exec(compile(block, name, "exec"), scope)
    assert len(others) == 2
    assert isinstance(scope["ner"].model, HybridNerModel)


def is_shown(printed: str, shown: str) -> bool:
    """Whether a page shows what its code prints; another processor may round an uncertainty to its neighbour."""
    lines = zip(printed.splitlines(), shown.splitlines(), strict=True)
    pairs = [(one.rsplit(" ", 1), other.rsplit(" ", 1)) for one, other in lines]
    return all(words == others and abs(float(u) - float(v)) < 0.015 for (words, u), (others, v) in pairs)


@pytest.mark.parametrize("name", READMES)
def test_it_is_of_one_screen(name: str) -> None:
    text = re.sub(r"<!--.*?-->", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(text.split()) <= 800
    assert len(re.findall(r"[\u4e00-\u9fff]", text)) <= 1200


@pytest.mark.parametrize("name", READMES)
def test_the_recipe_of_the_readme_is_valid(name: str) -> None:
    (recipe,) = blocks(name, "yaml")
    assert len(recipe_from_dict(yaml.safe_load(recipe)).members) == 4


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / name).read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert link.startswith("http") or (ROOT / link).exists(), link


@pytest.mark.parametrize("name", READMES)
def test_both_languages_give_the_same_commands(name: str) -> None:
    commands, english = (
        [
            re.sub(r" +#.*", "", block)
            for block in re.findall(r"^```\n((?:pip|hybridner) .*?)^```", page, re.MULTILINE | re.DOTALL)
        ]
        for page in ((ROOT / one).read_text(encoding="utf-8") for one in (name, "README.md"))
    )
    assert commands == english
    assert "pip install -c constraints.txt -e . && hybridner demo\n" in commands
    assert 'pip install -c constraints.txt -e ".[dev]" && pytest\n' in commands
