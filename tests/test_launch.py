"""How many processes there are is not guessed: one that should have been several says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import own_port

# A file for each process: what two of them print at the same moment can be mixed within a line.
_SCRIPT = """
from pathlib import Path
from hybridner.launch import processes
state = processes()
Path(__file__).with_name(f"process-{state.process_index}").write_text(str(state.num_processes))
"""


@pytest.mark.parametrize(
    ("options", "processes", "mistaken"),
    [
        (["--num_processes", "1"], 1, False),
        (["--num_processes", "2"], 1, True),
        (["--multi_gpu", "--num_processes", "2"], 2, False),
    ],
    ids=["one", "two that are one", "two"],
)
def test_one_process_in_place_of_several_says_so(options: list[str], processes: int, mistaken: bool, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    command = [
        *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", *options, "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", str(own_port()), str(script)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    counted = {path.name: path.read_text() for path in tmp_path.glob("process-*")}
    assert counted == {f"process-{index}": str(processes) for index in range(processes)}
    assert ("only one process was started" in result.stderr) == mistaken
