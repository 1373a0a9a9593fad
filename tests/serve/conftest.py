"""A collection with a passage that means harm, its index, and the models to search it with."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.app import make_app
from i3_pyserini.serve.passages import Passages, Sources
from tests.search.test_searcher import write_index

SCRIPT = "<script>document.title='taken over'</script>"
LONG = "light " + "plant " * 200 + "photosynthesis " + "y" * 300
TEXTS = {
    "eggs": "how long to boil an egg in hot water",
    "plant": LONG,
    "evil": f"water {SCRIPT} <img src=x onerror=\"document.title='taken over'\">",
    "<b>&id": "cold water",
}


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Path:
    """`model`, `plain` (without a reconstructor), `corpus.jsonl` and `index`; never changed."""
    folder = tmp_path_factory.mktemp("serve")
    for name, interaction in (("model", "released"), ("plain", "none")):
        model = I3Retriever.from_backbone(tiny_bert, interaction=interaction)
        model.config.reconstructor_steps = 9
        tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
        save_model_directory(model, tokenizer, folder / name)
    lines = [
        json.dumps(
            {"id": docid, "title": f"title {SCRIPT}" if docid == "evil" else "", "text": text}
        )
        for docid, text in TEXTS.items()
    ]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    vectors = load_query_encoder(str(folder / "model")).encode(list(TEXTS.values()))
    write_index(folder / "index", vectors, list(TEXTS))
    return folder


@pytest.fixture
def a_bug(monkeypatch: pytest.MonkeyPatch) -> str:
    """Lets every search fail by a bug of ours; what the bug says, which is for the log only."""
    said = "secret detail"

    def broken(*_: object) -> None:
        raise KeyError(said)

    monkeypatch.setattr("i3_pyserini.serve.rankings.Rankers.ranking", broken)
    return said


def app_of(
    collection: Path,
    bm25: bool = True,
    key: str | None = None,
    origins: Sequence[str] = (),
    index: str = "index",
) -> Starlette:
    """The application over `collection`."""
    searcher = Searcher(collection / index, load_query_encoder(str(collection / "model")))
    passages = Passages(searcher, Sources(collection / "corpus.jsonl", bm25=bm25))
    return make_app(passages, 10, [], key, origins)


@pytest.fixture(scope="session")
def app(collection: Path) -> Starlette:
    return app_of(collection)


@pytest.fixture(scope="session")
def api(app: Starlette) -> TestClient:
    return client_for(app)


def client_for(app: ASGIApp) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


@pytest.fixture(scope="session")
def address(app: Starlette) -> Iterator[str]:
    """The application behind a real server."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join()
