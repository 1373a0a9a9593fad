"""The rankings behind the page, and the HTTP API."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.search.fuse import fuse_runs
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.app import make_app
from i3_pyserini.serve.bm25 import SqliteBm25
from i3_pyserini.serve.passages import Passages, Sources
from i3_pyserini.serve.rankings import DEPTH, fused_hits
from tests.search.test_searcher import write_index

COUNT = 120
KEPT = ("price", "url", "note")


@pytest.fixture(scope="module")
def passages(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Passages:
    """120 passages with metadata, of which every third has the word "egg"."""
    folder = tmp_path_factory.mktemp("many")
    lines = []
    for row in range(COUNT):
        text = f"passage {row} {'egg ' * (row % 3 == 0)}{'water ' * (row % 5)}"
        kept: dict[str, Any] = {"price": row / 2, "url": f"https://example.org/{row}"}
        kept["note"] = "javascript:alert(1)" if row % 2 else "<b>&</b>"
        lines.append(json.dumps({"id": f"d{row}", "title": f"T {row}", "text": text, **kept}))
    corpus = folder / "corpus" / "corpus.jsonl"
    corpus.parent.mkdir()
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    known = {"collection": "shop", "metadata": dict.fromkeys(KEPT, "text")}
    (folder / "manifest.json").write_text(json.dumps(known), encoding="utf-8")
    vectors = np.random.default_rng(0).normal(size=(COUNT, 32)).astype(np.float32)
    write_index(folder / "index", vectors, [f"d{row}" for row in range(COUNT)])
    searcher = Searcher(folder / "index", load_query_encoder(str(collection / "plain")))
    return Passages(searcher, Sources(corpus))


@pytest.fixture(scope="module")
def client(passages: Passages) -> TestClient:
    return TestClient(make_app(passages, 10, ["page.example"]), base_url="http://127.0.0.1")


def ask(client: TestClient, **given: Any) -> dict[str, Any]:
    answer = client.get("/search", params={"q": "egg water", **given})
    assert answer.status_code == 200
    return dict(answer.json())


def test_results_as_json(client: TestClient) -> None:
    found = ask(client)
    assert (found["query"], found["view"]) == ("egg water", "both")
    assert 0 < found["milliseconds"] < 60_000
    vectors, words = (found["results"][name] for name in ("vectors", "words"))
    assert [hit["rank"] for hit in vectors] == list(range(1, 11))
    hit = words[0]
    row = int(hit["id"].removeprefix("d"))
    assert row % 3 == 0 and hit["title"] == f"T {row}" and hit["text"].startswith("passage")
    assert hit["metadata"]["price"] == row / 2
    everything = ask(client, view="vectors", hits=100)["results"]["vectors"]
    ranks = {hit["id"]: hit["rank"] for hit in everything}
    assert [hit["ranks"].get("vectors") for hit in words] == [ranks.get(h["id"]) for h in words]


def test_a_batch_of_searches_with_different_numbers_of_hits(passages: Passages) -> None:
    asked = [("egg", 2), ("water", 5), ("passage", 2), ("egg water", 1)]
    together = passages.rankers._search(asked)
    alone = [passages.rankers._search([one])[0] for one in asked]
    assert [len(hits) for hits, _ in together] == [hits for _, hits in asked]
    for (one, _), (other, _) in zip(together, alone, strict=True):
        assert [docid for docid, _ in one] == [docid for docid, _ in other]
        np.testing.assert_allclose([s for _, s in one], [s for _, s in other], rtol=1e-5)


def test_fused_as_the_command_fuses(client: TestClient, tmp_path: Path) -> None:
    found = ask(client, hits=DEPTH)["results"]
    for name, hits in found.items():
        lines = [f"1 Q0 {hit['id']} {hit['rank']} {hit['score']} x\n" for hit in hits]
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    runs = [tmp_path / "vectors", tmp_path / "words"]
    fuse_runs(runs, output=tmp_path / "fused", hits=DEPTH)
    expected = read_run(tmp_path / "fused").table
    fused = ask(client, view="fused", hits=DEPTH)["results"]["fused"]
    assert [hit["id"] for hit in fused] == expected["doc_id"].to_list()
    np.testing.assert_allclose([h["score"] for h in fused], expected["score"], rtol=1e-5)
    ranks = {name: {hit["id"]: hit["rank"] for hit in hits} for name, hits in found.items()}
    for hit in fused:
        assert hit["ranks"] == {
            name: places[hit["id"]] for name, places in ranks.items() if hit["id"] in places
        }


def test_a_ranking_without_hits_is_fused() -> None:
    fused = fused_hits([("a", 2.0), ("b", 1.0)], [])
    assert [docid for docid, _ in fused] == ["a", "b"]
    np.testing.assert_allclose([score for _, score in fused], [1 / 61, 1 / 62], rtol=1e-6)
    assert fused_hits([], []) == []


def test_more_hits(client: TestClient) -> None:
    def page(hits: int, view: str = "both") -> str:
        return client.get("/", params={"q": "egg", "hits": hits, "view": view}).text

    assert page(10).count("<li id=") == 20 and 'href="/?q=egg&amp;hits=20"' in page(10)
    assert page(20).count("<li id=") == 40 and 'data-first="21"' in page(20)
    assert "hits=100" in page(95) and "Show 5 more" in page(95)
    assert 'id="more"' not in page(100) and "100 passages of a ranking at most" in page(100)
    assert 'id="more"' not in page(50, "words")  # 40 passages have the word


@pytest.mark.parametrize(
    "given",
    [
        {"hits": 0},
        {"hits": 101},
        {"hits": "-1"},
        {"hits": "²"},
        {"hits": "1" * 5000},
        {"view": "<b>"},
        {"q": "x" * 1001},
    ],
)
def test_invalid_parameters(client: TestClient, given: dict[str, Any]) -> None:
    asked = {"q": "egg", **given}
    answer = client.get("/search", params=asked)
    assert answer.status_code == 400 and list(answer.json()) == ["error"]
    page = client.get("/", params=asked)
    assert page.status_code == 400 and "<li id=" not in page.text and "<b></p>" not in page.text


def test_an_empty_query_has_no_results(client: TestClient) -> None:
    for asked in ({}, {"q": " "}):
        answer = client.get("/search", params=asked)
        assert answer.status_code == 400 and "empty" in answer.json()["error"]


def test_metadata_is_shown(client: TestClient) -> None:
    page = client.get("/", params={"q": "egg", "view": "words"}).text
    assert page.count('target="_blank" rel="noopener noreferrer">https://example.org/') == 10
    assert "<dt>price:</dt>" in page and '<dd dir="auto">&lt;b&gt;&amp;&lt;/b&gt;</dd>' in page
    assert "<title>egg – shop</title>" in page
    assert "javascript:alert(1)" in page and 'href="javascript' not in page


@pytest.mark.parametrize("passages", [3, 60])
def test_equal_scores_of_words_are_in_the_order_of_runs(tmp_path: Path, passages: int) -> None:
    docids = [f"d{row}" for row in range(passages)]
    lines = [json.dumps({"id": docid, "text": "cold water"}) + "\n" for docid in docids]
    (tmp_path / "corpus.jsonl").write_text("".join(lines), encoding="utf-8")
    bm25 = SqliteBm25(open_store(tmp_path / "corpus.jsonl"))
    expected = sorted(docids, reverse=True)
    for hits in (1, 2, passages):
        assert [docid for docid, _ in bm25.search("water", hits)] == expected[:hits]
