"""Put what the systems' scripts measured into results/peers.json and peers.md.

usage: python -m benchmarks.peers.table FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import RESULTS

_HEADER = """\
| system | F1 % | training, CPU seconds | sentences/s | peak memory, MB | setting |
|---|---|---|---|---|---|
"""


def row(one: dict[str, Any]) -> str:
    cells = (
        one["system"],
        f"{100 * one['f1']:.1f}",
        f"{one['training_cpu_seconds']:.0f}",
        f"{one['sentences_per_cpu_second']:.0f}",
        f"{one['peak_memory_mb']:.0f}",
        one["setting"],
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.peers.table FOLDER")
    found = [json.loads(path.read_text(encoding="utf-8")) for path in Path(sys.argv[1], "results").glob("*.json")]
    found.sort(key=lambda one: -one["f1"])
    (RESULTS / "peers.json").write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    table = _HEADER + "\n".join(map(row, found)) + "\n"
    page = RESULTS / "peers.md"
    text = page.read_text(encoding="utf-8") if page.exists() else "# Peers\n\n" + _HEADER
    before, _, rest = text.partition(_HEADER)
    after = rest.split("\n\n", 1)[1] if "\n\n" in rest else ""
    page.write_text(before + table + ("\n" + after if after else ""), encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
