"""Every command with inputs and outputs that cannot work: missing, empty, damaged, endlessly nested, on full disks."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.reliability import material
from benchmarks.reliability.commands import check
from benchmarks.reliability.tally import Tally
from tests.support.tiny import save_tiny_encoder

#: An LLM that nobody answers for.
_LLM = "verifier: {model: x, base_url: 'http://127.0.0.1:9/v1', max_retries: 0}\n"


def run(folder: Path, seed: int) -> Tally:
    """Each command with each bad input and each bad output once."""
    tally, rng = Tally(), random.Random(seed)
    model = folder / "model"
    material.composite(model, seed)
    material.write_labelled(folder / "gold.jsonl", 12, seed)
    material.write_texts(folder / "texts.txt", 12, seed)
    material.write_reviews(folder / "reviews.jsonl", 12, seed)
    save_tiny_encoder(folder / "encoder", "".join(material.STATES + material.PLACES) + "在部署了第台干扰机。0123456789")
    (folder / "llm.yaml").write_text(_LLM, encoding="utf-8")
    (folder / "labels.yaml").write_text("labels: [State, Place]\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(_recipe(folder)), encoding="utf-8")
    for bad in _bad_inputs(folder, rng):
        for command in _with_input(str(model), str(bad), folder):
            # Some of these are odd rather than wrong, such as an empty list of texts.
            check(tally, command, f"input {bad.name}")
            tally.faults += 1
            shutil.rmtree(folder / "output", ignore_errors=True)
    for target in _bad_outputs(folder):
        for command in _with_output(str(model), str(target), folder):
            check(tally, command, f"output {target}", may_work=False)
            tally.faults += 1
    for command in _with_output(str(model), str(folder / "output"), folder):
        shutil.rmtree(folder / "output", ignore_errors=True)
        before = _contents(model)
        with _full_disk(rng.choice([0, 300, 2000])):
            check(tally, command, "disk full", may_work=False)
        tally.faults += 1
        if before != _contents(model):
            tally.wrong("lost", f"disk full: {command}: the model has changed")
        if command[0] in ("compact", "merge", "assemble") and (folder / "output" / "config.json").exists():
            tally.wrong("lost", f"disk full: {command}: half a model")
    return tally


def _recipe(folder: Path) -> dict[str, object]:
    return {
        "data": {"train": str(folder / "gold.jsonl"), "dev": str(folder / "gold.jsonl")},
        "members": {"spanner": {"type": "spanner", "encoder": str(folder / "encoder")}},
        "training": {"output": str(folder / "run"), "epochs": 1},
    }


def _bad_inputs(folder: Path, rng: random.Random) -> Iterator[Path]:
    place = folder / "bad"
    place.mkdir()
    table = pa.table({"text": [f"第{number}句话" for number in range(500)]})
    pq.write_table(table, place / "page.parquet", compression="zstd")
    content = bytearray((place / "page.parquet").read_bytes())
    content[40:120] = bytes(80)
    contents: dict[str, bytes] = {
        "empty.txt": b"",
        "empty.jsonl": b"",
        "empty.yaml": b"",
        "page.parquet": bytes(content),
        "cut.parquet": bytes(content[:200]),
        "mark.parquet": b"PAR1",
        "binary.txt": bytes(rng.randrange(256) for _ in range(3000)),
        "nul.txt": b"\0" * 100,
        "deep.json": b"[" * 100_000 + b"]" * 100_000,
        "deep.jsonl": b'{"text": ' + b"[" * 50_000 + b"]" * 50_000 + b"}\n",
        "deep.yaml": b"{a: " * 900 + b"1" + b"}" * 900,
        "bomb.yaml": b"a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n",
        "tag.yaml": b"!!python/object/apply:os.system ['true']\n",
        "list.yaml": b"- 1\n- [2]\n",
        "null.json": b"null",
        "number.jsonl": b"3\n4\n",
        "wrong.jsonl": json.dumps({"text": ["x"], "entities": {"a": [None]}}).encode() + b"\n",
        "entities.jsonl": json.dumps({"text": "俄罗斯", "entities": [{"start": "a", "end": [], "label": {}}]}).encode() + b"\n",
        "huge.jsonl": json.dumps({"text": "俄罗斯", "entities": [{"start": 10**30, "end": -5, "label": "x"}]}).encode() + b"\n",
        "nan.jsonl": b'{"text": NaN, "entities": Infinity}\n',
        "surrogate.jsonl": b'{"text": "\\ud83d", "entities": [{"start": 0, "end": 1, "label": "\\udc00"}]}\n',
        "utf16.txt": "俄罗斯".encode("utf-16"),
        "controls.txt": "\x1b]0;x\x07\u202e\r\n".encode(),
    }
    for name, data in contents.items():
        (place / name).write_bytes(data)
        yield place / name
    os.mkfifo(place / "pipe.jsonl")
    (place / "folder.jsonl").mkdir()
    os.symlink(place / "loop.jsonl", place / "loop.jsonl")
    for name in ("pipe.jsonl", "folder.jsonl", "loop.jsonl", "missing.jsonl"):
        yield place / name
    yield Path("/dev/null")
    yield Path("/proc/self/mem")


def _with_input(model: str, bad: str, folder: Path) -> list[list[str]]:
    output, gold = ["--output", str(folder / "output")], str(folder / "gold.jsonl")
    fast = ["--device", "cpu"]
    table = ["--output", str(folder / "output" / "terms.csv")]
    texts, labels, llm = (str(folder / name) for name in ("texts.txt", "labels.yaml", "llm.yaml"))
    bootstrap = ["bootstrap", "--encoder", str(folder / "encoder"), *output, "--yes"]
    return [
        ["predict", model, "--file", bad, *fast],
        ["annotate", model, bad, *output],
        ["evaluate", model, bad],
        ["evaluate", model, gold, "--hybrid", f"x={bad}"],
        ["calibrate", model, bad, *output],
        ["examples", model, bad, *output],
        ["adapt", model, bad, *output, "--epochs", "1"],
        ["suggest", model, bad],
        ["learn", model, bad, *output],
        ["compact", model, *output, "--text", bad],
        ["compare", bad, *output],
        ["card", model, "--data", bad, *output],
        ["data", "check", bad],
        ["data", "describe", bad],
        ["data", "agree", bad, gold],
        ["data", "convert", bad, str(folder / "output"), "--to", "jsonl"],
        ["data", "check", gold, "--label-map", bad],
        ["push", bad, "me/model"],
        ["assemble", bad, *output],
        ["merge", bad, *output],
        ["train", bad],
        ["crossval", bad],
        ["predict", model, "俄罗斯", "--llm", bad, *fast],
        ["adapt", model, gold, *output, "--labels", bad, "--epochs", "1"],
        ["gazetteer", "build", bad, *table],
        ["gazetteer", "build", "--terms", bad, "--label", "State", *table],
        ["gazetteer", "check", bad, gold],
        ["guidelines", bad, *output],
        ["guidelines", gold, *output, "--polish", bad],
        [*bootstrap, "--labels", bad, "--text", texts, "--llm", llm],
        [*bootstrap, "--labels", labels, "--text", bad, "--llm", llm],
        [*bootstrap, "--labels", labels, "--text", texts, "--llm", bad],
        ["report", "members", bad, "--predictions", str(folder), *output],
        ["pseudo-label", model, "--text", bad, *output],
        ["pseudo-label", bad, "--text", texts, *output],
        ["serve", bad, "--port", "0"],
        ["export", bad, *output],
        ["predict", model, "俄罗斯", "--force", bad, *fast],
    ]


def _bad_outputs(folder: Path) -> Iterator[Path]:
    (folder / "file").write_text("x")
    (folder / "file.json").mkdir()
    yield folder / "file"
    yield folder / "file" / "inside"
    yield Path("/proc/x/y")
    yield Path("/dev/null/z")


def _with_output(model: str, target: str, folder: Path) -> list[list[str]]:
    gold, output = str(folder / "gold.jsonl"), ["--output", target]
    inside = str(Path(target) / "x.json")
    commands = [
        ["annotate", model, str(folder / "texts.txt"), *output],
        ["calibrate", model, gold, *output],
        ["learn", model, str(folder / "reviews.jsonl"), *output],
        ["compact", model, *output],
        ["assemble", f"a={model}", *output],
        ["examples", model, gold, "--output", inside],
        ["evaluate", model, gold, "--save", inside, "--dataset", "x", "--split", "y"],
        ["card", model, "--output", inside, "--overwrite"],
        ["data", "convert", gold, inside, "--to", "jsonl"],
        ["data", "describe", gold, "--plot", str(Path(target) / "x.png")],
        ["data", "prepare", "sncm", *output],
    ]
    return [
        *commands,
        ["predict", model, "俄罗斯", "--device", "cpu", "--llm", str(folder / "llm.yaml"), "--llm-cache", inside],
        ["gazetteer", "build", gold, "--output", str(Path(target) / "terms.csv")],
        ["guidelines", gold, "--output", inside],
        ["pseudo-label", model, "--text", str(folder / "texts.txt"), "--output", inside],
    ]


@contextmanager
def _full_disk(size: int) -> Iterator[None]:
    """No file may become larger than so many bytes."""
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
