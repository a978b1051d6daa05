"""Data sets go to a Hub and come back by `load_dataset`, with the real clients over HTTP; the Hub is `hub_server`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard

from hybridner.data import write_jsonl
from hybridner.data.corpora.card import TEMPLATE
from hybridner.data.corpora.prepare import prepare
from hybridner.errors import DataError
from hybridner.hub import push_dataset
from hybridner.hub.dataset_repo import is_dataset_folder
from hybridner.spans import Record, Span
from tests.hub.client import Client, RemoteError
from tests.hub.hub_server import READ, STRANGER, WRITE, HubServer, Repo
from tests.support.tiny import small_records

PUSH = "from hybridner.hub import push_dataset\nresult = push_dataset(folder, repo_id, **options)"
LOAD = """
from datasets import load_dataset
splits = load_dataset(repo_id, **options)
names = {split: rows.features["entities"].feature["label"].names for split, rows in splits.items()}
def entities(row, names):
    return [[e["start"], e["end"], names[e["label"]]] for e in row["entities"]]
result = {split: [[row["id"], row["text"], entities(row, names[split])] for row in rows] for split, rows in splits.items()}
"""
PUBLISHED = {".gitattributes", "README.md", "label_set.yaml"} | {
    f"data/{split}-00000-of-00001.parquet" for split in ("train", "test")
}

Rows = dict[str, list[list[Any]]]


def make(folder: Path, records: list[Record]) -> Path:
    """A prepared folder: the last record is its test set."""
    (folder / "source").mkdir(parents=True)
    for split, part in (("train", records[:-1]), ("test", records[-1:])):
        with (folder / "source" / f"{split}.txt").open("w", encoding="utf-8") as file:
            for record in part:
                tags = ["O"] * len(record.text)
                for span in record.entities:
                    tags[span.start : span.end] = [f"B-{span.label}"] + [f"I-{span.label}"] * (span.end - span.start - 1)
                file.writelines(f"{character}\t{tag}\n" for character, tag in zip(record.text, tags, strict=True))
                file.write("\n")
    prepare("conll", folder / "source", folder / "corpus")
    return folder / "corpus"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("prepared"), small_records())


@pytest.fixture(scope="module")
def push(client: Client) -> Callable[..., str]:
    def push(folder: Path, repo_id: str, token: str | None = WRITE, **options: Any) -> str:
        result: str = client.run(PUSH, folder=str(folder), repo_id=repo_id, options={"token": token, **options})
        return result

    return push


@pytest.fixture(scope="module")
def load(client: Client) -> Callable[..., Rows]:
    def load(repo_id: str, **options: Any) -> Rows:
        result: Rows = client.run(LOAD, repo_id=repo_id, options=options)
        return result

    return load


@pytest.fixture(scope="module")
def published(push: Callable[..., str], prepared: Path) -> str:
    push(prepared, "me/corpus", public=True)
    return "me/corpus"


def expected(records: list[Record]) -> dict[str, list[tuple[str, list[list[Any]]]]]:
    rows = [(record.text, [[*span] for span in record.entities]) for record in records]
    return {"train": rows[:-1], "test": rows[-1:]}


def without_ids(rows: Rows) -> dict[str, list[tuple[str, list[list[Any]]]]]:
    return {split: [(text, entities) for _, text, entities in part] for split, part in rows.items()}


def test_a_data_set_comes_back_as_it_went(server: HubServer, published: str, load: Callable[..., Rows], prepared: Path) -> None:
    repo = server.repos[published]
    assert (repo.kind, repo.private) == ("dataset", False)
    assert set(server.files(published)) == PUBLISHED
    assert len(repo.commits) == 2  # the empty repository, and the whole data set
    assert without_ids(load(published)) == expected(small_records())
    assert load(published) == load(str(prepared))


def test_the_code_on_its_card_runs(server: HubServer, published: str, client: Client) -> None:
    card = DatasetCard(server.files(published)["README.md"].decode())
    assert card.data.license == "other"
    assert card.data.size_categories == "n<1K"
    (code,) = re.findall(r"```python\n(.*?)```", card.content, re.DOTALL)
    assert f'"{published}"' in code
    shown = client.run(
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "    exec(example, {})\n"
        "result = out.getvalue()",
        example=code,
    )
    first, last = small_records()[0], small_records()[-1]
    assert shown.splitlines() == [
        f"{split} {record.text[start:end]} {label}"
        for split, record in (("train", first), ("test", last))
        for start, end, label in record.entities
    ]


def test_a_new_one_is_private_unless_asked(
    server: HubServer, push: Callable[..., str], load: Callable[..., Rows], prepared: Path, published: str
) -> None:
    push(prepared, "me/closed")
    assert server.repos["me/closed"].private
    for token in (False, STRANGER):
        with pytest.raises(RemoteError, match="me/closed"):
            load("me/closed", token=token)
    assert without_ids(load("me/closed", token=READ)) == expected(small_records())
    before = server.files(published)
    with pytest.raises(RemoteError, match="already and public"):
        push(prepared, published)
    assert server.files(published) == before


def test_a_revision_and_a_new_version_leave_nothing_old_behind(
    server: HubServer, push: Callable[..., str], load: Callable[..., Rows], prepared: Path, tmp_path: Path
) -> None:
    push(prepared, "me/versions", public=True)
    before = server.files("me/versions")
    other = make(tmp_path, [Record("北约", (Span(0, 2, "State"),)), Record("叙利亚", (Span(0, 3, "Place"),))])
    push(other, "me/versions", public=True, revision="v2")
    assert server.files("me/versions") == before
    assert without_ids(load("me/versions", revision="v2"))["train"] == [("北约", [[0, 2, "State"]])]
    repo = server.repos["me/versions"]
    repo.commit("main", {**before, "data/validation-00000-of-00001.parquet": b"old", "notes.txt": b"mine"})
    push(other, "me/versions", public=True)
    assert set(server.files("me/versions")) == PUBLISHED | {"notes.txt"}
    assert without_ids(load("me/versions"))["test"] == [("叙利亚", [[0, 3, "Place"]])]


def test_the_cache_is_enough_offline(
    server: HubServer, published: str, load: Callable[..., Rows], home: Path, prepared: Path
) -> None:
    online = load(published)
    asked = len(server.requests)
    with Client(server.url, home, HF_HUB_OFFLINE="1", HF_TOKEN=WRITE) as offline:
        assert offline.run(LOAD, repo_id=published, options={}) == online
        with pytest.raises(RemoteError, match="HF_HUB_OFFLINE is set"):
            offline.run(PUSH, folder=str(prepared), repo_id="me/x", options={})
    assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("repo_id", "token", "problem"),
    [
        ("me/new-data", None, "no token for the Hub: run `hf auth login`"),
        ("me/new-data", READ, "no right to write to me/new-data"),
        ("me/a model", WRITE, "cannot be the name of a repository"),
        ("me/other-data", WRITE, "holds something other than a data set of hybridner"),
    ],
)
def test_who_may_not_push_is_told_why(
    repo_id: str, token: str | None, problem: str, server: HubServer, push: Callable[..., str], prepared: Path
) -> None:
    server.repos["me/other-data"] = Repo(private=True, kind="dataset")
    server.repos["me/other-data"].commit("main", {"train.csv": b"a,b"})
    with pytest.raises(RemoteError, match=re.escape(problem)) as raised:
        push(prepared, repo_id, token)
    assert raised.value.kind == "HubError"
    assert "me/new-data" not in server.repos
    assert set(server.files("me/other-data")) == {"train.csv"}


@pytest.mark.parametrize("cut", ["lfs", "commit"])
@pytest.mark.usefixtures("impatient")
def test_a_cut_connection_leaves_nothing_half_published(
    cut: str, server: HubServer, push: Callable[..., str], tmp_path: Path
) -> None:
    repo_id = f"me/cut-data-{cut}"
    # Other sentences, so that the Hub cannot have them already.
    folder = make(tmp_path, [Record(f"北约{cut}", (Span(0, 2, "State"),)), Record(cut)])
    server.cut = cut
    try:
        with pytest.raises(RemoteError, match="nothing is half published"):
            push(folder, repo_id)
    finally:
        server.cut = ""
    assert set(server.files(repo_id)) == {".gitattributes"}
    push(folder, repo_id)
    assert set(server.files(repo_id)) == PUBLISHED


def test_push_to_hub_of_datasets_itself_works_too(client: Client, prepared: Path, load: Callable[..., Rows]) -> None:
    client.run(
        "from datasets import load_dataset\nload_dataset(folder).push_to_hub(repo_id, token=token)",
        folder=str(prepared),
        repo_id="me/by-datasets",
        token=WRITE,
    )
    assert without_ids(load("me/by-datasets")) == expected(small_records())


@pytest.mark.parametrize("command", [["data", "push"], ["push"]])
def test_both_commands_publish(command: list[str], server: HubServer, client: Client, prepared: Path) -> None:
    code = """
import contextlib, io, os
from hybridner.cli.main import main
os.environ["HF_TOKEN"] = token
with contextlib.redirect_stdout(io.StringIO()) as out:
    assert main([*command, folder, repo_id, "--public", "--revision", "dev"]) == 0
del os.environ["HF_TOKEN"]
result = out.getvalue()
"""
    repo_id = "me/" + "-".join(command)
    shown = client.run(code, command=command, folder=str(prepared), repo_id=repo_id, token=WRITE)
    repo = server.repos[repo_id]
    assert repo.kind == "dataset"
    assert not repo.private
    assert shown.startswith(f"published: {server.url}/")
    assert shown.endswith(f"/commit/{repo.branches['dev']}\n")


def test_only_whole_prepared_folders_are_pushed(prepared: Path, tmp_path: Path) -> None:
    write_jsonl(small_records(), tmp_path / "train.jsonl")
    with pytest.raises(DataError, match="make the folder with `hybridner data prepare`"):
        push_dataset(tmp_path, "me/x")
    assert not is_dataset_folder(tmp_path)
    assert is_dataset_folder(prepared)
    for missing in ("README.md", "data"):
        folder = tmp_path / f"without {missing}"
        shutil.copytree(prepared, folder)
        shutil.rmtree(folder / missing) if missing == "data" else (folder / missing).unlink()
        with pytest.raises(DataError, match=f"has no {missing}"):
            push_dataset(folder, "me/x")


def test_the_template_shown_to_users_is_the_one_in_use() -> None:
    shown = Path(__file__).parents[2] / "model_cards" / TEMPLATE.name
    assert shown.read_bytes() == TEMPLATE.read_bytes()
