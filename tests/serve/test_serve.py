"""The page, asked for as a browser does."""

import json
import re
import shutil
import socket
from collections.abc import Callable
from html import escape, unescape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Scores
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.app import make_app
from i3_pyserini.serve.limits import LONGEST_QUERY
from i3_pyserini.serve.passages import Passages, Sources
from i3_pyserini.serve.shield import HEADERS
from tests.encode.indexes import edit_manifest
from tests.search.test_searcher import write_index
from tests.serve.conftest import SCRIPT, TEXTS


def client_of(
    collection: Path,
    model: str = "model",
    index: str = "index",
    bm25: bool = True,
    hits: int = len(TEXTS),
) -> TestClient:
    searcher = Searcher(collection / index, load_query_encoder(str(collection / model)))
    passages = Passages(searcher, Sources(collection / "corpus.jsonl", bm25=bm25))
    app = make_app(passages, hits, ["page.example"])
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client(collection: Path) -> TestClient:
    return client_of(collection)


def hits_of(page: str) -> int:
    return page.count("<li id=")


def test_ranked_passages(client: TestClient) -> None:
    page = client.get("/", params={"q": "boiling eggs"})
    assert page.status_code == 200
    dense, sparse = page.text.split('<section id="words"')
    assert hits_of(dense) == len(TEXTS) and hits_of(sparse) == 1
    assert "how long to <mark>boil</mark> an <mark>egg</mark> in hot water" in sparse
    assert dense.count("Words #1<") == 1 and re.search(r"Vectors #\d<", sparse)
    assert "BM25 (SQLite, k1 1.2, b 0.75)" in sparse
    assert re.search(r"Found in \d+ ms · 1 of the first 4 by vectors is among", page.text)


def test_views(client: TestClient) -> None:
    def view(name: str, query: str = "boil an egg") -> str:
        return client.get("/", params={"q": query, "view": name}).text

    words = view("words")
    assert hits_of(words) == 1 and 'id="vectors"' not in words
    assert 'href="/?q=boil+an+egg&amp;view=fused"' in words
    assert re.search(r'view=words"[^>]* aria-current="page"', words)
    assert '<input type="hidden" name="view" value="words">' in words
    fused = view("fused")
    assert hits_of(fused) == len(TEXTS) and "1 / (60 + rank)" in fused
    assert "No passage has any of these words" in view("words", "zebra")
    assert hits_of(view("fused", "zebra")) == len(TEXTS)


def test_ids_and_scores_are_the_searcher_s(client: TestClient, collection: Path) -> None:
    searcher = Searcher(collection / "index", load_query_encoder(str(collection / "model")))
    hits = searcher.search_arrays(["boil an egg"], len(TEXTS))
    text = client.get("/", params={"q": "boil an egg", "view": "vectors"}).text
    shown = re.findall(r'score (.+?) · <span class="id">(.+?)</span>', text)
    ranked = zip(hits.scores[0].tolist(), hits.rows[0].tolist(), strict=True)
    assert shown == [(f"{score:.4f}", escape(searcher.docids[row])) for score, row in ranked]


def test_without_bm25(collection: Path) -> None:
    client = client_of(collection, bm25=False)
    text = client.get("/", params={"q": "boil an egg"}).text
    assert "BM25" not in text and hits_of(text) == len(TEXTS) and "<nav" not in text
    assert "BM25" not in client.get("/").text
    assert client.get("/", params={"q": "egg", "view": "words"}).status_code == 400


def test_the_start(client: TestClient) -> None:
    page = client.get("/").text
    assert "4 passages" in page and "BM25" in page and "<nav" not in page
    assert "titles of passages" in page
    address = re.findall(r'<a class="example" href="(.+?)"', page)[0]
    assert hits_of(client.get(unescape(address)).text) > 0
    empty = client.get("/", params={"q": "  "})
    assert empty.status_code == 200 and "The query is empty" in empty.text
    assert "The query is empty" not in page


def test_stop_words_count_where_there_are_no_others(client: TestClient) -> None:
    def found(query: str) -> int:
        return hits_of(client.get("/", params={"q": query, "view": "words"}).text)

    assert found("how to photosynthesis") == 1
    assert found("how to") == 1
    assert found("zebra") == 0


def test_words_of_a_vector(client: TestClient, collection: Path) -> None:
    from i3_pyserini.model.export import load_model_directory
    from i3_pyserini.model.pseudo_query import explain

    found = client.get("/words", params={"id": "evil"}).json()["words"]
    model, tokenizer = load_model_directory(collection / "model")
    title = f"title {SCRIPT}"
    expected = explain(model, tokenizer, TEXTS["evil"], title, top=12, memory="vector")
    assert [word["word"] for word in found] == [word.word for word in expected] and found
    np.testing.assert_allclose(
        [w["weight"] for w in found], [w.weight for w in expected], rtol=1e-5
    )
    for docid in ("absent", "", "../../etc/passwd", "x" * 2000):
        assert client.get("/words", params={"id": docid}).status_code == 404


def test_words_are_of_what_was_encoded(collection: Path, tmp_path: Path) -> None:
    from i3_pyserini.model.export import load_model_directory
    from i3_pyserini.model.pseudo_query import explain

    shutil.copytree(collection, tmp_path / "copy")
    index = tmp_path / "copy" / "index"
    (index / "manifest.json").write_text("{}", encoding="utf-8")
    edit_manifest(index, titles=False)
    found = client_of(tmp_path / "copy").get("/words", params={"id": "evil"}).json()["words"]
    model, tokenizer = load_model_directory(collection / "model")
    with_title, without = (
        [
            word.weight
            for word in explain(model, tokenizer, TEXTS["evil"], title, top=12, memory="vector")
        ]
        for title in (f"title {SCRIPT}", None)
    )
    np.testing.assert_allclose([word["weight"] for word in found], without, rtol=1e-5)
    assert with_title != pytest.approx(without, rel=1e-4)
    edit_manifest(index, titles=True, corpus={"fields": ["text"]})
    found = client_of(tmp_path / "copy").get("/words", params={"id": "evil"}).json()["words"]
    np.testing.assert_allclose([word["weight"] for word in found], without, rtol=1e-5)
    edit_manifest(index, corpus={"fields": ["abstract"]})
    with pytest.raises(I3Error, match="no field 'abstract'"):
        client_of(tmp_path / "copy")


def test_a_plain_dual_encoder_has_no_words(collection: Path) -> None:
    client = client_of(collection, model="plain")
    page = client.get("/", params={"q": "egg"}).text
    assert "has no query reconstructor" in page and "data-id" not in page
    assert client.get("/words", params={"id": "eggs"}).json() == {"words": []}


def test_a_reconstructor_that_never_learnt_has_no_words(collection: Path, tmp_path: Path) -> None:
    shutil.copytree(collection, tmp_path / "copy")
    config = tmp_path / "copy" / "model" / "config.json"
    config.write_text(
        json.dumps({**json.loads(config.read_text(encoding="utf-8")), "reconstructor_steps": 0}),
        encoding="utf-8",
    )
    client = client_of(tmp_path / "copy", model=str(tmp_path / "copy" / "model"))
    page = client.get("/", params={"q": "egg"}).text
    assert "never trained" in page and "data-id" not in page
    assert client.get("/words", params={"id": "evil"}).json() == {"words": []}


def test_everything_is_escaped(client: TestClient) -> None:
    page = client.get("/", params={"q": f'water "{SCRIPT}'})
    assert page.status_code == 200
    assert "<script>document" not in page.text and "<img" not in page.text
    whole = client.get("/", params={"q": "boil"}).text  # as it is
    assert "water &lt;script&gt;document.title" in whole and "<script>document" not in whole
    assert 'data-id="&lt;b&gt;&amp;id"' in page.text and "<b>&id" not in page.text


@pytest.mark.parametrize(
    "query", ['"', "_", "AND OR NOT", "a* NEAR(b)", "'; DROP TABLE", "水", "\0"]
)
def test_queries_are_words_and_nothing_else(client: TestClient, query: str) -> None:
    assert client.get("/", params={"q": query}).status_code == 200


def test_the_longest_query(client: TestClient) -> None:
    letters = " ".join(chr(0x4E00 + number) for number in range(LONGEST_QUERY // 2))
    assert client.get("/", params={"q": letters}).status_code == 200
    page = client.get("/", params={"q": "x" * (LONGEST_QUERY + 1)})
    assert page.status_code == 400
    assert "The query has 1,001 characters; 1,000 are allowed." in page.text
    assert hits_of(page.text) == 0


def test_what_is_refused(client: TestClient) -> None:
    assert client.post("/").status_code == 405
    for path in (
        "/corpus.jsonl",
        "/../corpus.jsonl",
        "/page.html",
        "/%2e%2e/app.py",
        "//etc/passwd",
    ):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("10.1.2.3", 200),
        ("page.example", 200),
        ("elsewhere.example", 400),
        ("127.0.0.1.elsewhere.example", 400),
        ("elsewhere.example:127", 400),
        ("", 400),
        ("[::1", 400),
    ],
)
def test_names_that_are_not_ours(client: TestClient, host: str, status: int) -> None:
    assert client.get("/", headers={"host": host}).status_code == status


def test_headers_of_every_answer(client: TestClient) -> None:
    answers = [
        client.get("/", params={"q": "egg"}),
        client.get("/words", params={"id": "absent"}),
        client.get("/search", params={"q": "egg"}),
        client.get("/page.js"),
        client.get("/nowhere"),
        client.post("/"),
        client.get("/", headers={"host": "elsewhere.example"}),
    ]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_a_passage_that_is_gone(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i3_pyserini.serve.passages.CHECKED", 1)  # the first and the last
    vectors = np.ones((3, 32), dtype=np.float32)
    index = write_index(tmp_path / "index", vectors, ["eggs", "absent", "plant"])
    client = client_of(collection, index=str(index), hits=3)
    page = client.get("/", params={"q": "egg"})
    assert page.status_code == 200 and page.text.count("(not in the collection)") == 1
    hits = client.get("/search", params={"q": "egg"}).json()["results"]["vectors"]
    assert [hit["text"] is None for hit in hits] == [hit["id"] == "absent" for hit in hits]


def test_more_hits_than_passages_are_all_passages(collection: Path) -> None:
    page = client_of(collection, bm25=False, hits=len(TEXTS) + 1).get("/", params={"q": "egg"})
    assert page.status_code == 200 and hits_of(page.text) == len(TEXTS)


def test_a_search_that_fails(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(*_: object) -> Scores:
        return np.full((1, 32), np.nan, dtype=np.float32)

    monkeypatch.setattr("i3_pyserini.encode.query_encoders.NumpyQueryEncoder.encode", encode)
    client = client_of(collection)
    page = client.get("/", params={"q": "egg"})
    assert page.status_code == 500 and "its vector is not finite" in page.text
    answer = client.get("/search", params={"q": "egg"})
    assert answer.status_code == 500 and "not finite" in answer.json()["error"]


def test_another_collection(collection: Path, tmp_path: Path) -> None:
    foreign = write_index(tmp_path / "foreign", np.ones((2, 32), dtype=np.float32), ["eggs", "d1"])
    searcher = Searcher(foreign, load_query_encoder(str(collection / "model")))
    with pytest.raises(I3Error, match="passage 'd1' is not in"):
        Passages(searcher, Sources(collection / "corpus.jsonl"))


def test_a_damaged_index_of_words(collection: Path, tmp_path: Path) -> None:
    searcher = Searcher(collection / "index", load_query_encoder(str(collection / "model")))
    sources = Sources(collection / "corpus.jsonl", cache=tmp_path / "cache")
    Passages(searcher, sources)
    (words,) = (tmp_path / "cache").glob("*.words.sqlite")
    words.write_bytes(words.read_bytes()[:5000])
    with pytest.raises(I3Error, match=r"damaged .* remove it"):
        Passages(searcher, sources)


def test_command_mistakes(collection: Path, run_module: Callable[..., Any]) -> None:
    def mistake(*arguments: object) -> str:
        defaults: dict[object, object]
        defaults = {"--index": collection / "index", "--model": collection / "model"}
        defaults |= {"--corpus": collection / "corpus.jsonl", "--port": 0}
        given = defaults | dict(zip(arguments[::2], arguments[1::2], strict=True))
        words = [word for pair in given.items() for word in pair]
        done = run_module("i3_pyserini", "serve", *words)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        return str(done.stderr)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = mistake("--port", taken.getsockname()[1])
    assert "cannot listen (Address already in use)" in said
    assert "must be from 0 to" in mistake("--port", 99_999)
    assert "must be from 1 to 100" in mistake("--hits", 101)
    for origin in ("*", "shop.example", "https://shop.example/", "null", "ftp://a.example"):
        assert "is not an origin" in mistake("--origins", origin)
    assert "no such file or folder" in mistake("--corpus", collection / "absent")
    assert "not a Lucene index" in mistake("--bm25-index", collection / "index")
    index = collection / "of-another-model"
    shutil.copytree(collection / "index", index)
    (index / "manifest.json").write_text(
        '{"model": {"name": "other", "fingerprint": "0"}}', encoding="utf-8"
    )
    assert "encoded by another model (other)" in mistake("--index", index)


def test_help_answers_at_once(run_module: Callable[..., Any]) -> None:
    done = run_module("i3_pyserini", "serve", "--help")
    assert done.returncode == 0 and "--bm25-index" in done.stdout


def test_files_belong_to_the_package() -> None:
    files = resources.files("i3_pyserini.serve")
    for name in ("page.html", "page.js", "style.css"):
        text = files.joinpath(name).read_text("utf-8")
        assert "http:" not in text and "https:" not in text  # nothing from elsewhere
