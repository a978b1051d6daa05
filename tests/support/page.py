"""The demonstration page in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from html import unescape
from pathlib import Path
from typing import Any

from tests.support.patience import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]


def data_of(html: str, name: str) -> Any:
    """What the page's script is given under a name."""
    (value,) = re.findall(f'data-{name}="([^"]*)"', html)
    return json.loads(unescape(value))


def quiet_environment(**more: str) -> dict[str, str]:
    """An environment in which nothing reaches for the network, and with a key that must never leave this computer."""
    return {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "OPENAI_API_KEY": "the-servers-own-key",
        "OMP_NUM_THREADS": "1",
        **more,
    }


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    """Until the page answers."""

    def answers() -> bool:
        assert process.poll() is None, process.communicate()[0]
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE):
                return True
        except OSError:
            return False

    wait_until(answers, lambda: "the page did not start")
