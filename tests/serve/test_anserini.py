"""Anserini's REST form."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from i3_pyserini.serve.anserini import LONGEST, MOST
from tests.serve.conftest import LONG, TEXTS, app_of, client_for
from tests.serve.test_windows import place

__all__ = ["place"]


def ask(api: TestClient, index: str = "index", **given: Any) -> dict[str, Any]:
    answer = api.get(f"/v1/{index}/search", params={"query": "boil an egg", **given})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_hits_are_the_page_s(api: TestClient) -> None:
    page = api.get("/search", params={"q": "boil an egg", "view": "both"}).json()["results"]
    page |= api.get("/search", params={"q": "boil an egg", "view": "fused"}).json()["results"]
    for index, name in (("index", "vectors"), ("index-words", "words"), ("index-fused", "fused")):
        found = ask(api, index)
        assert (found["api"], found["index"]) == ("v1", index)
        assert found["query"] == {"text": "boil an egg"}
        hits = found["candidates"]
        expected = [(hit["rank"], hit["id"], round(hit["score"], 6)) for hit in page[name]]
        assert [(hit["rank"], hit["docid"], hit["score"]) for hit in hits] == expected != []


def test_documents(api: TestClient) -> None:
    docs = {hit["docid"]: hit["doc"] for hit in ask(api)["candidates"]}
    assert docs["eggs"] == TEXTS["eggs"]  # one field is shown without its name
    assert list(docs["evil"]) == ["title", "text"] and docs["evil"]["text"] == TEXTS["evil"]
    short = {hit["docid"]: hit["doc"] for hit in ask(api, max_doc_length=4)["candidates"]}
    assert short["plant"] == LONG[:4]
    assert short["evil"] == {"title": docs["evil"]["title"], "text": TEXTS["evil"][:4]}
    for hit in ask(api, parse="False")["candidates"]:
        record = json.loads(hit["doc"])
        assert record["id"] == hit["docid"] and record["text"] == TEXTS[hit["docid"]]


def test_an_index_named_as_another_address(collection: Path, tmp_path: Path) -> None:
    shutil.copytree(collection, tmp_path / "copy")
    (tmp_path / "copy" / "index").rename(tmp_path / "copy" / "models")
    api = client_for(app_of(tmp_path / "copy", bm25=False, index="models"))
    assert ask(api, "models")["candidates"]
    assert api.get("/v1/models").json()["object"] == "list"


@pytest.mark.parametrize("quoted", ["%3Cb%3E&id", "%253Cb%253E%26id"])
def test_a_document_by_its_id(api: TestClient, quoted: str) -> None:
    found = api.get(f"/v1/index/doc/{quoted}").json()
    assert found == {"api": "v1", "index": "index", "docid": "<b>&id", "doc": "cold water"}


def test_an_index_by_its_path(api: TestClient, collection: Path) -> None:
    path = collection / "index"
    assert ask(api, f"{path}-words")["index"] == f"{path}-words"
    answer = api.get(f"/v1/{path}/doc/eggs")
    assert answer.json()["doc"] == TEXTS["eggs"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("index/search", 400),
        ("index/search?query=+", 400),
        (f"index/search?query={'x' * (LONGEST + 1)}", 400),
        ("other/search?query=egg", 400),
        ("index/search?query=egg&hits=0", 400),
        ("index/search?query=egg&hits=-1", 400),
        ("index/search?query=egg&hits=ten", 400),
        ("index/search?query=egg&hits=1.5", 400),
        ("index/search?query=egg&hits=1_0", 400),
        (f"index/search?query=egg&hits={MOST + 1}", 400),
        (f"index/search?query=egg&hits={'9' * 5000}", 400),
        ("index-fused/search?query=egg&hits=101", 400),
        ("index/search?query=egg&parse=yes", 400),
        ("index/search?query=egg&max_doc_length=0", 400),
        ("index/search?query=egg&parse=false&max_doc_length=5", 400),
        ("index/search?query=egg&k1=0.9&b=0.4", 400),
        ("index-words/search?query=egg&b=0.4", 400),
        ("index/doc/absent", 404),
        ("index/doc/..%2F..%2Fetc%2Fpasswd", 404),
        (f"index/doc/{'x' * 2000}", 404),
        ("other/doc/eggs", 400),
        ("index", 404),
        ("index/nothing", 404),
        ("index/search?query=egg&hits=&max_doc_length=", 200),
    ],
)
def test_what_is_refused(api: TestClient, address: str, status: int) -> None:
    answer = api.get(f"/v1/{address}")
    assert answer.status_code == status
    if status != 200:
        assert list(answer.json()) == ["error"] and isinstance(answer.json()["error"], str)
        assert len(answer.json()["error"]) < 200


def test_other_methods(api: TestClient) -> None:
    answer = api.post("/v1/index/search", params={"query": "egg"})
    assert answer.status_code == 405 and list(answer.json()) == ["error"]


def test_the_longest_query_of_words(api: TestClient) -> None:
    words = " ".join(f"{number:x}" for number in range(2000))[:LONGEST]
    assert ask(api, "index-fused", query=words)["candidates"]


def test_without_bm25(collection: Path) -> None:
    api = client_for(app_of(collection, bm25=False))
    assert ask(api)["candidates"]
    assert api.get("/v1/index-words/search?query=egg").status_code == 400


def test_windows(place: Path, collection: Path) -> None:
    from i3_pyserini.encode.query_encoders import load_query_encoder
    from i3_pyserini.search.searcher import Searcher
    from i3_pyserini.serve.app import make_app
    from i3_pyserini.serve.passages import Passages, Sources

    searcher = Searcher(place / "index", load_query_encoder(str(collection / "plain")))
    api = client_for(make_app(Passages(searcher, Sources()), 10, []))
    (hit, *_) = ask(api, "index-words", query="egg")["candidates"]
    document, _, number = hit["doc"]["window"].partition("#")
    assert document == hit["docid"] and "egg" in hit["doc"]["text"] and "start" not in hit["doc"]
    windows = api.get(f"/v1/index/doc/{document}").json()["doc"]
    assert windows[int(number)]["text"] == hit["doc"]["text"]
    whole = api.get(f"/v1/index/doc/{document}%23{number}").json()["doc"]
    assert whole["text"] == hit["doc"]["text"]
    raw = api.get(f"/v1/index/doc/{document}", params={"parse": "false"}).json()["doc"]
    assert json.loads(raw) == windows
    assert len(ask(api, query="water", hits=300)["candidates"]) == 130
