"""Publishing a model: everything its users need, in one commit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hybridner.errors import HybridNerError
from hybridner.hub.cards import existing_card, make_card
from hybridner.hub.records import (
    CARD_FILE,
    CONFIG_FILE,
    EVALUATION_FILE,
    TRAINING_FILE,
    WEIGHT_PATTERN,
    ModelRecord,
    public_report,
    read_model,
    weight_files,
)
from hybridner.text.characters import VOCABULARY_FILE

#: Runs at a user's who has not imported hybridner; see its own text.
REMOTE_CODE = Path(__file__).with_name("hybridner_remote.py")

#: What a failed request raises; which HTTP library this comes from depends on the version of huggingface_hub.
_HTTP_ERROR: Any = HfHubHTTPError.__bases__[0]
#: Files in a repository that say nothing about whose it is.
_NEUTRAL_FILES = {CARD_FILE, ".gitattributes", "LICENSE"}


class HubError(HybridNerError):
    """Something that stands between a model and the Hub; nothing of the model was published."""


def push_folder(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    licence: str | None = None,
) -> str:
    """Publish the member or composite in a folder, with its card, in one commit: users see all of it or nothing.

    A repository that is not there is made. One that is there gets a new commit, and keeps who may see it.

    Args:
        folder: what `save_pretrained`, training or `hybridner assemble` wrote.
        repo_id: "NAME/MODEL", or "MODEL" under the token's own name.
        private: only those with access may see it.
        revision: a branch; it is made from main when it is not there.
        token: a token with the right to write; by default the one of `hf auth login` or HF_TOKEN.
        endpoint: address of another Hub; by default HF_ENDPOINT.
        licence: of the weights, for a card that is made now.

    Returns:
        the address of the commit.

    Raises:
        ModelError: the folder holds no complete model, or a card or figures of other weights.
        HubError: no token, no right, no connection, or the repository is not for this model.
    """
    record = read_model(folder)
    api = HfApi(endpoint=endpoint, token=token)
    with _plain_errors(repo_id, api.endpoint):
        if token is None and get_token() is None:
            raise HubError("no token for the Hub: run `hf auth login`, or set HF_TOKEN to a token that may write")
        if "/" not in repo_id:
            repo_id = f"{api.whoami()['name']}/{repo_id}"
        # Everything that can be wrong here is found before anything is made there.
        contents = published_files(record, repo_id, revision, licence)
        existing = _existing_files(api, repo_id, revision, private)
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        stale = [name for name in existing if WEIGHT_PATTERN.fullmatch(name) and name not in contents]
        commit = api.create_commit(
            repo_id,
            [
                *(CommitOperationAdd(name, str(file) if isinstance(file, Path) else file) for name, file in contents.items()),
                *(CommitOperationDelete(name) for name in stale),
            ],
            commit_message="Model published with hybridner",
            revision=revision,
        )
    return str(commit.commit_url)


def published_files(
    record: ModelRecord, repo_id: str, revision: str | None = None, licence: str | None = None
) -> dict[str, Path | bytes]:
    """The files of the repository by name, each as a file on disk or as its content."""
    card = existing_card(record, repo_id, revision)
    if card is None:
        card = make_card(record, repo_id=repo_id, revision=revision, licence=licence)
    elif licence is not None:
        raise HubError(f"{record.folder / CARD_FILE} is published as it is; state the licence in it, or delete it")
    plot = [record.plot] if record.plot else []
    needed = (record.folder / VOCABULARY_FILE, *weight_files(record.folder), *plot)
    files: dict[str, Path | bytes] = {file.name: file for file in needed}
    files[CONFIG_FILE] = _json(_with_remote_code(json.loads((record.folder / CONFIG_FILE).read_text(encoding="utf-8"))))
    files[CARD_FILE] = str(card).encode()
    files[REMOTE_CODE.name] = REMOTE_CODE.read_bytes()
    reports = {name: public_report(report) for name, report in record.training.items()}
    if reports:
        files[TRAINING_FILE] = _json({"members": reports} if record.is_composite else next(iter(reports.values())))
    if record.evaluation is not None:
        files[EVALUATION_FILE] = _json(record.evaluation)
    return files


def _with_remote_code(config: dict[str, Any]) -> dict[str, Any]:
    """A stored configuration that leads users who have not imported hybridner to it, when they trust the repository's code.

    No `custom_pipelines`: with it transformers would ask also those who have imported hybridner for their trust.
    """
    return {**config, "auto_map": {"AutoConfig": f"{REMOTE_CODE.stem}.Config"}}


def _json(data: Any) -> bytes:
    return (json.dumps(data, ensure_ascii=False, indent=2) + "\n").encode()


def _existing_files(api: HfApi, repo_id: str, revision: str | None, private: bool) -> list[str]:
    """The files that a push to this branch would stand beside.

    Raises:
        HubError: the repository holds something else, or is public when a private one was asked for.
    """
    try:
        info = api.repo_info(repo_id)
    except RepositoryNotFoundError:
        return []
    if private and not info.private:
        raise HubError(f"{repo_id} is there already and public; make it private in its settings first, or choose another name")
    try:
        names = api.list_repo_files(repo_id, revision=revision)
    except RevisionNotFoundError:
        names = api.list_repo_files(repo_id)
    if set(names) - _NEUTRAL_FILES and VOCABULARY_FILE not in names:
        raise HubError(f"{repo_id} is there already and holds something other than a model of hybridner; choose another name")
    return list(names)


@contextmanager
def _plain_errors(repo_id: str, endpoint: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into one line that says what to do."""
    try:
        yield
    except HybridNerError:
        raise
    except HFValidationError as error:
        raise HubError(f"{repo_id!r} cannot be the name of a repository: {error}") from error
    except OfflineModeIsEnabled as error:
        raise HubError("HF_HUB_OFFLINE is set; unset it to publish") from error
    except HfHubHTTPError as error:
        raise HubError(_refusal(repo_id, endpoint, error)) from error
    except (_HTTP_ERROR, OSError, RuntimeError) as error:
        reason = repr(error.__cause__ or error)
        raise HubError(
            f"the connection to {endpoint} failed: {reason}; a push is one commit, so nothing is half published: "
            "give the same command again"
        ) from error
    except ValueError as error:
        raise HubError(f"the Hub does not accept it: {error}") from error


def _refusal(repo_id: str, endpoint: str, error: HfHubHTTPError) -> str:
    status = error.response.status_code
    if status == 401:
        return f"{endpoint} does not know this token: run `hf auth login`, or set HF_TOKEN to a valid one"
    if status in (403, 404):
        return f"the token has no right to write to {repo_id}; use one that may, or a name of your own"
    said = error.server_message or str(error).splitlines()[0]
    return f"{endpoint} answered {status} to the push to {repo_id}: {said}; nothing was published"
