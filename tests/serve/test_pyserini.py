"""Pyserini's own server beside ours, on the same indexes, and its description of it."""

import json
from collections.abc import Iterator
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from hypothesis import HealthCheck, given, settings
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.app import make_app
from i3_pyserini.serve.passages import Passages, Sources
from i3_pyserini.stock.java import find_java
from tests.conftest import Run
from tests.serve.conftest import client_for
from tests.stock.small import fill
from tests.stock.test_commands import run
from tests.stock.test_other_commands import served

__all__ = ["run"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(version("pyserini") < "2", reason="Pyserini 1.6 serves no local indexes"),
    pytest.mark.skipif(
        find_java()[0] is None, reason="stock Pyserini needs Java: pip install 'i3-pyserini[java]'"
    ),
]
INDEXES = """indexes:
  index-words: lucene
  index: {path: index, index_type: faiss, encoder: model/query_encoder, base_index: index-words}
"""
QUERY = "boil an egg in hot water"
EXAMPLES = 20


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Path:
    """As `tests.stock.small`, with the fields that Pyserini's indexes of texts need."""
    folder = tmp_path_factory.mktemp("both")
    fill(folder, tiny_bert)
    lines = [json.loads(one) for one in (folder / "corpus.jsonl").read_text("utf-8").splitlines()]
    texts = [json.dumps({"id": one["id"], "contents": one["text"]}) + "\n" for one in lines]
    (folder / "corpus.jsonl").write_text("".join(texts), encoding="utf-8")
    (folder / "texts").mkdir()
    (folder / "texts" / "corpus.jsonl").write_text("".join(texts), encoding="utf-8")
    (folder / "indexes.yaml").write_text(INDEXES, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def theirs(place: Path, run: Run) -> Iterator[str]:
    """The address of Pyserini's server."""
    run("i3_pyserini", "encode", "corpus.jsonl", "--model", "model", "--output", "index")
    run(
        "pyserini.index.lucene",
        *("--collection", "JsonCollection", "--generator", "DefaultLuceneDocumentGenerator"),
        *("--input", "texts", "--index", "lucene", "--storeRaw"),
    )
    with served(place, "--config", "indexes.yaml", "--no-prebuilt-indexes") as ask:
        yield ask._address


@pytest.fixture(scope="module")
def ours(place: Path, theirs: str) -> Starlette:
    searcher = Searcher(place / "index", load_query_encoder(str(place / "model")))
    sources = Sources(place / "corpus.jsonl", bm25_index=place / "lucene")
    return make_app(Passages(searcher, sources), 10, [])


SAME = [
    f"index/search?query={QUERY}",
    f"index-words/search?query={QUERY}",
    f"index-words/search?query={QUERY}&hits=3",
    f"index/search?query={QUERY}&hits=25&max_doc_length=7",
    "index-words/search?query=zebra",
    "index/doc/d7",
    "index-words/doc/d7?max_doc_length=4",
]
REFUSED = [
    "index/search",
    "index/search?query=",
    "index/search?query=egg&hits=0",
    "index/search?query=egg&hits=many",
    "index/search?query=egg&parse=perhaps",
    "index/search?query=egg&max_doc_length=0",
    "index/search?query=egg&max_doc_length=x",
    "index/search?query=egg&max_doc_length=5&parse=false",
    "index/search?query=egg&k1=0.9&b=0.4",
    "index-words/search?query=egg&k1=0.9",
    "other/search?query=egg",
    "index/doc/absent",
    "other/doc/d7",
    "index/doc/d7?parse=no",
    "index",
]


@pytest.mark.parametrize("address", SAME)
def test_answers_are_the_same(ours: Starlette, theirs: str, address: str) -> None:
    one = client_for(ours).get(f"/v1/{address}")
    other = requests.get(f"{theirs}/v1/{address}", timeout=60)
    assert (one.status_code, other.status_code) == (200, 200), other.text
    found, expected = one.json(), other.json()
    scores = (
        [hit.pop("score") for hit in both.get("candidates", [])] for both in (found, expected)
    )
    assert next(scores) == pytest.approx(next(scores), rel=1e-6)  # float32
    assert found == expected


def test_documents_as_text(ours: Starlette, theirs: str) -> None:
    address = f"/v1/index-words/search?query={QUERY}&parse=false"
    found = client_for(ours).get(address).json()["candidates"]
    expected = requests.get(f"{theirs}{address}", timeout=60).json()["candidates"]
    for one, other in zip(found, expected, strict=True):
        ours_, theirs_ = json.loads(one["doc"]), json.loads(other["doc"])
        assert list(ours_) == ["id", "text"] and list(theirs_) == ["id", "contents"]
        assert list(ours_.values()) == list(theirs_.values())


@pytest.mark.parametrize("address", REFUSED)
def test_the_same_is_refused(ours: Starlette, theirs: str, address: str) -> None:
    one = client_for(ours).get(f"/v1/{address}")
    other = requests.get(f"{theirs}/v1/{address}", timeout=60)
    assert one.status_code == other.status_code >= 400
    assert list(one.json()) == list(other.json()) == ["error"]
    assert isinstance(one.json()["error"], str)


def test_only_get(ours: Starlette, theirs: str) -> None:
    address = "/v1/index/search?query=egg"
    one, other = client_for(ours).post(address), requests.post(theirs + address, timeout=60)
    assert one.status_code == other.status_code == 405
    assert list(one.json()) == list(other.json())


def test_their_description_holds(ours: Starlette) -> None:
    import schemathesis
    from schemathesis import checks

    text = (resources.files("pyserini.server.rest") / "openapi.yaml").read_text("utf-8")
    described = yaml.safe_load(text)

    def described_by(_: Any) -> JSONResponse:
        return JSONResponse(described)

    app = Starlette(routes=[Route("/theirs.json", described_by), Mount("/", ours)])
    host = {"Host": "127.0.0.1"}
    schema: Any = schemathesis.openapi.from_asgi("/theirs.json", app, headers=host)
    operations = [one.ok() for one in schema.get_all_operations()]
    assert {one.path for one in operations} == {"/{index}/search", "/{index}/doc/{docid}"}
    # Not whether each valid request is accepted: they do not know our names and limits.
    wanted = {
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    }
    held = [check for check in checks.CHECKS.get_all() if check.__name__ in wanted]
    assert len(held) == len(wanted)
    seen: set[int] = set()
    for operation in operations:

        @given(operation.as_strategy())
        @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
        def check(case: Any) -> None:
            case.path_parameters["index"] = "index"
            if "docid" in case.path_parameters and len(case.path_parameters["docid"]) % 2:
                case.path_parameters["docid"] = "d7"
            answer = case.call(headers=host)
            seen.add(answer.status_code)
            case.validate_response(answer, checks=held)

        check()
    assert {200, 400, 404} <= seen


def test_the_paths_are_all(ours: Starlette) -> None:
    """Whatever else Pyserini's server describes one day, we notice."""
    text = (resources.files("pyserini.server.rest") / "openapi.yaml").read_text("utf-8")
    mine = TestClient(ours, base_url="http://127.0.0.1").get("/openapi.json").json()["paths"]
    for path, methods in yaml.safe_load(text)["paths"].items():
        operation = mine[f"/v1{path}"]
        assert set(methods) == set(operation)
        names = {(one["name"], one["in"]) for one in methods["get"]["parameters"]}
        own = {(one["name"], one["in"]) for one in operation["get"]["parameters"]}
        assert names - own <= {("k1", "query"), ("b", "query")} and not own - names
