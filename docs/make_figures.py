"""Writes the figures of the README and the documentation from the committed results: `python docs/make_figures.py`.

A figure stands between two comments that no reader sees. The first names a file of benchmarks/results (or of the repository), the
place of a number in it, and a format:

    <!--= onnx.json > models > bundled > f1 > onnx int8 > 100*.1f -->81.4<!--=-->

In a list, `name=score` is the element whose `name` is `score`, and `about.data=MSRA&about.split=test` the one of which both hold.
`100*` before the format makes percent of a ratio. Whole tables are `<!--= results LANGUAGE -->` and `<!--= models LANGUAGE -->`.
A test holds the pages to what the results say, and looks for figures that stand outside.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = [
    *(ROOT / name for name in ("README.md", "README_zh.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

#: One figure or table: what is to stand there, and what does.
MARKED = re.compile(r"<!--= (.*?) -->(.*?)<!--=-->", re.DOTALL)
_FORMAT = re.compile(r"(100\*)?([+,]*(?:\.\d)?[fd])")

#: The results with an LLM, and those of all test texts without one.
_HYBRID, _MEMBERS = "tables/hybrid/comparison.json", "tables/members/comparison.json"
#: Rows of the table of results: names of the systems of which the best counts, by the row's name in each language.
_ROWS = {
    "best member": ("最好的单个成员", ("bert-bilstm-crf", "roberta-bigru-crf", "macbert-attn-bilstm-crf", "spanner")),
    "`majority` (VM)": ("`majority`（多数票）", ("strategy:majority",)),
    "best weighted vote (VOF1, VCF1)": ("加权票中较好的（VOF1、VCF1）", ("strategy:f1", "strategy:class_f1")),
    "`score` (the paper's)": ("`score`（论文）", ("strategy:score",)),
    "`pool` (ours)": ("`pool`（本项目）", ("strategy:pool",)),
    "`score` + LLM, `replace` (the paper's)": ("`score` + 大模型，`replace`（论文）", ("hybrid:score, replace",)),
    "`pool` + LLM, `bayes`": ("`pool` + 大模型，`bayes`", ("hybrid:pool, bayes",)),
    "ceiling: every answer right": ("上限：每个回答都对", ("hybrid:every answer right",)),
}


def render(text: str) -> str:
    """The page with every figure as the results have it."""
    return MARKED.sub(lambda found: f"<!--= {found[1]} -->{_rendered(found[1])}<!--=-->", text)


def _rendered(what: str) -> str:
    kind, _, language = what.partition(" ")
    if kind in _TABLES:
        return f"\n\n{_TABLES[kind](language)}\n\n"
    file, *path, form = (part.strip() for part in what.split(" > "))
    match = _FORMAT.fullmatch(form)
    if match is None:
        raise ValueError(f"{what}: ends in no format such as 100*.1f or ,d")
    value = look_up(_read(file), path)
    return format((100 * value if match[1] else value) if match[2].endswith("f") else round(value), match[2])


def look_up(data: Any, path: list[str]) -> Any:
    """The number at a place; raises KeyError, saying where, when there is none."""
    for number, key in enumerate(path):
        if isinstance(data, list) and "=" in key:
            wanted = [condition.split("=") for condition in key.split("&")]
            found = [item for item in data if all(str(look_up(item, name.split("."))) == value for name, value in wanted)]
            if len(found) != 1:
                raise KeyError(f"{' > '.join(path[: number + 1])}: {len(found)} elements")
            data = found[0]
        else:
            try:
                data = data[int(key)] if isinstance(data, list) else data[key]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise KeyError(" > ".join(path[: number + 1])) from error
    return data


@cache
def _read(file: str) -> Any:
    path = RESULTS / file if (RESULTS / file).exists() else ROOT / file
    return json.loads(path.read_text(encoding="utf-8"))


def results_table(language: str) -> str:
    """F1 of members, votes, `score`, `pool` and the composite with an LLM, one column for each data set."""
    hybrid = [setting for setting in _read(_HYBRID)["settings"] if "sample" not in setting["about"]["split"]]
    named = {setting["about"]["data"] for setting in hybrid}
    columns = [*hybrid, *(setting for setting in _read(_MEMBERS)["settings"] if setting["about"]["data"] not in named)]
    head = " | ".join(f"{s['about']['data']} {s['about']['split']}, n = {s['sentences']:,}" for s in columns)
    lines = [f"| F1 % | {head} |", "|---|" + "---:|" * len(columns)]
    real = [systems for title, (_, systems) in _ROWS.items() if "ceiling" not in title]
    best = [max(_best(setting, systems) for systems in real) for setting in columns]
    for title, (chinese, systems) in _ROWS.items():
        cells = []
        for setting, highest in zip(columns, best, strict=True):
            value = _best(setting, systems)
            cell = "" if value < 0 else f"{100 * value:.1f}"
            cells.append(f"**{cell}**" if value == highest else cell)
        lines.append(f"| {chinese if language == 'zh' else title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def models_table(language: str) -> str:
    """The model that comes with the package, and the recipes of those that were measured on whole test sets."""
    shipped = _read("bundled.json")["shipped"]
    head, shared = {
        "en": ("| model | encoder | labels | F1 % |", "zh-small, 6 layers, shared"),
        "zh": ("| 模型 | 编码器 | 标签 | F1 % |", "zh-small，6 层，共用"),
    }[language]
    lines = [
        head,
        "|---|---|---|---:|",
        f"| `bundled`, {shipped['megabytes']:.0f} MB | {shared} | SNCM-open, 13 | {shipped['test']['pool']:.1f} |",
    ]
    for data, labels in (("CLUENER", 10), ("CMeEE", 9), ("MSRA", 3)):
        (setting,) = (one for one in _read(_MEMBERS)["settings"] if one["about"]["data"] == data)
        f1 = 100 * _best(setting, ("strategy:pool",))
        lines.append(f"| [recipe](recipes/paper/{data.lower()}.yaml) | zh-small × 4 | {data}, {labels} | {f1:.1f} |")
    return "\n".join(lines)


_TABLES = {"results": results_table, "models": models_table}


def _best(setting: dict[str, Any], systems: tuple[str, ...]) -> float:
    return max((system["f1"]["mean"] for system in setting["systems"] if system["name"] in systems), default=-1.0)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(render(page.read_text(encoding="utf-8")), encoding="utf-8")
