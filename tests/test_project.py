"""What stands beside the code says the same as the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hybridner.version import __version__

ROOT = Path(__file__).parent.parent


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    declared = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert declared is not None
    assert citation["version"] == declared[1] == changes[0] == __version__


def test_the_citation_has_what_readers_of_it_need() -> None:
    """The fields that the format CFF 1.2.0 demands, and those of an article."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    paper = citation["preferred-citation"]
    assert {"type", "title", "authors", "journal", "year", "doi"} <= paper.keys()
    assert all({"family-names", "given-names"} == author.keys() for author in paper["authors"])
    assert re.fullmatch(r"10\.\d{4,9}/\S+", paper["doi"])


@pytest.mark.parametrize(
    "path", [".pre-commit-config.yaml", *(str(p.relative_to(ROOT)) for p in (ROOT / ".github").rglob("*.yml"))]
)
def test_settings_are_yaml(path: str) -> None:
    assert isinstance(yaml.safe_load((ROOT / path).read_text(encoding="utf-8")), dict)


def test_scripts_that_settings_run_are_there_and_are_bash() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    scripts = re.findall(r"run: bash (\S+)", workflow)
    assert scripts
    for script in scripts:
        subprocess.run(["bash", "-n", str(ROOT / script)], check=True)


def test_hooks_are_commands_of_the_development_environment() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    programs = {hook["entry"].split()[0] for hook in repository["hooks"]}
    folder = Path(sys.executable).parent
    assert all(os.access(folder / program, os.X_OK) for program in programs)
