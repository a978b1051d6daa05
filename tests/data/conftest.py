"""Where the data tests find their files: self-written ones in a temporary folder, real ones by HYBRIDNER_DATA."""

import os
import sys
from pathlib import Path

import pytest

# The builders live beside the package, not in it.
sys.path.insert(0, str(Path(__file__).parents[2]))


@pytest.fixture
def write(tmp_path):
    """Write a text file into the temporary folder; returns its path."""

    def _write(name, *lines, folder=tmp_path):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return _write


@pytest.fixture
def real():
    """The folder of one real data set; the test is skipped where it is not at hand."""

    def _real(name):
        root = os.environ.get("HYBRIDNER_DATA")
        folder = Path(root or "", name)
        if not root or not folder.is_dir():
            pytest.skip(f"set HYBRIDNER_DATA to a folder that holds {name}/")
        return folder

    return _real
