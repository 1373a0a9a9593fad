"""A stand-in for the Hugging Face hub on this machine: repositories with commits, over HTTP."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlparse

Files = dict[str, bytes]


class Hub:
    """Repositories in memory.

    Attributes:
        commits: files by revision, for each repository; "main" is the newest.
        asked: paths that were requested.
    """

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, Files]] = {}
        self.asked: list[str] = []

    def create(self, name: str) -> None:
        """A repository without files, unless there is one."""
        if name not in self.commits:
            self.commits[name] = {}
            self.commit(name, {})

    def commit(self, name: str, files: Files) -> str:
        """Adds files to "main"; returns the commit's id."""
        revisions = self.commits[name]
        content = {**revisions.get("main", {}), **files}
        digest = hashlib.sha1(repr(sorted(content.items())).encode(), usedforsecurity=False)
        revisions[digest.hexdigest()] = revisions["main"] = content
        return digest.hexdigest()

    def sha(self, name: str, revision: str) -> str | None:
        """The id of a commit; None if there is none."""
        revisions = self.commits.get(name, {})
        files = revisions.get(revision)
        return next((key for key, one in revisions.items() if one is files and key != "main"), None)


@contextmanager
def serving() -> Iterator[tuple[Hub, str]]:
    """A hub and its address."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._file()

    def do_GET(self) -> None:
        path = self._path()
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            name, revision = found[1], unquote(found[2] or "main")
            sha = self.hub.sha(name, revision)
            if sha is None:
                self._json({"error": "not found"}, 404)
                return
            files = self.hub.commits[name][sha]
            self._json(
                {
                    "id": name,
                    "sha": sha,
                    "siblings": [{"rfilename": one} for one in sorted(files)],
                    "tags": [],
                    "private": False,
                    "downloads": 0,
                }
            )
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?", path):
            self._tree(found[1], unquote(found[2]), found[3] or "")
        else:
            self._file()

    def do_POST(self) -> None:
        path, length = self._path(), int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self._chunks()
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'someone'}/{asked['name']}"
            self.hub.create(name)
            self._json({"url": f"http://{self.headers['Host']}/{name}", "id": name, "name": name})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/(.+)", path):
            modes = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            self._json({"files": modes})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/(.+)", path):
            lines = [json.loads(line) for line in body.splitlines() if line.strip()]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            sha = self.hub.commit(found[1], files)
            self._json(
                {
                    "commitUrl": f"http://{self.headers['Host']}/{found[1]}/commit/{sha}",
                    "commitOid": sha,
                }
            )
        else:
            self._json({"error": f"no {path} here"}, 404)

    def _path(self) -> str:
        path = urlparse(self.path).path
        self.hub.asked.append(f"{self.command} {path}")
        return path

    def _chunks(self) -> bytes:
        """A body of unknown length."""
        parts = []
        while size := int(self.rfile.readline() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _tree(self, name: str, revision: str, under: str) -> None:
        files = self.hub.commits.get(name, {}).get(revision)
        if files is None:
            self._json({"error": "not found"}, 404)
            return
        self._json(
            [
                {"type": "file", "path": path, "size": len(content), "oid": _id(content)}
                for path, content in sorted(files.items())
                if path.startswith(under)
            ]
        )

    def _file(self) -> None:
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._path())
        name, revision, path = (unquote(one) for one in found.groups()) if found else ("",) * 3
        sha = self.hub.sha(name, revision)
        content = self.hub.commits[name][sha].get(unquote(path)) if sha else None
        if content is None:
            code = "RepoNotFound" if name not in self.hub.commits else "EntryNotFound"
            code = "RevisionNotFound" if name in self.hub.commits and sha is None else code
            self._send(b"", 404, {"X-Error-Code": code, "X-Repo-Commit": sha or ""})
            return
        headers = {"ETag": f'"{_id(content)}"', "X-Repo-Commit": sha or "", "Accept-Ranges": "none"}
        self._send(content, 200, headers)

    def _json(self, content: Any, status: int = 200) -> None:
        self._send(json.dumps(content).encode(), status, {"Content-Type": "application/json"})

    def _send(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _id(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
