"""A pipeline that is saved or pushed comes back by its folder or name alone, in a process that has not seen it before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModel

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.models import MEMBER_CLASSES
from tests.hub.client import Client, RemoteError
from tests.hub.hub_server import WRITE, HubServer
from tests.support.near import assert_same
from tests.support.tiny import TEXT, tiny_member

#: The pipeline at a place, loaded by the task and by nothing but the place.
READ = """
from transformers import pipeline
pipes = [pipeline(*task, model=place, device="cpu", **options) for task in (["hybrid-ner"], [])]
result = [pipe(text) for pipe in pipes]
"""
PUSH = """
from transformers import pipeline
pipeline("hybrid-ner", model=folder, device="cpu").push_to_hub(repo_id, token=token)
"""


def read(client: Client, place: str | Path, **options: Any) -> list[Any]:
    result: list[Any] = client.run(READ, place=str(place), text=TEXT, options=options)
    return result


def settings_of(model: HybridNerModel) -> dict[str, Any]:
    """The configuration but for what `PreTrainedModel.save_pretrained` notes in every model's."""
    settings: dict[str, Any] = model.config.to_dict()
    return {name: value for name, value in settings.items() if name not in ("architectures", "dtype")}


@pytest.fixture(scope="module")
def offline(home: Path) -> Iterator[Client]:
    """A process that knows hybridner and has no Hub."""
    with Client("http://127.0.0.1:9", home, HF_HUB_OFFLINE="1") as client:
        client.run("import hybridner")
        yield client


@pytest.fixture(scope="module", params=["composite", *MEMBER_CLASSES])
def folder(request: pytest.FixtureRequest, composite: HybridNerModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as its own `save_pretrained` leaves it."""
    folder = tmp_path_factory.mktemp("model") / str(request.param)
    model = composite if request.param == "composite" else tiny_member(request.param)
    model.save_pretrained(folder)
    return folder


def test_a_saved_pipeline_is_loaded_by_its_folder_alone(folder: Path, offline: Client, tmp_path: Path) -> None:
    pipe = HybridNerPipeline(AutoModel.from_pretrained(folder), device="cpu")
    expected, before = pipe(TEXT), settings_of(pipe.model)
    assert expected
    pipe.save_pretrained(tmp_path / "saved")
    assert settings_of(pipe.model) == before
    assert pipe(TEXT) == expected
    assert_same(read(offline, tmp_path / "saved"), [expected] * 2)
    assert_same(read(offline, tmp_path / "saved", trust_remote_code=False), [expected] * 2)
    # What the model itself saves is as good.
    assert_same(read(offline, folder), [expected] * 2)


def test_what_is_saved_says_nothing_about_the_machine_and_holds_no_code(folder: Path, tmp_path: Path) -> None:
    HybridNerPipeline(AutoModel.from_pretrained(folder), device="cpu").save_pretrained(tmp_path / "saved")
    for file in (tmp_path / "saved").rglob("*"):
        assert file.suffix != ".py"
        assert str(folder.parent).encode() not in file.read_bytes()
        assert str(tmp_path).encode() not in file.read_bytes()
    settings = json.loads((tmp_path / "saved" / "config.json").read_text(encoding="utf-8"))
    assert not {"custom_pipelines", "auto_map", "_name_or_path"} & settings.keys()


def test_a_pushed_pipeline_is_loaded_by_its_name_alone(server: HubServer, client: Client, folder: Path) -> None:
    expected = HybridNerPipeline(AutoModel.from_pretrained(folder), device="cpu")(TEXT)
    repo_id = f"me/pushed-{folder.name}"
    client.run(PUSH, folder=str(folder), repo_id=repo_id, token=WRITE)
    assert read(client, repo_id, token=WRITE) == [expected] * 2
    assert not any(str(folder.parent).encode() in content for content in server.files(repo_id).values())


def test_the_task_of_other_models_is_for_transformers_to_say(offline: Client, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RemoteError, match=r"offline|nowhere") as raised:
            read_without_task(offline, place)
        assert raised.value.kind in {"RuntimeError", "OSError"}


def read_without_task(client: Client, place: Path) -> None:
    client.run('from transformers import pipeline\npipeline(model=place, device="cpu")', place=str(place))
