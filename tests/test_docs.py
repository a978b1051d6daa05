"""The documentation is true: Python runs, YAML and JSON are read by what reads them, commands parse, links lead somewhere."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
import yaml

from hybridner import LabelSet
from hybridner.cli.main import command_parser
from hybridner.data import RepairLog, read_records, write_jsonl
from hybridner.data.feedback import read_feedback
from hybridner.data.labels import load_label_set
from hybridner.llm import as_verifier
from hybridner.llm.llm_file import read_llm_file
from hybridner.serving import read_request
from hybridner.training import recipe_from_dict
from tests.llm.scripted_server import ScriptedServer, chat
from tests.support.tiny import LABELS, save_tiny_encoder, small_records

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
#: But for the reference, which the site makes from the docstrings.
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.parent.name != "api")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(name: str, language: str) -> list[str]:
    return [code for kind, code in _FENCE.findall((DOCS / name).read_text(encoding="utf-8")) if kind == language]


def commands(name: str) -> list[list[str]]:
    """The words of every command of a page, without variables before it, pipes, redirection and comments."""
    found = []
    for block in blocks(name, "bash"):
        for line in block.splitlines():
            parts = [re.sub(r"^(?:[A-Z_]+=\S+ +)+", "", part.strip()) for part in re.split(r" \| | > ", line)]
            mine = [part for part in parts if part.startswith(("hybridner ", "accelerate "))]
            assert mine or line.startswith(("cat ", "curl ", "docker ")), line
            found += [shlex.split(part, comments=True) for part in mine]
    return found


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")


@pytest.fixture
def workplace(composite_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(composite_folder, tmp_path / "hybridner-demo" / "composite")
    # What a reader has: labelled sentences, and an encoder, here a tiny one in a folder of that name.
    write_jsonl(small_records(), tmp_path / "train.jsonl")
    write_jsonl(small_records()[:4], tmp_path / "dev.jsonl")
    save_tiny_encoder(tmp_path / "bert-base-chinese")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def test_all_pages_are_looked_at() -> None:
    assert {name for name in PAGES if "/" not in name} == {
        *("README.md", "cli.md", "concepts.md", "data_formats.md", "faq.md", "install.md")
    }
    assert {name.split("/")[0] for name in PAGES if "/" in name} == {"tutorials", "guides", "zh"}
    known = {"python", "bash", "yaml", "json", "text"}
    assert {kind for name in PAGES for kind, _ in _FENCE.findall((DOCS / name).read_text(encoding="utf-8"))} <= known


@pytest.mark.parametrize("name", [name for name in PAGES if blocks(name, "python")])
def test_python_runs(name: str, workplace: Path) -> None:
    """With a server at the address of the examples that always gives the same answer."""
    server = ScriptedServer(lambda body, number: chat("State"))
    scope: dict[str, object] = {}
    try:
        for block in blocks(name, "python"):
            exec(compile(block.replace("http://127.0.0.1:8901/v1", server.url), name, "exec"), scope)
    finally:
        server.stop()
    assert bool(server.requests) == (name in ("guides/llm.md", "tutorials/llm.md", "zh/llm.md"))


def test_settings_of_providers_make_verifiers(workplace: Path) -> None:
    scope: dict[str, object] = {}
    (block,) = blocks("faq.md", "python")
    exec(compile(block, "faq.md", "exec"), scope)
    settings = [value for name, value in scope.items() if not name.startswith("__")]
    assert len(settings) == 6
    for value in settings:
        assert as_verifier(value).model  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PAGES)
def test_commands_parse(name: str) -> None:
    for words in commands(name):
        program, command, *arguments = words[words.index("-m") + 1 :] if words[0] == "accelerate" else words
        assert program == "hybridner"
        command_parser(command).parse_args(arguments)


def test_requests_to_the_service_are_valid() -> None:
    for name in ("guides/deploy.md", "tutorials/serving.md"):
        bodies = re.findall(r"-d '(.*)'", "\n".join(blocks(name, "bash")))
        assert [len(read_request(json.loads(body)).texts) for body in bodies][:2] == [1, 2]


def test_the_image_is_built_from_what_is_there() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name.removeprefix('./')}\n" in allowed
    settings = dict(line.split(" ", 1) for line in lines if line.startswith(("ENTRYPOINT", "CMD")))
    program, command, *arguments = json.loads(settings["ENTRYPOINT"]) + json.loads(settings["CMD"])
    assert program == "hybridner"
    assert command_parser(command).parse_args(arguments).model == "bundled"


def test_yaml_is_what_it_says(tmp_path: Path) -> None:
    kinds = []
    for name in PAGES:
        for block in blocks(name, "yaml"):
            data = yaml.safe_load(block)
            (tmp_path / "file.yaml").write_text(block, encoding="utf-8")
            if "members" in data:
                kinds.append("recipe")
                assert len(recipe_from_dict(data).members) == 4
            elif "verifier" in data:
                kinds.append("llm")
                assert read_llm_file(str(tmp_path / "file.yaml"))
            else:
                kinds.append("labels")
                (tmp_path / "record.jsonl").write_text(blocks(name, "json")[0], encoding="utf-8")
                labels = load_label_set(str(tmp_path / "file.yaml"), read_records(tmp_path / "record.jsonl"))
                assert labels.domain
                assert all(label.title and label.description for label in labels.labels)
    assert sorted(kinds) == ["labels", "labels", "llm", "llm", "llm", "recipe", "recipe"]


def test_json_is_read(tmp_path: Path) -> None:
    path, seen = tmp_path / "lines.jsonl", []
    for block in [*blocks("tutorials/own_data.md", "json"), *blocks("guides/adapt.md", "json")]:
        data = json.loads(block)
        path.write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf-8")
        if "complete" in data:
            (review,) = read_feedback(path, LabelSet.of(LABELS))
            seen += [entity.review for entity in review.entities]
        else:
            (record,) = read_records(path)
            seen += [record.text[span.start : span.end] for span in record.entities]
    assert seen == ["2号主变", "轻瓦斯告警", "accepted", "corrected", "added"]


def test_every_form_of_the_page_on_formats_gives_the_same_entities(tmp_path: Path) -> None:
    forms = [*blocks("data_formats.md", "json"), *blocks("data_formats.md", "text")]
    assert len(forms) == 11
    for block in forms:
        (tmp_path / "file").write_text(block, encoding="utf-8")
        (record,) = read_records(tmp_path / "file", repairs=RepairLog(strict=True))
        assert record.text == "李明在上海工作。"
        assert [(record.text[s.start : s.end], s.label) for s in record.entities] == [("李明", "PER"), ("上海", "LOC")]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    for page, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", text):
        if page.startswith("http"):
            continue
        target = ((DOCS / name).parent / page).resolve() if page else DOCS / name
        assert target.exists(), page
        if anchor:
            headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", target.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in set(map(slug, headings)), f"{page}#{anchor}"


def test_the_picture_is_drawn_and_described() -> None:
    root = ElementTree.parse(DOCS / "images" / "data-flow.svg").getroot()
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert root.find("{http://www.w3.org/2000/svg}desc") is not None


def make_cli() -> ModuleType:
    specification = importlib.util.spec_from_file_location("make_cli", DOCS / "make_cli.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_command_reference_is_what_the_code_gives() -> None:
    module = make_cli()
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == module.page(), "run `python docs/make_cli.py`"
