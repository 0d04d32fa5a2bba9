"""A Hub on localhost, in memory: it speaks enough of the Hub's protocol for the real `huggingface_hub` client.

Repositories are created, files uploaded through LFS and committed, snapshots downloaded at a branch or commit. Switches
make it drop the connection in the middle of a step, so that tests see what a dying network leaves behind.

    with LocalHub(tmp_path / "home") as hub:
        hub.commit("org/name", {"config.json": b"{}"})
        hub.run("from huggingface_hub import snapshot_download; print(snapshot_download('org/name'))")
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

LFS_SUFFIXES = (".safetensors", ".png", ".bin")


@dataclass
class Repository:
    """Commits, each with all of its files, and the branches and tags that point at them."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    private: bool = False

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        content = repr((sorted(files.items()), len(self.commits)))
        sha = hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = dict(files)
        self.refs[branch] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)


class LocalHub:
    """The server; a context manager.

    Attributes:
        repositories: By ``org/name``.
        blobs: LFS objects that were uploaded, by SHA-256.
        requests: ``"METHOD /path"`` of each request so far.
        unknown: Requests that it had no answer for.
        die_at: Drop the connection in the middle of this step: ``"preupload"``, ``"lfs"``, ``"commit"`` (before it is
            made) or ``"download"``.
        gated: Repositories that answer 403 until their terms are accepted.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.unknown: list[str] = []
        self.die_at: str | None = None
        self.gated: set[str] = set()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LocalHub:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment of a process that takes this for the Hub, with a cache of its own."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGINGFACE"))}
        return {
            **kept,
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(self.home),
            "HF_TOKEN": "hf_of_the_tests",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            **changes,
        }

    def run(self, code: str, **environment: str) -> str:
        """Run Python code in a process that takes this for the Hub; returns what it printed.

        The client waits between retries for up to 24 seconds; in that process it does not.
        """
        code = "import time; time.sleep = lambda seconds: None\n" + code
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self, repo_id: str, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Put a commit there from outside; returns its SHA."""
        return self.repositories.setdefault(repo_id, Repository()).commit(files, branch)

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """What a repository holds; empty before its first commit."""
        repository = self.repositories[repo_id]
        sha = repository.resolve(revision)
        return {} if sha is None else repository.commits[sha]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LocalHub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_any(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        for method, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method.split():
                answer(self, **match.groupdict())
                return
        self.hub.unknown.append(f"{self.command} {self.path}")
        self.body()
        self.send(404, {"error": "not found"})

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

    # ------------------------------------------------------------ plumbing

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def send(self, code: int, content: Any = b"", headers: Mapping[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        names = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
        for name, value in names.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def dies(self, step: str) -> bool:
        if self.hub.die_at != step:
            return False
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
        return True

    def repository(self, repo: str) -> Repository | None:
        """The repository, or None after an error was sent."""
        found = self.hub.repositories.get(repo)
        if repo in self.hub.gated:
            self.body()
            self.send(
                403, {"error": "gated"}, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."}
            )
            return None
        if found is None:
            self.body()
            self.send(404, {"error": "no repository"}, {"X-Error-Code": "RepoNotFound"})
        return found

    def files_at(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Commit and files of a revision, or None after an error was sent."""
        repository = self.repository(repo)
        if repository is None:
            return None
        sha = repository.resolve(revision)
        if sha is None:
            self.send(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
            return None
        return sha, repository.commits[sha]

    # ------------------------------------------------------------ account and repositories

    def whoami(self) -> None:
        self.send(200, {"name": "me", "type": "user", "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    def validate_yaml(self) -> None:
        self.body()
        self.send(200, {"errors": [], "warnings": []})

    def create(self) -> None:
        wanted = json.loads(self.body())
        repo = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        answer = {"url": f"{self.hub.url}/{repo}", "name": repo, "id": repo}
        if repo in self.hub.repositories:
            self.send(409, {"error": "You already created this model repo", **answer})
            return
        repository = Repository(private=bool(wanted.get("private")))
        repository.commit({})
        self.hub.repositories[repo] = repository
        self.send(200, answer)

    def delete(self) -> None:
        wanted = json.loads(self.body())
        self.hub.repositories.pop(f"{wanted.get('organization') or 'me'}/{wanted['name']}", None)
        self.send(200, {})

    # ------------------------------------------------------------ upload

    def preupload(self, repo: str, revision: str) -> None:
        if self.dies("preupload") or (repository := self.repository(repo)) is None:
            return
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LFS_SUFFIXES) else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for file in json.loads(self.body())["files"]
        ]
        self.send(200, {"files": files, "commitOid": repository.resolve(revision)})

    def lfs_batch(self, repo: str) -> None:
        if self.repository(repo) is None:
            return
        objects = []
        for wanted in json.loads(self.body())["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.blobs:
                answer["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}"}}
            objects.append(answer)
        self.send(200, {"transfer": "basic", "objects": objects}, {"Content-Type": "application/vnd.git-lfs+json"})

    def lfs_upload(self, oid: str) -> None:
        if self.hub.die_at == "lfs":
            self.rfile.read(16)
            self.dies("lfs")
            return
        content = self.body()
        if hashlib.sha256(content).hexdigest() != oid:
            self.send(400, {"error": "the content does not match its SHA-256"})
            return
        self.hub.blobs[oid] = content
        self.send(200, b"", {"ETag": f'"{oid}"'})

    def commit(self, repo: str, revision: str) -> None:
        if self.hub.die_at == "commit":
            self.body()
            self.dies("commit")
            return
        if (repository := self.repository(repo)) is None:
            return
        parent = repository.resolve(revision)
        files = {} if parent is None else dict(repository.commits[parent])
        for line in self.body().decode().splitlines():
            operation = json.loads(line)
            key, value = operation["key"], operation["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif key == "deletedFile":
                files.pop(value["path"], None)
        sha = repository.commit(files, revision)
        url = f"{self.hub.url}/{repo}/commit/{sha}"
        self.send(200, {"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})

    # ------------------------------------------------------------ download

    def info(self, repo: str, revision: str = "main") -> None:
        if (found := self.files_at(repo, revision)) is None:
            return
        sha, files = found
        self.send(
            200,
            {
                "id": repo,
                "modelId": repo,
                "sha": sha,
                "private": self.hub.repositories[repo].private,
                "siblings": [{"rfilename": name} for name in files],
                "tags": [],
            },
        )

    def tree(self, repo: str, revision: str) -> None:
        if (found := self.files_at(repo, revision)) is None:
            return
        entries = []
        for name, content in found[1].items():
            entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": _git_oid(content)}
            if name.endswith(LFS_SUFFIXES):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
            entries.append(entry)
        self.send(200, entries)

    def resolve(self, repo: str, revision: str, file: str) -> None:
        if (found := self.files_at(repo, revision)) is None:
            return
        sha, files = found
        if file not in files:
            self.send(404, {"error": "no file"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
            return
        content = files[file]
        is_lfs = file.endswith(LFS_SUFFIXES)
        etag = hashlib.sha256(content).hexdigest() if is_lfs else _git_oid(content)
        headers = {
            "Content-Type": "application/octet-stream",
            "ETag": f'"{etag}"',
            "X-Repo-Commit": sha,
            "Accept-Ranges": "bytes",
        }
        if is_lfs:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
        if self.hub.die_at == "download" and self.command == "GET":
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.dies("download")
            return
        start = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if start:
            first = int(start.group(1))
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            self.send(206, content[first:], headers)
            return
        self.send(200, content, headers)


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


_REPO = r"(?P<repo>[^/]+/[^/]+)"
_ROUTES = [
    ("GET", r"/api/whoami-v2", _Handler.whoami),
    ("POST", r"/api/validate-yaml", _Handler.validate_yaml),
    ("POST", r"/api/repos/create", _Handler.create),
    ("DELETE", r"/api/repos/delete", _Handler.delete),
    ("POST", rf"/api/models/{_REPO}/preupload/(?P<revision>[^/]+)", _Handler.preupload),
    ("POST", rf"/api/models/{_REPO}/commit/(?P<revision>[^/]+)", _Handler.commit),
    ("POST", rf"/{_REPO}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", _Handler.lfs_upload),
    ("GET", rf"/api/models/{_REPO}", _Handler.info),
    ("GET", rf"/api/models/{_REPO}/revision/(?P<revision>[^/]+)", _Handler.info),
    ("GET", rf"/api/models/{_REPO}/tree/(?P<revision>[^/]+)", _Handler.tree),
    ("GET HEAD", rf"/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", _Handler.resolve),
]
