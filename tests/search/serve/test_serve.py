"""The page, asked for as a browser does; and in a browser."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.errors import I3Error
from i3_pyserini.search.query_encoders import load_query_encoder
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.serve.app import LONGEST_QUERY, make_app
from i3_pyserini.search.serve.passages import Passages
from tests.search.test_searcher import write_index

SCRIPT = "<script>document.title='taken over'</script>"
TEXTS = {
    "eggs": "how long to boil an egg in hot water",
    "plant": "photosynthesis light plant",
    "evil": f"water {SCRIPT} <img src=x onerror=\"document.title='taken over'\">",
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    model = I3Retriever.from_backbone(tiny_bert)
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, folder / "model")
    lines = [json.dumps({"id": i, "title": i.title(), "text": text}) for i, text in TEXTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    vectors = load_query_encoder(str(folder / "model")).encode(list(TEXTS.values()))
    write_index(folder / "index", vectors, list(TEXTS))
    return folder


def passages(collection: Path, bm25: bool = True, model: str = "model") -> Passages:
    searcher = Searcher(collection / "index", load_query_encoder(str(collection / model)))
    return Passages(searcher, collection / "corpus.jsonl", bm25)


@pytest.fixture(scope="module")
def client(collection: Path) -> TestClient:
    return TestClient(make_app(passages(collection), 3, ["127.0.0.1"]), base_url="http://127.0.0.1")


def test_ranked_passages(client: TestClient) -> None:
    page = client.get("/", params={"q": "boil an egg"})
    assert page.status_code == 200
    dense, sparse = page.text.split("<h2>BM25 (SQLite")
    assert all(docid in dense for docid in TEXTS)
    assert TEXTS["eggs"] in sparse and TEXTS["plant"] not in sparse
    assert "BM25: rank 1" in " ".join(dense.split())


def test_without_bm25(collection: Path) -> None:
    app = make_app(passages(collection, bm25=False), 2, ["*"])
    text = TestClient(app).get("/", params={"q": "boil an egg"}).text
    assert "SQLite" not in text and text.count("<li>") == 2


def test_words_of_a_vector(client: TestClient, collection: Path) -> None:
    from i3_pyserini.model.export import load_model_directory
    from i3_pyserini.model.pseudo_query import explain

    found = client.get("/words", params={"id": "eggs"}).json()["words"]
    model, tokenizer = load_model_directory(collection / "model")
    expected = explain(model, tokenizer, TEXTS["eggs"], "Eggs", top=12, memory="vector")
    assert [word["word"] for word in found] == [word.word for word in expected] and found
    for docid in ("absent", "", "../../etc/passwd", "x" * 2000):
        assert client.get("/words", params={"id": docid}).status_code == 404


def test_a_plain_dual_encoder_has_no_words(collection: Path, tiny_bert: str) -> None:
    model = I3Retriever.from_backbone(tiny_bert, interaction="none")
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, collection / "plain", overwrite=True)
    client = TestClient(make_app(passages(collection, model="plain"), 2, ["*"]))
    page = client.get("/", params={"q": "egg"}).text
    assert "has no query reconstructor" in page and "data-id" not in page
    assert client.get("/words", params={"id": "eggs"}).json() == {"words": []}


def test_everything_is_escaped(client: TestClient) -> None:
    page = client.get("/", params={"q": f'water "{SCRIPT}'})
    assert page.status_code == 200
    assert "<script>document" not in page.text and "<img" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]


@pytest.mark.parametrize("query", ['"', "AND OR NOT", "a* NEAR(b)", "'; DROP TABLE word; --", "水"])
def test_queries_are_words_and_nothing_else(client: TestClient, query: str) -> None:
    assert client.get("/", params={"q": query}).status_code == 200


def test_what_is_refused(client: TestClient, collection: Path) -> None:
    page = client.get("/", params={"q": "egg " * LONGEST_QUERY})
    assert page.status_code == 400 and "1,000 are allowed" in page.text
    assert client.get("/", headers={"host": "elsewhere.example"}).status_code == 400
    assert client.post("/").status_code == 405
    for path in ("/corpus.jsonl", "/../corpus.jsonl", "/page.html", "/%2e%2e/app.py"):
        assert client.get(path).status_code == 404
    foreign = write_index(collection / "foreign", np.ones((2, 32), dtype=np.float32))
    searcher = Searcher(foreign, load_query_encoder(str(collection / "model")))
    with pytest.raises(I3Error, match="passage 'd0' is not in"):
        Passages(searcher, collection / "corpus.jsonl", bm25=False)


def test_command_mistakes(collection: Path, run_module: Callable[..., Any]) -> None:
    command = (
        *("i3_pyserini.search", "serve", "--index", collection / "index"),
        *("--collection", collection / "corpus.jsonl", "--encoder", collection / "model"),
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_module(*command, "--port", port)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "cannot listen here (Address already in use)" in done.stderr
    done = run_module(*command, "--port", 99_999)
    assert done.returncode == 2 and "--port is from 0 to" in done.stderr


@pytest.fixture
def address(collection: Path) -> Iterator[str]:
    """Of the real command, in a process of its own."""
    command = [sys.executable, "-m", "i3_pyserini.search", "serve", "--port", "0"]
    command += ["--index", str(collection / "index"), "--encoder", str(collection / "model")]
    command += ["--collection", str(collection / "corpus.jsonl")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    yield process.stdout.readline().split()[0]
    process.terminate()
    process.wait(20)


@pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="needs a browser: apt install chromium chromium-driver",
)
def test_in_a_browser(address: str, tmp_path: Path) -> None:
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    options = ChromeOptions()
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking"):
        options.add_argument(f"--{flag}")
    for flag in ("disable-component-update", "disable-sync", "no-first-run", "disable-quic"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.binary_location = str(shutil.which("chromium"))
    browser = Chrome(options, ChromeService(shutil.which("chromedriver")))
    try:
        browser.set_window_size(390, 800)
        browser.get(address)
        browser.find_element(By.ID, "q").send_keys(f"hot water {SCRIPT}")
        browser.find_element(By.CSS_SELECTOR, "button").click()
        assert len(browser.find_elements(By.CSS_SELECTOR, "section")) == 2

        def all_there(page: Chrome) -> bool:
            words = page.find_elements(By.CSS_SELECTOR, ".words")
            return bool(words) and not any("…" in place.text for place in words)

        WebDriverWait(browser, 60).until(all_there)
        words = [place.text for place in browser.find_elements(By.CSS_SELECTOR, ".words")]
        assert not any("could not" in text for text in words)
        assert browser.find_element(By.ID, "q").get_attribute("value") == f"hot water {SCRIPT}"
        assert browser.title != "taken over"
        width = "return document.documentElement.scrollWidth - window.innerWidth"
        assert browser.execute_script(width) <= 0  # nothing sticks out on a phone
        if folder := os.environ.get("I3_SCREENSHOTS"):
            browser.save_screenshot(str(Path(folder) / "serve.png"))
    finally:
        browser.quit()
