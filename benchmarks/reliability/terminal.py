"""Characters that command a terminal, wherever a stranger can put them: none may come out of a command."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from benchmarks.reliability import material
from benchmarks.reliability.commands import check
from benchmarks.reliability.tally import Tally

#: To clear the screen, to set the title, to type, to turn the direction of writing, to go back to the start of the line.
_MARKS = ("\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x1bP+q\x1b\\", "\u202eabc", "\u2066x", "\rover", "\x08\x08", "\x7f", "\x85")
#: What a terminal obeys; line ends and tabs are a command's own.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def run(folder: Path, seed: int, faults: int) -> Tally:
    """So many commands that meet such characters."""
    tally, rng = Tally(), random.Random(seed)
    material.composite(folder / "model", seed)
    for number in range(faults):
        place = folder / str(number)
        place.mkdir()
        name, write = rng.choice(list(_PLACES.items()))
        command = write(folder, place, rng.choice(_MARKS))
        ending = check(tally, command, f"{name} with control characters")
        tally.faults += 1
        if obeyed := _OBEYED.search(ending.output + ending.error):
            tally.wrong("executed", f"{name}: {obeyed.group()!r} comes out of {command}")
    return tally


def _sentence(mark: str, **changed: Any) -> str:
    text = f"俄罗斯{mark}在叙利亚部署"
    return json.dumps({"text": text, "entities": [{"start": 0, "end": 3, "label": "State"}], **changed}) + "\n"


def _file(place: Path, content: str, name: str = "data.jsonl") -> str:
    (place / name).write_text(content, encoding="utf-8")
    return str(place / name)


def _text(folder: Path, place: Path, mark: str) -> list[str]:
    return ["predict", str(folder / "model"), f"俄罗斯{mark}叙利亚", "--device", "cpu"]


def _label(folder: Path, place: Path, mark: str) -> list[str]:
    entities = [{"start": 0, "end": 3, "label": f"St{mark}ate"}]
    return ["evaluate", str(folder / "model"), _file(place, _sentence("", entities=entities))]


def _described(folder: Path, place: Path, mark: str) -> list[str]:
    entities = [{"start": 0, "end": 4, "label": f"St{mark}ate"}]
    return ["data", "describe", _file(place, _sentence(mark, entities=entities))]


def _checked(folder: Path, place: Path, mark: str) -> list[str]:
    return ["data", "check", _file(place, _sentence(mark, entities=[{"start": 2, "end": 90, "label": mark}]))]


def _file_name(folder: Path, place: Path, mark: str) -> list[str]:
    return ["evaluate", str(folder / "model"), str(place / f"mi{mark}ssing.jsonl")]


def _model_name(folder: Path, place: Path, mark: str) -> list[str]:
    return ["predict", f"me/mo{mark}del", "俄罗斯"]


def _recipe(folder: Path, place: Path, mark: str) -> list[str]:
    return ["train", _file(place, yaml.safe_dump({"data": {mark: mark}, f"mem{mark}bers": mark}), "recipe.yaml")]


def _llm(folder: Path, place: Path, mark: str) -> list[str]:
    content = yaml.safe_dump({"verifier": {"model": mark, f"key{mark}": mark}})
    return ["predict", str(folder / "model"), "俄罗斯", "--device", "cpu", "--llm", _file(place, content, "llm.yaml")]


def _config(folder: Path, place: Path, mark: str) -> list[str]:
    config = {"model_type": f"hybrid{mark}-ner", "label_set": {"labels": [mark]}}
    return ["predict", str(Path(_file(place, json.dumps(config), "config.json")).parent), "俄罗斯"]


def _terms(folder: Path, place: Path, mark: str) -> list[str]:
    return ["gazetteer", "check", _file(place, f"俄罗{mark}斯\tSt{mark}ate\n俄\t{mark}\n", "terms.tsv")]


def _argument(folder: Path, place: Path, mark: str) -> list[str]:
    return ["data", "convert", _file(place, _sentence("")), str(place / "out.jsonl"), "--to", f"js{mark}onl"]


_PLACES: dict[str, Callable[[Path, Path, str], list[str]]] = {
    "text": _text,
    "label": _label,
    "description": _described,
    "check": _checked,
    "file name": _file_name,
    "model name": _model_name,
    "recipe": _recipe,
    "LLM file": _llm,
    "configuration": _config,
    "terms": _terms,
    "argument": _argument,
}
