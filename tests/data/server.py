"""A small web server for tests: files with ETags and ranges, and as much of the hub as we use."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.data.local_server import local_server

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Site:
    """What the server serves, and what it was asked for.

    Attributes:
        files: contents by path.
        repositories: of the hub: files by name, by kind and repository ("datasets/owner/name").
        cut: break the connection after so many bytes.
        ranges: whether it understands Range.
        announced: sha256 that the hub announces, where it is not the file's.
        requests: method, path and Range of what was asked.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    cut: int | None = None
    ranges: bool = True
    announced: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""

    def find(self, path: str) -> bytes | None:
        path = path.partition("?")[0]
        if path.startswith("/api/"):
            return self._describe(path.removeprefix("/api/"))
        if "/resolve/" in path:
            repository, _, rest = path.strip("/").partition("/resolve/")
            kind = repository if repository.startswith("datasets/") else f"models/{repository}"
            return self.repositories.get(kind, {}).get(rest.split("/", 1)[1])
        return self.files.get(path)

    def _describe(self, name: str) -> bytes | None:
        repository = self.repositories.get(name)
        if repository is None:
            return None
        siblings = [
            {
                "rfilename": file,
                "size": len(content),
                "lfs": {
                    "sha256": self.announced.get(file, hashlib.sha256(content).hexdigest()),
                    "size": len(content),
                    "pointerSize": 100,
                },
            }
            for file, content in repository.items()
        ]
        info = {"id": name.split("/", 1)[1], "sha": REVISION, "siblings": siblings}
        return json.dumps(info).encode()


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Runs the server on a free port while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            wanted = self.headers.get("Range")
            site.requests.append((self.command, self.path, wanted))
            content = site.find(self.path)
            if content is None:
                self.send_error(404)
                return
            etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
            start = 0
            same = self.headers.get("If-Range") in (None, etag)
            if wanted and site.ranges and same:
                start = int(wanted.removeprefix("bytes=").split("-")[0])
            if start and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("ETag", etag)
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-/{len(content)}")
            self.end_headers()
            if body:
                end = None if site.cut is None or "/api/" in self.path else start + site.cut
                self.wfile.write(content[start:end])
                if end is not None:
                    self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    with local_server(Handler) as address:
        site.url = address
        yield site
