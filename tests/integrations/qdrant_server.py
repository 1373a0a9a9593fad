"""A small HTTP server in front of embedded Qdrant, with the paths of Qdrant's REST interface.

It shows that requests arrive as they are meant: paths, JSON, key. It says nothing about what a real
server answers.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Takes one request after the other."""

    server: "Server"

    def answer(self) -> None:
        """Answers from the embedded client."""
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        path = self.path.partition("?")[0].strip("/")
        self.server.asked.append((self.command, self.path, self.headers.get("api-key")))
        status, found = 200, None
        if self.server.key and self.headers.get("api-key") != self.server.key:
            status, found = 401, f"Invalid API key {self.headers.get('api-key')}"
        else:
            try:
                found = self.server.handle(self.command, path, body)
            except ValueError as error:
                status, found = 400, str(error)
        content = found if path == "" and status == 200 else {"result": found, "status": "ok"}
        text = json.dumps(content, default=_plain).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_PATCH = answer  # noqa: N815  (names of http.server)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class Server(HTTPServer):
    """Holds the embedded client."""

    def __init__(self, version: str, key: str | None) -> None:
        from qdrant_client import QdrantClient

        super().__init__(("127.0.0.1", 0), Handler)
        self.client = QdrantClient(":memory:", force_disable_check_same_thread=True)
        self.version, self.key = version, key
        self.asked: list[tuple[str, str, str | None]] = []

    def handle(  # noqa: PLR0911  (a table)
        self, method: str, path: str, body: dict[str, Any]
    ) -> Any:
        """One call of the embedded client."""
        from qdrant_client import models

        client = self.client
        done = {"operation_id": 0, "status": "completed"}
        parts = path.split("/")
        name = parts[1] if len(parts) > 1 else ""
        match (method, *parts[:1], *parts[2:]):
            case ("GET", ""):
                return {"title": "qdrant", "version": self.version}
            case ("GET", "collections") if not name:
                return client.get_collections()
            case ("GET", "collections", "exists"):
                return {"exists": client.collection_exists(name)}
            case ("GET", "collections"):
                return client.get_collection(name)
            case ("PUT", "collections"):
                made = models.CreateCollection.model_validate(body)
                return client.create_collection(
                    name,
                    vectors_config=made.vectors,
                    hnsw_config=made.hnsw_config,
                    metadata=made.metadata,
                )
            case ("PATCH", "collections"):
                changed = models.UpdateCollection.model_validate(body)
                return client.update_collection(name, metadata=changed.metadata)
            case ("PUT", "collections", "points"):
                client.upsert(name, models.PointsBatch.model_validate(body).batch)
                return done
            case ("POST", "collections", "points"):
                return client.retrieve(name, body["ids"], with_payload=True)
            case ("POST", "collections", "points", "delete"):
                client.delete(name, body["points"])
                return done
            case ("POST", "collections", "points", "count"):
                return client.count(name)
            case ("POST", "collections", "points", "scroll"):
                points, after = client.scroll(
                    name,
                    limit=body["limit"],
                    offset=body.get("offset"),
                    with_payload=body["with_payload"],
                )
                return {"points": points, "next_page_offset": after}
            case ("POST", "collections", "points", "query", "batch"):
                searches = models.QueryRequestBatch.model_validate(body).searches
                assert all(one.params and one.params.exact for one in searches)
                return client.query_batch_points(name, searches)
        raise ValueError(f"{method} {path} is not answered here")


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json")


@contextmanager
def serving(version: str = "1.16.3", key: str | None = None) -> Iterator[tuple[str, Server]]:
    """A running server and its address."""
    server = Server(version, key)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"qdrant:http://127.0.0.1:{server.server_port}", server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
