"""Keys, origins, sizes, and how much at once."""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from i3_pyserini.errors import I3Error
from i3_pyserini.serve import limits
from i3_pyserini.serve.keys import VARIABLE, key_of_environment
from i3_pyserini.serve.shield import HEADERS
from tests.serve.conftest import app_of, client_for

KEY = "s3cret-key"
ORIGIN = "https://shop.example"
SEARCH = "/v1/index/search?query=egg"


@pytest.fixture(scope="module")
def keyed(collection: Path) -> TestClient:
    return client_for(app_of(collection, key=KEY, origins=[ORIGIN]))


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"me:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({}, False),
        ({"Authorization": f"Bearer {KEY}"}, True),
        ({"Authorization": f"bearer  {KEY} "}, True),
        ({"X-API-Key": KEY}, True),
        (basic(KEY), True),
        ({"Authorization": f"Bearer {KEY}x"}, False),
        ({"Authorization": f"Bearer {KEY[:-1]}"}, False),
        ({"Authorization": "Bearer"}, False),
        ({"Authorization": KEY}, False),
        ({"Authorization": "Basic !"}, False),
        (basic(""), False),
        ({"X-API-Key": "schlüssel"}, False),
        ({"X-API-Key": "other", "Authorization": f"Bearer {KEY}"}, True),
    ],
)
@pytest.mark.parametrize("path", ["/", SEARCH, "/search?q=egg", "/v1/models", "/page.js"])
def test_keys(keyed: TestClient, path: str, headers: dict[str, str], known: bool) -> None:
    encoded = {name.encode(): value.encode("utf-8") for name, value in headers.items()}
    answer = keyed.get(path, headers=encoded)
    assert answer.status_code == (200 if known else 401)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    if not known:
        scheme = "Bearer" if path.startswith("/v1/") else "Basic"
        assert answer.headers["www-authenticate"].startswith(scheme)
        assert KEY not in answer.text and answer.json()["error"]


def test_what_needs_no_key(keyed: TestClient) -> None:
    assert keyed.get("/healthz").json() == {"status": "ok"}
    described = keyed.get("/openapi.json").json()
    assert set(described["components"]["securitySchemes"]) == {"bearer", "header", "password"}
    assert keyed.get("/nowhere").status_code == 401  # what there is, is not told


def test_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert key_of_environment() is None
    monkeypatch.setenv(VARIABLE, KEY)
    assert key_of_environment() == KEY
    for bad in ("", " ", "two words", "schlüssel", "line\n"):
        monkeypatch.setenv(VARIABLE, bad)
        with pytest.raises(I3Error, match=VARIABLE):
            key_of_environment()


def test_origins(keyed: TestClient, api: TestClient) -> None:
    key = {"Authorization": f"Bearer {KEY}"}

    def allowed(client: TestClient, origin: str) -> str | None:
        answer = client.get(SEARCH, headers={"Origin": origin, **key})
        assert answer.status_code == 200
        return answer.headers.get("access-control-allow-origin")

    assert allowed(keyed, ORIGIN) == ORIGIN
    for other in (
        "https://other.example",
        f"{ORIGIN}.other.example",
        "null",
        "http://shop.example",
    ):
        assert allowed(keyed, other) is None
    assert allowed(api, ORIGIN) is None  # off by default
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization, x-stainless-os"
    before = keyed.options("/v1/embeddings", headers=asked)  # browsers send no key with it
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == ORIGIN
    assert api.options("/v1/embeddings", headers=asked).status_code == 405
    refused = keyed.get(SEARCH, headers={"Origin": ORIGIN})
    assert refused.status_code == 401  # and readable
    assert refused.headers["access-control-allow-origin"] == ORIGIN


def post(app: Starlette, content: Any, **headers: str) -> httpx2.Response:
    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            headers["content-type"] = "application/json"
            return await client.post("/v1/embeddings", content=content, headers=headers)

    return asyncio.run(send())


def test_large_bodies(app: Starlette, api: TestClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1 << 16
            yield b" " * (1 << 16)

    answer = post(app, endless())
    assert answer.status_code == 413 and sent <= limits.BODY + (2 << 16)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    for length in (str(limits.BODY + 1), "9" * 5000):
        assert post(app, b"{}", **{"content-length": length}).status_code == 413
    name = api.get("/v1/models").json()["data"][0]["id"]
    texts = {"model": name, "input": ["x" * 40_000] * 99}
    assert api.post("/v1/embeddings", json=texts).status_code == 200


def test_deep_bodies(app: Starlette) -> None:
    for start in (b"", b'{"input": '):
        answer = post(app, start + b"[" * 100_000)
        assert answer.status_code == 400 and "not JSON" in answer.json()["error"]["message"]


def test_slow_bodies(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARRIVAL", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)
        yield b"}"

    assert post(app, slow()).status_code == 408


def test_too_many_at_once(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i3_pyserini.serve.limits.AtOnce.__init__.__defaults__", (2,))
    app = app_of(collection)
    free, begun = threading.Event(), threading.Barrier(3)

    def slow(*_: object) -> dict[str, Any]:
        begun.wait(30)
        free.wait(30)
        raise I3Error("slow")

    monkeypatch.setattr("i3_pyserini.serve.rankings.Rankers.rank", slow)
    with client_for(app) as api, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(api.get, "/search?q=egg") for _ in range(2)]
        begun.wait(30)
        full = api.get(SEARCH)
        assert full.status_code == 429 and full.headers["retry-after"] == "1"
        assert list(full.json()) == ["error"]
        assert api.get("/v1/models").json()["error"]["code"] == "busy"
        assert api.get("/healthz").status_code == 200
        free.set()
        assert [one.result(30).status_code for one in asked] == [500, 500]
        assert api.get(SEARCH).status_code == 200


def test_a_bug_is_no_traceback(
    collection: Path, a_bug: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client_for(app_of(collection)).get(SEARCH)
    assert answer.status_code == 500 and a_bug not in answer.text
    assert list(answer.json()) == ["error"]
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert a_bug in caplog.text  # for whoever runs the server


@pytest.mark.parametrize("path", ["/search", "/nowhere", "/v1/index/doc/"])
def test_nothing_of_a_request_is_kept_by_its_connection(
    collection: Path, a_bug: str, path: str
) -> None:
    """A web server keeps the scope of a request with its connection, for longer than needed."""
    asked: list[Scope] = []
    app = app_of(collection)

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope)
        await app(scope, receive, send)

    long = "a" * 10_000
    client_for(noting).get(f"{path}{long}?q={long}", headers={"X-Long": long})
    (scope,) = asked
    assert long not in repr(scope) and scope["type"] == "http"
