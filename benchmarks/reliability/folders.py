"""Hostile and damaged model folders: every command that loads one ends in a line of error or works, and runs nothing in it."""

from __future__ import annotations

import json
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.reliability import material
from benchmarks.reliability.commands import check, trap
from benchmarks.reliability.tally import Tally

#: Values that no setting expects.
_WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, float("inf"), float("nan"), 2**40, "", "x" * 5000, "../../etc/passwd", [], [[]], [None], {},
    {"a": {}}, [{}], "\x1b[2J",
)  # fmt: skip


class _Thief:
    """A pickle of it makes a file when it is read."""

    def __init__(self, loot: Path) -> None:
        self.loot = loot

    def __reduce__(self) -> Any:
        return open, (str(self.loot), "w")


def run(folder: Path, seed: int, faults: int) -> Tally:
    """So many folders, each with one fault, given to one command each."""
    tally, rng = Tally(), random.Random(seed)
    material.composite(folder / "whole", seed)
    material.write_labelled(folder / "gold.jsonl", 6, seed)
    material.write_texts(folder / "texts.txt", 6, seed)
    material.write_reviews(folder / "reviews.jsonl", 6, seed)
    for number in range(faults):
        hostile = folder / "hostile"
        shutil.rmtree(hostile, ignore_errors=True)
        shutil.rmtree(folder / "output", ignore_errors=True)
        shutil.copytree(folder / "whole", hostile)
        with trap(folder / "loot") as loot:
            name, harm = rng.choice(list(_HARMS.items()))
            what = f"{name} ({harm(hostile, rng, loot)})"
            check(tally, _commands(folder, hostile)[number % len(_commands(folder, hostile))], what)
            tally.faults += 1
            if loot.exists():
                tally.wrong("executed", what)
    return tally


def _commands(folder: Path, model: Path) -> list[list[str]]:
    gold, output = str(folder / "gold.jsonl"), ["--output", str(folder / "output")]
    return [
        ["predict", str(model), "俄罗斯在叙利亚", "--device", "cpu"],
        ["annotate", str(model), str(folder / "texts.txt"), *output],
        ["evaluate", str(model), gold],
        ["calibrate", str(model), gold, *output],
        ["suggest", str(model), str(folder / "texts.txt")],
        ["learn", str(model), str(folder / "reviews.jsonl"), *output],
        ["examples", str(model), gold, *output],
        ["merge", str(model), *output],
        ["compact", str(model), *output],
        ["card", str(model), "--output", str(folder / "output" / "README.md")],
        ["assemble", str(model), *output],
    ]


def _leaves(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values of a JSON document, inner ones too."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [(*path,), *(leaf for key, value in items for leaf in _leaves(value, (*path, key)))]


def _change(path: Path, rng: random.Random) -> str:
    """One value of a JSON file becomes another, or goes."""
    content = json.loads(path.read_text(encoding="utf-8"))
    *way, last = rng.choice([leaf for leaf in _leaves(content) if leaf])
    parent = content
    for key in way:
        parent = parent[key]
    if rng.random() < 0.2:
        value: Any = "gone"
        del parent[last]
    else:
        value = parent[last] = rng.choice(_WRONG)
    path.write_text(json.dumps(content), encoding="utf-8")
    return f"{path.name}: {'.'.join(map(str, (*way, last)))} {str(value)[:20]!r}"


def _config(folder: Path, rng: random.Random, loot: Path) -> str:
    return _change(folder / "config.json", rng)


def _vocabulary(folder: Path, rng: random.Random, loot: Path) -> str:
    return _change(folder / rng.choice(["tokenizer.json", "tokenizer_config.json"]), rng)


def _flipped(folder: Path, rng: random.Random, loot: Path) -> str:
    path = rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 20])):
        content[rng.randrange(min(len(content), 4000))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(content))
    return path.name


def _cut(folder: Path, rng: random.Random, loot: Path) -> str:
    path = rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))])
    return path.name


def _gone(folder: Path, rng: random.Random, loot: Path) -> str:
    path = rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    path.unlink()
    return path.name


def _deep(folder: Path, rng: random.Random, loot: Path) -> str:
    path = folder / rng.choice(["config.json", "tokenizer_config.json", "training.json", "calibration.json", "evaluation.json"])
    path.write_text("[" * 100_000 + "]" * 100_000)
    return path.name


def _code(folder: Path, rng: random.Random, loot: Path) -> str:
    (folder / "evil.py").write_text(f"open({str(loot)!r}, 'w').close()\nclass Model: pass\nclass Config: pass\n")
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    content["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    content["model_type"] = rng.choice([content["model_type"], "surprise", "", None])
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return str(content["model_type"])


def _pickled(folder: Path, rng: random.Random, loot: Path) -> str:
    name = rng.choice(["pytorch_model.bin", "training_args.bin", "stacker_svm.skops", "adapter_model.bin", "model.safetensors"])
    (folder / name).write_bytes(pickle.dumps(_Thief(loot)))
    if rng.random() < 0.5 and name != "model.safetensors":
        (folder / "model.safetensors").unlink()
    return name


def _beside(folder: Path, rng: random.Random, loot: Path) -> str:
    name = rng.choice(["training.json", "calibration.json", "evaluation.json", "README.md", "generation_config.json"])
    (folder / name).write_bytes(rng.choice([b"", b"null", b"[]", b"{}", b"\xff\xfe", b"{", b"3", b'{"a": []}']))
    return name


_HARMS: dict[str, Callable[[Path, random.Random, Path], str]] = {
    "settings": _config,
    "more settings": _config,
    "vocabulary": _vocabulary,
    "flipped": _flipped,
    "cut": _cut,
    "gone": _gone,
    "deep": _deep,
    "code": _code,
    "pickle": _pickled,
    "beside": _beside,
}
