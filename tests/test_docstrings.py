"""The docstrings of the reference: one form, every parameter named, and every example runs."""

from __future__ import annotations

import builtins
import dataclasses
import doctest
import importlib
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from pydantic import BaseModel

import hybridner
from hybridner import errors
from hybridner.bundled import BUNDLED_FOLDER
from hybridner.data import read_records, write_jsonl
from hybridner.llm import Answer, Question
from hybridner.pipeline.parameters import PARAMETERS
from tests.hub.hub_server import WRITE, HubServer
from tests.support.predictions import made_up_predictions
from tests.support.tiny import TEXT, save_tiny_encoder, small_records

ROOT = Path(__file__).parent.parent
#: The packages of the reference.
PACKAGES = sorted(
    name
    for page in (ROOT / "docs" / "api").glob("*.md")
    for name in re.findall(r"^::: (hybridner\.\w+)$", page.read_text("utf-8"), re.M)
)
SECTIONS = ("Args", "Keyword Args", "Attributes", "Returns", "Yields", "Raises", "Examples")
_SECTION = re.compile(r"^((?:[A-Z]\w*|Keyword Args)(?: \(.*\))?):$", re.MULTILINE)
#: Of a section: "name: ...", "a, b: ...", "**settings: ...", "name (type): ...".
_ENTRY = re.compile(r"^    (\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: \(.+?\))?:", re.MULTILINE)
#: Classes whose parameters are those of a base class in transformers, but for the fields of their own.
_FOREIGN = (transformers.PreTrainedConfig, transformers.TrainingArguments, transformers.PreTrainedModel, torch.nn.Module)


def public(package: str) -> list[str]:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", None) or [name for name, value in vars(module).items() if inspect.isclass(value)]
    return [name for name in names if not name.startswith("_")]


def documented() -> dict[str, Any]:
    """The classes and functions of the reference by their full name, each once; not constants, whose comments describe them."""
    found: dict[int, tuple[str, Any]] = {}
    for package in PACKAGES:
        for name in public(package):
            value = getattr(importlib.import_module(package), name)
            if inspect.isclass(value) or inspect.isroutine(value):
                found.setdefault(id(value), (f"{package}.{name}", value))
    return dict(found.values())


NAMES = documented()
EXPORTS = {
    name: value for name, value in ((name, getattr(hybridner, name)) for name in hybridner.__all__) if name != "__version__"
}


def methods(owner: type) -> dict[str, Any]:
    """The public methods of a class that have a docstring of their own; the reference shows no others."""
    plain = {name: getattr(value, "__func__", value) for name, value in vars(owner).items()}
    return {name: value for name, value in plain.items() if name[0] != "_" and inspect.isfunction(value) and value.__doc__}


EVERYTHING = dict(NAMES)
for _name, _value in NAMES.items():
    if inspect.isclass(_value):
        EVERYTHING |= {f"{_name}.{method}": function for method, function in methods(_value).items()}


def sections(value: Any) -> dict[str, str]:
    """The text of each section of a docstring by its name, and what comes before them under ""."""
    pieces = _SECTION.split(inspect.cleandoc(value.__doc__ or ""))
    return {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}


def entries(text: str) -> list[str]:
    return [name.strip(" *") for line in _ENTRY.findall(text) for name in line.split(",")]


def parameters(value: Any) -> list[str]:
    """Of a function, or of what a class is made with; what a base class takes is described there."""
    if not inspect.isclass(value):
        return [name for name in inspect.signature(value).parameters if name not in ("self", "cls")]
    if issubclass(value, _FOREIGN) and "__init__" not in vars(value):
        return []
    if issubclass(value, _FOREIGN):
        return [name for name in inspect.get_annotations(value) if not name.startswith("_")] if _has_fields(value) else []
    if issubclass(value, Exception) or getattr(value, "_is_protocol", False):
        return []
    if "__init__" in vars(value) and not _has_fields(value):
        return parameters(vars(value)["__init__"])
    if issubclass(value, BaseModel):
        return list(value.model_fields)
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value) if field.init]
    return list(getattr(value, "_fields", ()))


def _has_fields(value: type) -> bool:
    return dataclasses.is_dataclass(value) or issubclass(value, BaseModel)


def test_docstrings_have_one_form() -> None:
    for name, value in EVERYTHING.items():
        parts = sections(value)
        summary = parts[""].split("\n\n")[0]
        assert summary, f"{name} has no docstring"
        assert summary.rstrip().endswith((".", ":", "!")), f"the first sentence of {name} has no end: {summary}"
        known = [part for part in SECTIONS if part in parts]
        assert [part for part in parts if part] == known, f"unknown or disordered sections in {name}"
        unknown = set(entries(parts.get("Args", ""))) - set(parameters(value))
        assert not unknown or not parameters(value), f"{name} has no parameters {unknown}"


def test_every_parameter_is_described() -> None:
    for name, value in NAMES.items():
        parts = sections(value)
        missing = set(parameters(value)) - set(entries(parts.get("Args", "") + parts.get("Attributes", "")))
        assert not missing, name


def test_every_parameter_of_the_methods_of_what_users_hold_is_described() -> None:
    for name, value in EXPORTS.items():
        for method, function in methods(value).items() if inspect.isclass(value) else ():
            missing = set(parameters(function)) - set(entries(sections(function).get("Args", "")))
            assert not missing, f"{name}.{method}"


def test_exceptions_exist() -> None:
    for name, value in EVERYTHING.items():
        places = [errors, builtins, *map(importlib.import_module, (value.__module__, ".".join(name.split(".")[:2])))]
        for error in entries(sections(value).get("Raises", "")):
            found = next((getattr(place, error) for place in places if hasattr(place, error)), None)
            assert inspect.isclass(found), f"{name}: {error}"
            assert issubclass(found, Exception), f"{name}: {error}"


def test_the_pages_of_the_reference_lead_to_every_name() -> None:
    """A page lists what a package has by what it is for, where it has much."""
    for page in (ROOT / "docs" / "api").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for block in text.split("\n## ")[1:]:
            linked = set(re.findall(r"\[`(\w+)`\]\[hybridner\.", block.partition("\n:::")[0]))
            if linked:
                package = re.search(r"^::: (hybridner\.\w+)$", block, re.MULTILINE)
                assert package is not None
                assert linked == set(public(package[1]))


def test_what_users_hold_has_an_example() -> None:
    assert [name for name, value in EXPORTS.items() if ">>> " not in sections(value).get("Examples", "")] == []


#: What has no example, and why.
WITHOUT_EXAMPLE = {
    # Errors are caught and not made: the examples of HybridNerError, DataError and VerifierError show how.
    *(f"hybridner.errors.{name}" for name in ("RecipeError", "ModelError", "LlmError", "InputError", "OutputError")),
    "hybridner.errors.MissingPackageError",
    "hybridner.hub.HubError",
    # An export takes ten seconds; docs/guides/deploy.md shows the command, whose tests run one.
    *(f"hybridner.export.{name}" for name in ("OnnxHybridNerConfig", "OnnxHybridNerModel", "as_onnx", "export_onnx")),
    # Parts of what has one: of a plan, of a question, of an answer that did not come.
    *(f"hybridner.llm.{name}" for name in ("FailureKind", "Message", "Piece")),
    "hybridner.annotation.PlannedUse",
    # Nobody but this package writes one; FileSource and StreamSource are used.
    "hybridner.annotation.Source",
    # A training, as that of `run_recipe`.
    "hybridner.training.train_and_assemble",
}


def test_nearly_everything_has_an_example() -> None:
    assert {name for name, value in NAMES.items() if ">>> " not in sections(value).get("Examples", "")} == WITHOUT_EXAMPLE


def test_all_parameters_of_a_call_of_the_pipeline_are_described_in_one_place() -> None:
    parts = sections(hybridner.HybridNerPipeline)
    assert sorted(entries(parts["Keyword Args"])) == sorted({*PARAMETERS, "labels", "dry_run"})
    assert entries(parts["Args"]) == ["model", "backend", "batch_size", "kwargs"]


def examples() -> dict[str, doctest.DocTest]:
    """Of all modules, also of what the reference does not show."""
    found = {}
    for path in sorted((ROOT / "hybridner").rglob("*.py")):
        if ">>> " not in path.read_text(encoding="utf-8"):
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        for test in doctest.DocTestFinder(exclude_empty=True).find(module, name, extraglobs={}):
            if test.examples:
                found[test.name] = test
    return found


EXAMPLES = examples()


class FirstOption:
    """An LLM that answers every question with the first label."""

    model, parameters, concurrency = "first-option", MappingProxyType({}), 1

    async def complete(self, question: Question) -> Answer:
        return Answer(question.options[0], self.model)

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    """The address of a Hub on loopback."""
    with HubServer() as server:
        yield server.url
        server.shutdown()
        assert not server.faults


@pytest.fixture(scope="module")
def namespace(hub: str) -> dict[str, Any]:
    """What examples may use without saying so: see docs/api/index.md."""
    pipe = transformers.pipeline("hybrid-ner", model=str(BUNDLED_FOLDER))
    return {
        "np": np,
        "torch": torch,
        "Path": Path,
        "hybridner": hybridner,
        **EXPORTS,
        "pipe": pipe,
        "model": pipe.model,
        "labels": pipe.model.config.labels,
        "text": "俄罗斯部署了干扰机。",
        "records": small_records(),
        "predictions": made_up_predictions(60),
        "read_records": read_records,
        "json": json,
        "hub": hub,
        "llm": FirstOption(),
        "AutoModel": transformers.AutoModel,
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder examples run in."""
    folder = tmp_path_factory.mktemp("examples")
    write_jsonl(small_records(), folder / "train.jsonl")
    write_jsonl(small_records()[:4], folder / "dev.jsonl")
    save_tiny_encoder(folder / "bert-base-chinese", TEXT)
    return folder


@pytest.fixture
def workplace(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("HF_TOKEN", WRITE)
    # Read from the environment when the library is imported, and other tests have done that.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    return tmp_path


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name: str, namespace: dict[str, Any], workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader sees the names of the package that an example is about, and those of the namespace."""
    if name.startswith("hybridner.hub."):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    test = EXAMPLES[name]
    package = importlib.import_module(".".join(name.split(".")[:2]))
    module = sorted((module for module in _modules(name)), key=len)[-1]
    test.globs = {**vars(package), **vars(importlib.import_module(module)), **namespace}
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
    assert not result.failed, "".join(report)


def _modules(name: str) -> Iterator[str]:
    parts = name.split(".")
    for count in range(2, len(parts) + 1):
        path = ROOT.joinpath(*parts[:count])
        if path.is_dir() or path.with_suffix(".py").exists():
            yield ".".join(parts[:count])
