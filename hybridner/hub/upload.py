"""Publishing files on the Hub: found right before anything is made there, sent in one commit, failing in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hybridner.errors import HybridNerError

#: What a failed request raises; which HTTP library this comes from depends on the version of huggingface_hub.
_HTTP_ERROR: Any = HfHubHTTPError.__bases__[0]
#: Files in a repository that say nothing about whose it is.
_NEUTRAL_FILES = {"README.md", ".gitattributes", "LICENSE"}

#: Files of a repository by name, each as a file on disk or as its content.
Contents = Mapping[str, Path | bytes]


class HubError(HybridNerError):
    """Something that stands between a folder and the Hub; nothing of the folder was published."""


@dataclass(frozen=True)
class UploadTarget:
    """Where something goes.

    Attributes:
        repo_id: "OWNER/NAME", or "NAME" under the token's own name.
        kind: of repository.
        private: only those with access may see it.
        revision: a branch; it is made from main when it is not there. None for main.
        token: a token with the right to write; None for the one of `hf auth login` or HF_TOKEN.
        endpoint: address of the Hub; None for HF_ENDPOINT.
    """

    repo_id: str
    kind: Literal["model", "dataset"] = "model"
    private: bool = False
    revision: str | None = None
    token: str | None = None
    endpoint: str | None = None


def upload_files(
    target: UploadTarget,
    contents: Callable[[str], Contents],
    *,
    mark: str,
    is_mark: Callable[[bytes], bool] | None = None,
    is_ours: Callable[[str], bool],
    what: str,
) -> str:
    """Send files in one commit: others see all of them or nothing.

    A repository that is not there is made. One that is there gets a new commit, and keeps who may see it.

    Args:
        target: where to.
        contents: gives the files for the repository's full id.
        mark: a file that every repository of such contents has; one without it is not written to.
        is_mark: whether the content of that file marks such a repository; by default any does.
        is_ours: whether a file of that name was sent by an earlier version of the same; those that are not sent again are
            deleted.
        what: what is published, for messages: "a model of hybridner".

    Returns:
        the address of the commit.

    Raises:
        HubError: no token, no right, no connection, or the repository is not for this.
    """
    api = HfApi(endpoint=target.endpoint, token=target.token)
    repo_id, kind, revision = target.repo_id, target.kind, target.revision
    with _plain_errors(repo_id, api.endpoint):
        if target.token is None and get_token() is None:
            raise HubError("no token for the Hub: run `hf auth login`, or set HF_TOKEN to a token that may write")
        if "/" not in repo_id:
            repo_id = f"{api.whoami()['name']}/{repo_id}"
        # Everything that can be wrong here is found before anything is made there.
        files = contents(repo_id)
        existing = _existing_files(api, repo_id, target)
        is_known = mark in existing and (is_mark is None or is_mark(_content(api, repo_id, target, mark)))
        if set(existing) - _NEUTRAL_FILES and not is_known:
            raise HubError(f"{repo_id} is there already and holds something other than {what}; choose another name")
        api.create_repo(repo_id, repo_type=kind, private=target.private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, repo_type=kind, branch=revision, exist_ok=True)
        stale = [name for name in existing if is_ours(name) and name not in files]
        commit = api.create_commit(
            repo_id,
            [
                *(CommitOperationAdd(name, str(file) if isinstance(file, Path) else file) for name, file in files.items()),
                *(CommitOperationDelete(name) for name in stale),
            ],
            commit_message="Published with hybridner",
            repo_type=kind,
            revision=revision,
        )
    return str(commit.commit_url)


def _existing_files(api: HfApi, repo_id: str, target: UploadTarget) -> list[str]:
    """The files that a push to this branch would stand beside.

    Raises:
        HubError: the repository is public when a private one was asked for.
    """
    try:
        info = api.repo_info(repo_id, repo_type=target.kind)
    except RepositoryNotFoundError:
        return []
    if target.private and not info.private:
        raise HubError(f"{repo_id} is there already and public; make it private in its settings first, or choose another name")
    try:
        return list(api.list_repo_files(repo_id, repo_type=target.kind, revision=target.revision))
    except RevisionNotFoundError:
        return list(api.list_repo_files(repo_id, repo_type=target.kind))


def _content(api: HfApi, repo_id: str, target: UploadTarget, name: str) -> bytes:
    """A file of the repository, from the branch of the push where that is there already."""
    try:
        path = api.hf_hub_download(repo_id, name, repo_type=target.kind, revision=target.revision)
    except RevisionNotFoundError:
        path = api.hf_hub_download(repo_id, name, repo_type=target.kind)
    return Path(path).read_bytes()


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
