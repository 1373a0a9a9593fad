"""The page of an index of windows: documents with their best windows."""

import json
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.formats.chunks import ChunksRecord
from i3_pyserini.formats.index import CorpusRecord, IndexManifest
from i3_pyserini.search.found import PassageHit
from i3_pyserini.search.opened import open_index
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.app import make_app
from i3_pyserini.serve.passages import Passages, Sources
from tests.search.test_searcher import write_index

DOCUMENTS = 130
MARKUP = "<i>hot</i>"


@pytest.fixture(scope="module")
def place(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of one to three windows; "egg" is in one window of every second document.

    The first has 250 windows, all with the word, and with markup.
    """
    folder, lines, ids = tmp_path_factory.mktemp("windows"), [], []
    for number in range(DOCUMENTS):
        count, at = 250 if number == 0 else number % 3 + 1, 0
        for window in range(count):
            has = number == 0 or (number % 2 == 0 and window == count - 1)
            text = f"part {window} of {number} {'egg' if has else 'water'}"
            text = text if number else text.replace(" egg", f" {MARKUP} egg")
            ids.append(f"d{number}#{window}")
            record: dict[str, Any] = {"id": ids[-1], "title": f"T {number}", "text": text}
            lines.append(json.dumps({**record, "price": 3, "start": at, "end": at + len(text)}))
            at += len(text) + 1
    corpus = folder / "corpus" / "corpus.jsonl"
    corpus.parent.mkdir()
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    known = {"collection": "shop", "metadata": {"price": "integer"}}
    (folder / "manifest.json").write_text(json.dumps(known), encoding="utf-8")
    vectors = np.random.default_rng(0).normal(size=(len(ids), 32)).astype(np.float32)
    write_index(folder / "index", vectors, ids)
    encoded = CorpusRecord(path=str(corpus), chunks=ChunksRecord(by="tokens", size=8, overlap=0))
    IndexManifest(corpus=encoded, passages=len(ids)).write(folder / "index")
    return folder


@pytest.fixture(scope="module")
def client(place: Path, collection: Path) -> TestClient:
    searcher = Searcher(place / "index", load_query_encoder(str(collection / "plain")))
    app = make_app(Passages(searcher, Sources()), 10, [])
    return TestClient(app, base_url="http://127.0.0.1")


def ask(client: TestClient, **given: Any) -> dict[str, Any]:
    answer = client.get("/search", params={"q": "egg", **given})
    assert answer.status_code == 200
    return dict(answer.json()["results"])


def test_documents_with_their_best_windows(client: TestClient) -> None:
    found = ask(client, hits=100)
    assert [len(hits) for hits in found.values()] == [100, DOCUMENTS // 2]
    for hits in found.values():
        ids = [hit["id"] for hit in hits]
        assert len(set(ids)) == len(ids) and not any("#" in docid for docid in ids)
        for hit in hits:
            window = hit["window"]
            number = int(hit["id"].removeprefix("d"))
            assert window["id"] == f"{hit['id']}#{window['number'] - 1}"
            assert window["of"] == (250 if number == 0 else number % 3 + 1)
            assert hit["text"].startswith(f"part {window['number'] - 1} of {number} ")
            assert window["end"] - window["start"] == len(hit["text"])
            assert hit["metadata"] == {"price": 3} and hit["title"] == f"T {number}"
    assert all(hit["text"].endswith("egg") for hit in found["words"])
    ranks = {hit["id"]: hit["rank"] for hit in found["vectors"]}
    assert [hit["ranks"].get("vectors") for hit in found["words"]] == [
        ranks.get(hit["id"]) for hit in found["words"]
    ]


def test_fused_documents(client: TestClient) -> None:
    found, fused = ask(client, hits=100), ask(client, view="fused", hits=100)["fused"]
    ranks = [{hit["id"]: hit["rank"] for hit in hits} for hits in found.values()]
    expected = {
        docid: sum(1 / (60 + own[docid]) for own in ranks if docid in own)
        for docid in {*ranks[0], *ranks[1]}
    }
    scores = [expected[hit["id"]] for hit in fused]
    np.testing.assert_allclose([hit["score"] for hit in fused], scores, rtol=1e-6)
    assert scores == sorted(expected.values(), reverse=True)[:100]
    best = {hit["id"]: hit["window"]["id"] for hit in found["vectors"]}
    assert all(hit["window"]["id"] == best.get(hit["id"], hit["window"]["id"]) for hit in fused)


def test_all_windows_of_a_document(client: TestClient) -> None:
    answer = client.get("/windows", params={"id": "d5"})
    windows = answer.json()["windows"]
    assert [one["id"] for one in windows] == ["d5#0", "d5#1", "d5#2"]
    assert [one["number"] for one in windows] == [1, 2, 3] and {one["of"] for one in windows} == {3}
    assert windows[1]["text"] == "part 1 of 5 water"
    assert windows[1]["start"] == windows[0]["end"] + 1
    for docid in ("d5#0", "absent", "", "x" * 2000):
        assert client.get("/windows", params={"id": docid}).status_code == 404


def test_the_page_says_where_windows_stand(client: TestClient) -> None:
    start = client.get("/").text
    assert f"{DOCUMENTS:,} documents in" in start
    page = unescape(client.get("/", params={"q": "egg 0", "view": "words"}).text)
    assert " of 250, characters " in page
    assert "All 250 windows" in page and "All 1 windows" not in page
    assert "<dt>price:</dt>" in page and "<dt>start:</dt>" not in page


def test_an_index_in_python(place: Path, collection: Path, capsys: Any) -> None:
    index = open_index(place / "index", model=collection / "plain")
    hits = index.search("egg water", k=DOCUMENTS)
    assert capsys.readouterr().err.count("(MaxP)") == 1
    assert sorted(hit.docid for hit in hits) == sorted(f"d{n}" for n in range(DOCUMENTS))
    windows = index.search("egg water", k=len(index), documents="none")
    best: dict[str, PassageHit] = {}
    for window in windows:
        best.setdefault(window.docid.split("#")[0], window)
    for hit in hits:
        own = best[hit.docid]
        assert hit.window is not None and hit.window.id == own.docid and hit.text == own.text
        assert hit.score == pytest.approx(own.score, abs=1e-5)
        assert hit.metadata == {"price": 3}
        assert (own.metadata["start"], own.metadata["end"]) == (hit.window.start, hit.window.end)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert [one.text for one in index.windows("d1")] == ["part 0 of 1 water", "part 1 of 1 water"]
    several = index.search(["egg", "water"], k=3, documents="mean3")
    assert [len(own) for own in several] == [3, 3]
