"""The route over HTTP: the server, asked as clients ask it."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import uvicorn
from starlette.applications import Starlette

from i3_pyserini.encode.flags import QueryFlags
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.app import make_app
from i3_pyserini.serve.passages import Passages, Sources
from tests.worlds.compare import Hits, check_hits, check_queries
from tests.worlds.place import Place
from tests.worlds.reference import Ranked
from tests.worlds.run_routes import fused_scores

DEPTH = 100  # hits of rankings that are fused


def http(place: Place) -> None:
    """Hits, fused hits, passages and vectors of the server."""
    searcher = Searcher(place.own_index)
    searcher.load_encoder(QueryFlags())
    passages = Passages(searcher, Sources(cache=place.root / "served"))
    app = make_app(passages, 10, [])
    with _served(app) as client:
        _check_hits(place, client, place.own_index.name)
        _check_passages(place, client, place.own_index.name)
        _check_vectors(place, client)


def _check_hits(place: Place, client: HTTPConnection, name: str) -> None:
    world, found = place.world, Hits()
    for qid, text in world.topics.items():
        found[qid] = _hits(client, name, text, world.k)
        words = _hits(client, f"{name}-words", text, DEPTH)
        vectors = _hits(client, name, text, DEPTH)
        right = fused_scores([vectors, words], [1.0, 1.0])
        ranked = Ranked(list(right), np.array([list(right.values())]))
        fused = {qid: _hits(client, f"{name}-fused", text, DEPTH)}
        check_hits(fused, [qid], ranked, DEPTH, "GET /v1/INDEX-fused/search", "any")
    qids = list(world.topics)
    check_hits(found, qids, place.reference, world.k, "GET /v1/INDEX/search", "any")


def _hits(client: HTTPConnection, name: str, query: str, hits: int) -> list[tuple[str, float]]:
    asked: dict[str, Any] = {"query": query, "hits": hits}
    answer = _get(client, f"/v1/{quote(name, safe='')}/search", asked)
    ranks = [one["rank"] for one in answer["candidates"]]
    assert ranks == list(range(1, len(ranks) + 1)), f"GET /v1/{name}/search: ranks {ranks}"
    return [(one["docid"], one["score"]) for one in answer["candidates"]]


def _check_passages(place: Place, client: HTTPConnection, name: str) -> None:
    for record in place.world.records:
        path = f"/v1/{quote(name, safe='')}/doc/{quote(record.docid, safe='')}"
        answer = _get(client, path, {})
        right = {"title": record.title, "text": record.text} if record.title else record.text
        assert answer["docid"] == record.docid, f"{path}: {answer['docid']!r}"
        assert answer["doc"] == right, f"{path}: {answer['doc']!r}, not {right!r}"


def _check_vectors(place: Place, client: HTTPConnection) -> None:
    (model, *_) = [one["id"] for one in _get(client, "/v1/models", {})["data"]]
    body = {"model": model, "input": list(place.world.topics.values()), "input_type": "query"}
    headers = {"Content-Type": "application/json"}
    client.request("POST", "/v1/embeddings", json.dumps(body), headers)
    answer = _answer(client, "POST /v1/embeddings")
    found = np.array([one["embedding"] for one in answer["data"]])
    check_queries(found, place.reference, "POST /v1/embeddings")


def _get(client: HTTPConnection, path: str, asked: dict[str, Any]) -> Any:
    client.request("GET", f"{path}?{urlencode(asked)}" if asked else path)
    return _answer(client, f"GET {path}")


def _answer(client: HTTPConnection, name: str) -> Any:
    answer = client.getresponse()
    content = answer.read()
    assert answer.status == 200, f"{name}: {answer.status} {content[:300]!r}"
    return json.loads(content)


@contextmanager
def _served(app: Starlette) -> Iterator[HTTPConnection]:
    """A real server: Starlette's test client decodes paths twice."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        client = HTTPConnection("127.0.0.1", listening.getsockname()[1], timeout=60)
        try:
            yield client
        finally:
            client.close()
            server.should_exit = True
            thread.join()
