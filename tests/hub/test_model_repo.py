"""Models go to a Hub and come back, with the real client over HTTP; the Hub is `hub_server`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from transformers import pipeline

from hybridner.adaptation.adapt import adapted_settings
from hybridner.calibration import CalibrationConfig, calibrate
from hybridner.cli.main import main
from hybridner.errors import ModelError
from hybridner.hub import read_model_folder
from hybridner.hub.model_repo import published_files
from hybridner.hybrid import AdaptedHybridNerConfig, AdaptedHybridNerModel, HybridNerModel
from hybridner.hybrid.modeling_adapted import base_fingerprint
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import LabelSet
from tests.hub.client import Client, RemoteError
from tests.hub.hub_server import READ, STRANGER, WRITE, HubServer, Repo
from tests.support.near import assert_same
from tests.support.predictions import LABELS, made_up_predictions
from tests.support.tiny import TEXT, tiny_member

PUSH = "from hybridner.hub import push_model\nresult = push_model(folder, repo_id, **options)"
READ_TEXT = 'from transformers import pipeline\nresult = pipeline("hybrid-ner", model=repo_id, device="cpu", **options)(text)'
CANDIDATES = """
from transformers import AutoModel
(found,) = AutoModel.from_pretrained(repo_id, **options).predict([text], batch_size=4)
found = found.candidates
result = [[c.start, c.end, c.label, c.score, c.uncertainty] for c in found]
"""
PUBLISHED = {
    ".gitattributes",
    "README.md",
    "config.json",
    "handler.py",
    "hybridner_remote.py",
    "model.safetensors",
    "requirements.txt",
    "tokenizer.json",
    "tokenizer_config.json",
}
#: What a calibrated one has more. Its uncertainty is the forest's.
CALIBRATED = {"stacker-forest.skops", "calibration.json", "calibration.png"}


@pytest.fixture(scope="module")
def push(client: Client) -> Callable[..., str]:
    def push(folder: Path, repo_id: str, token: str | None = WRITE, **options: Any) -> str:
        result: str = client.run(PUSH, folder=str(folder), repo_id=repo_id, options={"token": token, **options})
        return result

    return push


@pytest.fixture(scope="module")
def read(client: Client) -> Callable[..., list[dict[str, Any]]]:
    def read(repo_id: str, **options: Any) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = client.run(READ_TEXT, repo_id=repo_id, text=TEXT, options=options)
        return result

    return read


@pytest.fixture(scope="module")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another composite."""
    folder = tmp_path_factory.mktemp("other")
    HybridNerModel.assemble({"spanner": tiny_member("spanner", 7)}, threshold=0.25).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def published(server: HubServer, push: Callable[..., str], composite_folder: Path) -> str:
    push(composite_folder, "me/composite")
    assert len(server.repos["me/composite"].commits) == 2  # the empty repository, and the whole model
    return "me/composite"


@pytest.fixture(scope="module")
def calibrated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A composite that combines by a stacker, with the report of its calibration."""
    folder = tmp_path_factory.mktemp("calibrated")
    kinds = {"a": "bert-bilstm-crf", "b": "roberta-bigru-crf", "c": "bert-bilstm-crf", "spanner": "spanner"}
    members = {name: tiny_member(kind, seed, labels=LABELS[1:]) for seed, (name, kind) in enumerate(kinds.items())}
    HybridNerModel.assemble(members).save_pretrained(folder)
    data = folder.with_suffix(".parquet")
    made_up_predictions(120).save(data)
    choices = ("--strategy", "forest", "--uncertainty", "combined", "--stacker", "forest")
    assert main(["calibrate", str(folder), str(data), *choices]) == 0
    return folder


@pytest.fixture(scope="module")
def candidates(client: Client) -> Callable[..., list[list[Any]]]:
    """What a model on the Hub makes of a text, entities or not."""

    def candidates(repo_id: str, **options: Any) -> list[list[Any]]:
        result: list[list[Any]] = client.run(CANDIDATES, repo_id=repo_id, text=TEXT, options=options)
        return result

    return candidates


def candidates_of(folder: Path) -> list[list[Any]]:
    (found,) = HybridNerModel.from_pretrained(folder).predict([TEXT], batch_size=4)
    return [[c.start, c.end, c.label, c.score, c.uncertainty] for c in found.candidates]


def entities_of(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pipeline("hybrid-ner", model=str(folder), device="cpu")(TEXT)
    return found


def test_a_composite_comes_back_as_it_went(
    server: HubServer, published: str, client: Client, read: Callable[..., Any], composite_folder: Path
) -> None:
    assert set(server.files(published)) == PUBLISHED
    assert server.files(published)["model.safetensors"] == (composite_folder / "model.safetensors").read_bytes()
    expected = entities_of(composite_folder)
    assert expected
    assert_same(read(published), expected)
    names = client.run(
        "from transformers import AutoModel\nresult = AutoModel.from_pretrained(repo_id).member_names", repo_id=published
    )
    assert tuple(names) == tuple(MEMBER_CLASSES)


def test_the_code_on_the_card_runs(server: HubServer, published: str, client: Client, composite_folder: Path) -> None:
    card = server.files(published)["README.md"].decode()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert '"me/composite"' in code
    shown = client.run(
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "    exec(example, {})\n"
        "result = out.getvalue()",
        example=code,
    )
    (text,) = re.findall(r'ner\("(.*?)"\)', code)
    expected = pipeline("hybrid-ner", model=str(composite_folder), device="cpu")(text)
    assert [line.split()[2] for line in shown.splitlines()] == [entity["word"] for entity in expected]


def test_a_model_that_is_there_already_makes_no_new_commit(
    server: HubServer, published: str, push: Callable[..., str], composite_folder: Path
) -> None:
    before = server.repos[published].branches["main"]
    push(composite_folder, published)
    assert server.repos[published].branches["main"] == before


def test_the_cache_is_enough_offline(
    server: HubServer,
    published: str,
    push: Callable[..., str],
    read: Callable[..., Any],
    candidates: Callable[..., list[list[Any]]],
    home: Path,
    calibrated_folder: Path,
) -> None:
    expected = read(published)
    push(calibrated_folder, "me/calibrated", private=True)
    doubts = candidates("me/calibrated", token=READ)
    assert_same(doubts, candidates_of(calibrated_folder))
    asked = len(server.requests)
    with Client(server.url, home, HF_HUB_OFFLINE="1", HF_TOKEN=WRITE) as offline:
        offline.run("import hybridner")
        assert_same(offline.run(READ_TEXT, repo_id=published, text=TEXT, options={}), expected)
        assert offline.run(CANDIDATES, repo_id="me/calibrated", text=TEXT, options={}) == doubts
        with pytest.raises(RemoteError, match="HF_HUB_OFFLINE is set") as problem:
            offline.run(PUSH, folder=str(calibrated_folder), repo_id="me/x", options={})
    assert problem.value.kind == "HubError"
    assert len(server.requests) == asked


def test_a_private_model_is_for_those_with_access(
    server: HubServer, push: Callable[..., str], read: Callable[..., Any], composite_folder: Path
) -> None:
    push(composite_folder, "me/private", private=True)
    assert server.repos["me/private"].private
    for token in (False, STRANGER):
        with pytest.raises(RemoteError, match="me/private"):
            read("me/private", token=token)
    assert_same(read("me/private", token=READ), entities_of(composite_folder))


def test_private_is_not_promised_where_everybody_looks(
    server: HubServer, published: str, push: Callable[..., str], other_folder: Path
) -> None:
    before = server.files(published)
    with pytest.raises(RemoteError, match="already and public"):
        push(other_folder, published, private=True)
    assert server.files(published) == before


def test_a_revision_stands_beside_main(
    server: HubServer,
    published: str,
    push: Callable[..., str],
    read: Callable[..., Any],
    other_folder: Path,
    composite_folder: Path,
) -> None:
    before = server.files(published)
    push(other_folder, published, revision="v2")
    assert server.files(published) == before
    assert 'revision="v2"' in server.files(published, "v2")["README.md"].decode()
    assert_same(read(published, revision="v2"), entities_of(other_folder))
    assert_same(read(published), entities_of(composite_folder))
    assert entities_of(composite_folder) != entities_of(other_folder)


def test_weights_of_an_earlier_model_do_not_stay(server: HubServer, push: Callable[..., str], other_folder: Path) -> None:
    repo = server.repos["me/sharded"] = Repo(private=False)
    shards = {f"model-0000{n}-of-00002.safetensors": b"old" for n in (1, 2)}
    config = b'{"model_type": "hybrid-ner"}'
    repo.commit("main", {"config.json": config, "model.safetensors.index.json": b"{}", "notes.txt": b"mine", **shards})
    push(other_folder, "me/sharded")
    assert set(server.files("me/sharded")) == (PUBLISHED - {".gitattributes"}) | {"notes.txt"}


@pytest.mark.parametrize("config", [b"{}", b'{"model_type": "bert"}', b"[]", b"no JSON"])
def test_something_else_is_not_overwritten(
    server: HubServer, push: Callable[..., str], other_folder: Path, config: bytes
) -> None:
    repo = server.repos["me/bert"] = Repo(private=False)
    repo.commit("main", {"config.json": config, "tokenizer.json": b"{}", "model.safetensors": b"bert"})
    before = server.files("me/bert")
    with pytest.raises(RemoteError, match="something other than a model of hybridner"):
        push(other_folder, "me/bert")
    assert server.files("me/bert") == before


@pytest.mark.parametrize(
    ("repo_id", "token", "problem"),
    [
        ("me/new", None, "no token for the Hub: run `hf auth login`"),
        ("me/new", "hf_wrong", "does not know this token"),
        ("me/new", READ, "no right to write to me/new"),
        ("somebody/new", WRITE, "no right to write to somebody/new"),
        ("me/a name", WRITE, "cannot be the name of a repository"),
    ],
)
def test_who_may_not_push_is_told_why(
    repo_id: str, token: str | None, problem: str, server: HubServer, push: Callable[..., str], other_folder: Path
) -> None:
    with pytest.raises(RemoteError) as raised:
        push(other_folder, repo_id, token)
    assert raised.value.kind == "HubError"
    assert problem in raised.value.message
    assert "\n" not in raised.value.message
    assert repo_id not in server.repos


@pytest.mark.parametrize("cut", ["lfs", "commit"])
@pytest.mark.usefixtures("impatient")
def test_a_cut_connection_leaves_nothing_half_published(
    cut: str, server: HubServer, push: Callable[..., str], composite_folder: Path, other_folder: Path, tmp_path: Path
) -> None:
    repo_id = f"me/cut-{cut}"
    model = tmp_path / "model"
    shutil.copytree(other_folder, model)
    _change_weights(model, cut)
    server.cut = cut
    try:
        with pytest.raises(RemoteError, match="nothing is half published") as raised:
            push(model, repo_id)
        assert raised.value.kind == "HubError"
        assert set(server.files(repo_id)) == {".gitattributes"}
        server.cut = ""
        push(model, repo_id)
        assert set(server.files(repo_id)) == PUBLISHED
        before = dict(server.files(repo_id))
        _change_weights(model, f"{cut} again")
        server.cut = cut
        with pytest.raises(RemoteError, match="nothing is half published"):
            push(model, repo_id)
        assert server.files(repo_id) == before
    finally:
        server.cut = ""


def _change_weights(folder: Path, seed: str) -> None:
    """Other weights, so that the Hub cannot have them already."""
    HybridNerModel.assemble({"spanner": tiny_member("spanner", sum(map(ord, seed)))}).save_pretrained(folder)


def test_nobody_there_is_said_in_one_line(client: Client, other_folder: Path) -> None:
    with pytest.raises(RemoteError, match=r"the connection to http://127\.0\.0\.1:9 failed"):
        client.run(PUSH, folder=str(other_folder), repo_id="me/x", options={"token": WRITE, "endpoint": "http://127.0.0.1:9"})


def test_without_hybridner_the_repository_says_what_to_install(
    server: HubServer, published: str, read: Callable[..., Any], tmp_path: Path
) -> None:
    trusting = {"trust_remote_code": True}
    with Client(server.url, tmp_path) as client:
        client.run('import sys\nsys.modules["hybridner"] = None')  # as if it were not installed
        with pytest.raises(RemoteError) as raised:
            client.run(READ_TEXT, repo_id=published, text=TEXT, options=trusting)
        assert raised.value.kind == "ImportError"
        assert "pip install hybridner" in raised.value.message
        client.run('del sys.modules["hybridner"]')  # installed, but never imported
        with pytest.raises(RemoteError, match="trust_remote_code"):
            client.run(READ_TEXT, repo_id=published, text=TEXT, options={"trust_remote_code": False})
        assert client.run(READ_TEXT, repo_id=published, text=TEXT, options=trusting) == read(published)
        files = server.files(published)
        server.repos["me/future"] = Repo(private=False)
        config = files["config.json"].replace(b'"hybrid-ner"', b'"hybrid-ner-9"')
        server.repos["me/future"].commit("main", {**files, "config.json": config})
        with pytest.raises(RemoteError, match="pip install --upgrade hybridner"):
            client.run(READ_TEXT, repo_id="me/future", text=TEXT, options=trusting)


@pytest.mark.parametrize("options", [{"private": True}, {"revision": "v2"}], ids=str)
def test_a_calibrated_composite_takes_its_stackers_along(
    options: dict[str, Any],
    server: HubServer,
    push: Callable[..., str],
    candidates: Callable[..., list[list[Any]]],
    calibrated_folder: Path,
) -> None:
    repo_id = "me/calibrated-" + "-".join(options)
    push(calibrated_folder, repo_id, **options)
    files = server.files(repo_id, options.get("revision", "main"))
    assert set(files) == PUBLISHED | CALIBRATED
    card = files["README.md"].decode()
    assert "(calibration.png)" in card
    assert "| **forest** |" in card
    where = {"revision": "v2"} if "revision" in options else {"token": READ}
    assert_same(candidates(repo_id, **where), candidates_of(calibrated_folder))
    if "private" in options:
        with pytest.raises(RemoteError, match=repo_id):
            candidates(repo_id, token=STRANGER)


def test_files_of_an_earlier_calibration_do_not_stay(
    server: HubServer, push: Callable[..., str], read: Callable[..., Any], calibrated_folder: Path, tmp_path: Path
) -> None:
    push(calibrated_folder, "me/recalibrated")
    model = HybridNerModel.from_pretrained(calibrated_folder)
    calibrate(model, made_up_predictions(120), CalibrationConfig(strategy="score"))
    model.save_pretrained(tmp_path)
    push(tmp_path, "me/recalibrated")
    assert set(server.files("me/recalibrated")) == PUBLISHED
    assert_same(read("me/recalibrated"), entities_of(tmp_path))


def test_composites_go_by_push_to_hub_with_their_stackers(
    client: Client, candidates: Callable[..., list[list[Any]]], calibrated_folder: Path
) -> None:
    client.run(
        "from transformers import AutoModel\nAutoModel.from_pretrained(folder).push_to_hub(repo_id, token=token, private=True)",
        folder=str(calibrated_folder),
        repo_id="me/by-push-to-hub",
        token=WRITE,
    )
    assert_same(candidates("me/by-push-to-hub", token=READ), candidates_of(calibrated_folder))


def test_an_adapter_is_published_when_others_have_its_base(
    server: HubServer,
    published: str,
    push: Callable[..., str],
    read: Callable[..., Any],
    composite: HybridNerModel,
    composite_folder: Path,
    tmp_path: Path,
) -> None:
    def save(base: str, folder: Path) -> AdaptedHybridNerModel:
        settings = adapted_settings(composite.config, LabelSet.of(["City", "River"]))
        config = AdaptedHybridNerConfig(**settings, base=base, base_fingerprint=base_fingerprint(composite))
        adapter = AdaptedHybridNerModel.from_base(composite, config, rank=2)
        adapter.save_pretrained(folder)
        return adapter

    save(str(composite_folder), tmp_path / "local")
    with pytest.raises(ModelError, match="hybridner merge"):
        published_files(read_model_folder(tmp_path / "local"), "me/adapter")
    save(published, tmp_path / "adapter").merged().save_pretrained(tmp_path / "merged")
    push(tmp_path / "adapter", "me/adapter")
    files = server.files("me/adapter")
    assert {"encoder-0/adapter_config.json", "encoder-0/adapter_model.safetensors"} < set(files)
    assert json.loads(files["encoder-0/adapter_config.json"])["base_model_name_or_path"] == published
    card = ModelCard(files["README.md"].decode()).data.to_dict()
    assert (card["base_model"], card["base_model_relation"]) == ([published], "adapter")
    assert_same(read("me/adapter"), entities_of(tmp_path / "merged"))


def test_members_go_by_push_to_hub_too(server: HubServer, client: Client, read: Callable[..., Any], tmp_path: Path) -> None:
    member = tiny_member("roberta-bigru-crf")
    member.save_pretrained(tmp_path)
    kind = client.run(
        "from transformers import AutoModel, AutoModelForTokenClassification\n"
        "AutoModel.from_pretrained(folder).push_to_hub(repo_id, token=token)\n"
        "result = type(AutoModelForTokenClassification.from_pretrained(repo_id)).__name__",
        folder=str(tmp_path),
        repo_id="me/member",
        token=WRITE,
    )
    assert kind == type(member).__name__
    assert_same(read("me/member"), entities_of(tmp_path))


def test_a_name_without_owner_is_ones_own(server: HubServer, push: Callable[..., str], tmp_path: Path) -> None:
    tiny_member("spanner").save_pretrained(tmp_path)
    address = push(tmp_path, "span-member")
    assert address.startswith(f"{server.url}/me/span-member/commit/")
    assert json.loads(server.files("me/span-member")["config.json"])["model_type"] == "spanner"


def test_the_command_publishes(server: HubServer, home: Path, client: Client, other_folder: Path) -> None:
    code = """
import contextlib, io, os
from hybridner.cli.main import main
os.environ["HF_TOKEN"] = token
with contextlib.redirect_stdout(io.StringIO()) as out:
    assert main(["push", folder, "me/by-command", "--private", "--revision", "dev", "--license", "cc-by-4.0"]) == 0
del os.environ["HF_TOKEN"]
result = out.getvalue()
"""
    shown = client.run(code, folder=str(other_folder), token=WRITE)
    assert shown == f"published: {server.url}/me/by-command/commit/{server.repos['me/by-command'].branches['dev']}\n"
    assert server.repos["me/by-command"].private
    assert "license: cc-by-4.0" in server.files("me/by-command", "dev")["README.md"].decode()
