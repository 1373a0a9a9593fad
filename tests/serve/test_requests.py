"""What no request can do: add headers, change a file, or put a key in a log."""

import logging
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.serve.conftest import app_of, client_for

BREAK = "egg\r\nX-Own: 1\r\n\r\nbody"
KEY = "s3cret-key"
PATHS = (
    "/",
    "/search",
    "/words",
    "/windows",
    "/page.js",
    "/healthz",
    "/openapi.json",
    "/nowhere",
    "/v1/models",
    "/v1/models/%0d%0aX-Own:%201",
    "/v1/index/search",
    "/v1/index/doc/%0d%0aX-Own:%201",
    "/v1/%0d%0aX-Own:%201/search",
    "/%0d%0aX-Own:%201",
)
PARAMETERS = dict.fromkeys(("q", "query", "id", "ranking", "hits", "qid", BREAK), BREAK)


@pytest.fixture(scope="module")
def client(collection: Path) -> TestClient:
    return client_for(app_of(collection, origins=["https://shop.example"]))


@pytest.mark.parametrize("path", PATHS)
def test_ends_of_lines_make_no_header(client: TestClient, path: str) -> None:
    headers = {"Origin": "https://shop.example", "X-Request-Id": "a"}
    plain = client.get(path.partition("%0d")[0], headers=headers)
    for answer in (
        client.get(path, params=PARAMETERS, headers=headers),
        client.post(path, json={"input": BREAK, "model": BREAK, "user": BREAK}, headers=headers),
    ):
        assert "x-own" not in answer.headers
        assert set(answer.headers) <= {*plain.headers, "allow", "content-length", "location"}
        assert all("\n" not in value for value in answer.headers.values())


def test_nothing_is_changed(collection: Path, client: TestClient) -> None:
    def files() -> dict[Path, tuple[int, int]]:
        found = (path for path in collection.rglob("*") if path.is_file())
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found}

    client.get("/search", params={"q": "egg"})  # what is made for the first query is there
    before = files()
    for path in PATHS:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
            answer = client.request(method, path, params=PARAMETERS, json={"input": "egg"})
            assert answer.status_code < 500, (method, path)
            if method not in ("GET", "POST"):
                assert answer.status_code in (404, 405), (method, path)
    assert files() == before


def test_keys_are_in_no_log(collection: Path, a_bug: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="i3_pyserini")
    caplog.set_level(logging.DEBUG, logger="uvicorn")
    client = client_for(app_of(collection, key=KEY))
    for headers in (
        {"Authorization": f"Bearer {KEY}"},
        {"X-API-Key": KEY},
        {"Authorization": f"Bearer {KEY}-wrong"},
    ):
        client.get("/v1/index/search", params={"query": "egg"}, headers=headers)
    assert a_bug in caplog.text  # the log is the one that would have it
    assert KEY not in caplog.text
