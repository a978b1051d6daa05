"""A small Hub on loopback: as much of its HTTP interface as publishing and loading models and data sets needs.

Repositories live in memory. A commit is applied whole or not at all, large files are refused in a commit until their content
has been uploaded, private repositories do not exist for those without a token: as on the real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import sys
import threading
import traceback
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

#: Files of this ending or size go through the large-file protocol.
LARGE, LARGE_BYTES = (".safetensors", ".parquet", ".skops", ".onnx"), 1 << 20

WRITE, READ, STRANGER = "hf_write", "hf_read", "hf_stranger"
#: Token -> user and whether it may write.
TOKENS = {WRITE: ("me", True), READ: ("me", False), STRANGER: ("somebody", True)}


@dataclass
class Repo:
    private: bool
    kind: str = "model"
    branches: dict[str, str] = field(default_factory=dict)
    #: Commit id -> file name -> content.
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        content = "".join(f"{name}{hashlib.sha256(data).hexdigest()}" for name, data in sorted(files.items()))
        oid = hashlib.sha1(f"{branch}{len(self.commits)}{content}".encode()).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        return oid

    def resolve(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.branches.get(revision)


class HubServer(ThreadingHTTPServer):
    """Serves until closed.

    Attributes:
        repos: by repo id.
        blobs: uploaded large files by their SHA-256.
        cut: "lfs" or "commit": such a request is read in part, then the connection is dropped.
        requests: method and path of every request, for tests that ask what was not requested.
        faults: errors of this server itself.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.cut = ""
        self.requests: list[str] = []
        self.faults: list[str] = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests; any other error is kept for the end of the test."""
        if not isinstance(sys.exc_info()[1], OSError):
            self.faults.append(traceback.format_exc())

    def clear(self) -> None:
        """Forget all repositories and requests."""
        for kept in (self.repos, self.blobs, self.requests):
            kept.clear()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        repo = self.repos[repo_id]
        return repo.commits[repo.branches[revision]]


class RefusalError(Exception):
    def __init__(self, status: int, message: str, code: str = "", commit: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.commit = status, message, code, commit


ROUTES: list[tuple[str, re.Pattern[str], str]] = []


def route(method: str, pattern: str) -> Any:
    def note(function: Any) -> Any:
        ROUTES.append((method, re.compile(pattern), function.__name__))
        return function

    return note


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *arguments: Any) -> None:
        pass

    def _dispatch(self) -> None:
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        self.server.requests.append(f"{self.command} {parts.path}")
        for method, pattern, name in ROUTES:
            found = pattern.fullmatch(parts.path)
            if found and method in (self.command, "GET" if self.command == "HEAD" else None):
                try:
                    getattr(self, name)(*(unquote(group) for group in found.groups() if group is not None))
                except RefusalError as refusal:
                    headers = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message, "X-Repo-Commit": refusal.commit}
                    self._drain()
                    self._answer({"error": refusal.message}, refusal.status, {k: v for k, v in headers.items() if v})
                return
        self._drain()
        self._answer({"error": "no such page"}, 404)

    do_GET = do_HEAD = do_POST = do_PUT = _dispatch  # noqa: N815

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length", 0))
        self._read = True
        return self.rfile.read(length)

    def _drain(self) -> None:
        if not getattr(self, "_read", False):
            self._body()

    def handle_one_request(self) -> None:
        self._read = False
        super().handle_one_request()

    def _answer(self, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _hang_up(self) -> None:
        """Take half of what is being sent, then drop the connection."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)) // 2)
        self._read = True
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _user(self) -> tuple[str, bool] | None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if token not in TOKENS:
            raise RefusalError(401, "Invalid credentials in Authorization header")
        return TOKENS[token]

    def _visible(self, repo_id: str) -> Repo:
        user, repo = self._user(), self.server.repos.get(repo_id)
        if repo is None or (repo.private and (user is None or user[0] != repo_id.split("/")[0])):
            raise RefusalError(401 if user is None else 404, "Repository not found", "RepoNotFound")
        return repo

    def _writable(self, repo_id: str) -> Repo:
        repo = self._visible(repo_id)
        self._may_write(repo_id)
        return repo

    def _may_write(self, repo_id: str) -> None:
        user = self._user()
        if user is None:
            raise RefusalError(401, "Unauthorized")
        if user[0] != repo_id.split("/")[0] or not user[1]:
            raise RefusalError(403, f"You don't have the rights to write to {repo_id}")

    def _commit_of(self, repo: Repo, revision: str) -> str:
        commit = repo.resolve(revision)
        if commit is None:
            raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    @route("GET", "/api/whoami-v2")
    def whoami(self) -> None:
        user = self._user()
        if user is None:
            raise RefusalError(401, "Unauthorized")
        self._answer({"type": "user", "name": user[0], "orgs": []})

    @route("POST", "/api/validate-yaml")
    def validate_yaml(self) -> None:
        self._body()
        self._answer({"errors": [], "warnings": []})

    @route("POST", "/api/repos/create")
    def create(self) -> None:
        wanted = json.loads(self._body())
        user = self._user()
        repo_id = f"{wanted.get('organization') or (user or ('nobody',))[0]}/{wanted['name']}"
        self._may_write(repo_id)
        if repo_id in self.server.repos:
            self._answer({"error": "You already created this model repo", "url": f"{self.server.url}/{repo_id}"}, 409)
            return
        private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        repo = self.server.repos[repo_id] = Repo(private, wanted.get("type") or "model")
        attributes = b"".join(b"*%s filter=lfs diff=lfs merge=lfs -text\n" % ending.encode() for ending in LARGE)
        repo.commit("main", {".gitattributes": attributes})
        self._answer({"url": f"{self.server.url}/{repo_id}", "name": repo_id, "id": "1"})

    @route("POST", "/api/(?:models|datasets)/([^/]+/[^/]+)/branch/([^/]+)")
    def branch(self, repo_id: str, name: str) -> None:
        repo = self._writable(repo_id)
        start = json.loads(self._body() or b"{}").get("startingPoint") or "main"
        if name in repo.branches:
            raise RefusalError(409, "Reference already exists")
        repo.branches[name] = self._commit_of(repo, start)
        self._answer({})

    @route("GET", "/api/(?:models|datasets)/([^/]+/[^/]+)(?:/revision/([^/]+))?")
    def info(self, repo_id: str, revision: str = "main") -> None:
        repo = self._visible(repo_id)
        commit = self._commit_of(repo, revision)
        siblings = [{"rfilename": name} for name in sorted(repo.commits[commit])]
        self._answer({"_id": "1", "id": repo_id, "sha": commit, "private": repo.private, "siblings": siblings, "tags": []})

    @route("GET", "/api/(?:models|datasets)/([^/]+/[^/]+)/tree/([^/]+)/?(.*)")
    def tree(self, repo_id: str, revision: str, folder: str) -> None:
        repo = self._visible(repo_id)
        files = repo.commits[self._commit_of(repo, revision)]
        inside = {name: data for name, data in files.items() if name.startswith(folder)}
        if folder and not inside:
            raise RefusalError(404, f"{folder} does not exist", "EntryNotFound")
        entries = {name: _listed(name, data) for name, data in inside.items()}
        if self.query.get("recursive", ["false"])[0].lower() not in ("true", "1"):
            depth = len(folder.split("/")) if folder else 0
            for name in [name for name in entries if name.count("/") > depth]:
                parent = "/".join(name.split("/")[: depth + 1])
                entries.pop(name)
                entries[parent] = {"type": "directory", "path": parent, "size": 0, "oid": "0"}
        self._answer(list(entries.values()))

    @route("POST", "/api/datasets/([^/]+/[^/]+)/paths-info/([^/]+)")
    def paths_info(self, repo_id: str, revision: str) -> None:
        repo = self._visible(repo_id)
        files = repo.commits[self._commit_of(repo, revision)]
        wanted = parse_qs(self._body().decode())["paths"]
        self._answer([_listed(name, files[name]) for name in wanted if name in files])

    @route("POST", "/api/(?:models|datasets)/([^/]+/[^/]+)/preupload/([^/]+)")
    def preupload(self, repo_id: str, revision: str) -> None:
        repo = self._writable(repo_id)
        files = repo.commits[self._commit_of(repo, revision)]
        answer = []
        for file in json.loads(self._body())["files"]:
            mode = "lfs" if file["path"].endswith(LARGE) or file["size"] > LARGE_BYTES else "regular"
            oid = _etag(file["path"], files[file["path"]]) if file["path"] in files else None
            answer.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._answer({"files": answer})

    @route("POST", r"/(?:datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch")
    def lfs_batch(self, repo_id: str) -> None:
        self._writable(repo_id)
        objects = []
        for item in json.loads(self._body())["objects"]:
            entry: dict[str, Any] = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.server.blobs:
                entry["actions"] = {"upload": {"href": f"{self.server.url}/lfs/{item['oid']}", "header": {}}}
            objects.append(entry)
        self._answer({"transfer": "basic", "objects": objects})

    @route("PUT", "/lfs/([0-9a-f]{64})")
    def lfs_upload(self, oid: str) -> None:
        if self.server.cut == "lfs":
            return self._hang_up()
        data = self._body()
        if hashlib.sha256(data).hexdigest() != oid:
            raise RefusalError(400, "content does not match its hash")
        self.server.blobs[oid] = data
        return self._answer({})

    @route("POST", "/api/(?:models|datasets)/([^/]+/[^/]+)/commit/([^/]+)")
    def commit(self, repo_id: str, revision: str) -> None:
        repo = self._writable(repo_id)
        if self.server.cut == "commit":
            return self._hang_up()
        if revision not in repo.branches:
            raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        with self.server.lock:
            files = dict(repo.commits[repo.branches[revision]])
            for line in self._body().splitlines():
                item = json.loads(line)
                value = item["value"]
                if item["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif item["key"] == "lfsFile":
                    if value["oid"] not in self.server.blobs:
                        raise RefusalError(400, f"the content of {value['path']} was never uploaded")
                    files[value["path"]] = self.server.blobs[value["oid"]]
                elif item["key"] == "deletedFile":
                    del files[value["path"]]
                elif item["key"] != "header":
                    raise RefusalError(400, f"unknown operation {item['key']}")
            oid = repo.commit(revision, files)
        return self._answer({"success": True, "commitOid": oid, "commitUrl": f"{self.server.url}/{repo_id}/commit/{oid}"})

    @route("GET", "/(?:datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
    def resolve(self, repo_id: str, revision: str, name: str) -> None:
        repo = self._visible(repo_id)
        commit = self._commit_of(repo, revision)
        if name not in repo.commits[commit]:
            raise RefusalError(404, f"{name} does not exist", "EntryNotFound", commit)
        data = repo.commits[commit][name]
        headers = {"ETag": f'"{_etag(name, data)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if name.endswith(LARGE):
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(data))}
        headers |= {"Content-Type": "application/octet-stream"}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part and self.command == "GET":
            first, last = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
            return self._answer(data[first : last + 1], 206, headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"})
        return self._answer(data, headers=headers)


def _listed(name: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(data), "oid": _etag(name, data)}


def _etag(name: str, data: bytes) -> str:
    """As git names a file's content, or for a large file its SHA-256."""
    if name.endswith(LARGE):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
