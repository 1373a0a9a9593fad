"""What else of stock Pyserini works with our models, indexes and runs, and where it does not."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from i3_pyserini.stock.java import find_java
from tests.conftest import Run
from tests.pages import block
from tests.stock.test_commands import HITS, index, place, ranking, run, search

__all__ = ["index", "place", "run"]  # fixtures
needs_java = pytest.mark.skipif(
    find_java()[0] is None, reason="stock Pyserini needs Java: pip install 'i3-pyserini[java]'"
)
pytestmark = needs_java
LENGTH = 32  # ids of a query of the model


@pytest.mark.slow
def test_pyserini_encodes_queries(place: Path, run: Run, index: Path) -> None:
    encoder = ("--encoder", "model/query_encoder")
    search(run, "pyserini.search.faiss", "fly.txt", *encoder, "--encoder-class", "auto")
    expected = ranking(place / "fly.txt")
    assert len(expected) == 5 * HITS
    same = {}
    for length in (LENGTH, 256):  # 256 is its default; the last query is longer than both
        output = f"queries-{length}"
        (place / output).mkdir()  # 1.6 makes no folder
        run(
            "pyserini.encode.query",
            *("--topics", "topics.tsv", *encoder),
            *("--output", f"{output}/embedding.pkl", "--max-length", length),
        )
        search(run, "pyserini.search.faiss", f"{output}.txt", "--encoded-queries", output)
        same[length] = ranking(place / f"{output}.txt") == expected
    assert same == {LENGTH: True, 256: False}


@pytest.mark.slow
def test_pyserini_fuses_our_runs(tmp_path: Path, run: Run, run_module: Run) -> None:
    for name, docids in (("a", "d1 d2 d3"), ("b", "d1 NA d3")):
        rows = [(qid, docid) for qid in ("q1", "q2") for docid in docids.split()]
        lines = [f"{q} Q0 {d} {n % 3 + 1} {9 - n % 3} {name}\n" for n, (q, d) in enumerate(rows)]
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    runs = (tmp_path / "a", tmp_path / "b")
    run("pyserini.fusion", "--runs", *runs, "--output", tmp_path / "stock")
    ours = run_module("i3_pyserini", "fuse", *runs, "--output", tmp_path / "ours")
    assert ours.returncode == 0, ours.stderr
    both = {"q1": ["d1", "d3", "d2"], "q2": ["d1", "d3", "d2"]}
    assert grouped(tmp_path / "stock") == both  # without the passage NA
    own = grouped(tmp_path / "ours")
    assert {qid: [d for d in docs if d != "NA"] for qid, docs in own.items()} == both
    assert all("NA" in docs for docs in own.values())
    (tmp_path / "b").write_text("007 Q0 d1 1 9 b\n7 Q0 d1 1 9 b\n", encoding="utf-8")
    run("pyserini.fusion", "--runs", tmp_path / "b", tmp_path / "b", "--output", tmp_path / "stock")
    assert ranking(tmp_path / "stock") == [("7", "d1")]  # two queries in one


def grouped(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for qid, docid in ranking(path):
        found.setdefault(qid, []).append(docid)
    return found


@pytest.mark.slow
@pytest.mark.skipif(version("pyserini") < "2", reason="Pyserini 1.6 serves no local indexes")
def test_pyserini_serves_our_indexes(place: Path, run: Run, index: Path) -> None:
    corpus = ("corpus.jsonl", "topics.tsv", "--output", "bm25.txt", "--hits", HITS)
    run("i3_pyserini", "bm25", *corpus, "--index", "lucene")
    search(
        run, "pyserini.search.faiss", "fly.txt",
        "--encoder", "model/query_encoder", "--encoder-class", "auto",
    )  # fmt: skip
    page = block("Pyserini's other commands", "yaml", "docs/how-to/pyserini.md")
    for name, here in (("LUCENE", "lucene"), ("INDEX", "index"), ("MODEL", "model")):
        page = page.replace(name, here)
    (place / "indexes.yaml").write_text(page, encoding="utf-8")
    qid, query = (place / "topics.tsv").read_text(encoding="utf-8").splitlines()[0].split("\t")
    with served(place, "--config", "indexes.yaml", "--no-prebuilt-indexes") as ask:
        for name, output in (("texts", "bm25.txt"), ("vectors", "fly.txt")):
            code, docids = ask(name, query)
            assert (code, docids) == (200, grouped(place / output)[qid])
    with served(place, "--config", "indexes.yaml") as ask:
        assert ask(str(place / "lucene"), query)[0] == 200
        assert ask(str(index), query) == (500, [])  # opened as Lucene
        assert ask("vectors", query) == (500, [])  # looked for among the prebuilt ones


@contextmanager
def served(folder: Path, *words: str) -> Iterator["Ask"]:
    """Pyserini's server, started in a folder through the plug-in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "i3_pyserini.plugin", "pyserini.server.rest"]
    command += ["--host", "127.0.0.1", "--port", port, *words]
    with (
        (folder / "server.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            ask = Ask(f"http://127.0.0.1:{port}")
            ask.wait(process)
            yield ask
        finally:
            process.terminate()


class Ask:
    """Asks a server of Pyserini's."""

    def __init__(self, address: str) -> None:
        self._address = address

    def wait(self, process: "subprocess.Popen[bytes]") -> None:
        while process.poll() is None:
            try:
                requests.get(f"{self._address}/openapi.yaml", timeout=60)
                return
            except requests.ConnectionError:
                time.sleep(0.2)
        raise AssertionError("the server has ended")

    def __call__(self, name: str, query: str) -> tuple[int, list[str]]:
        address = f"{self._address}/v1/{quote(name, safe='')}/search"
        answer = requests.get(address, {"query": query, "hits": str(HITS)}, timeout=60)
        hits = answer.json().get("candidates", [])
        return answer.status_code, [hit["docid"] for hit in hits]


@pytest.mark.slow
def test_a_missing_index_is_a_failure(place: Path, run: Run, run_module: Run) -> None:
    encoder = ("--encoder", place / "model" / "query_encoder", "--encoder-class", "auto")
    words = ("--index", place / "none", "--topics", place / "topics.tsv", *encoder)
    stock = ("pyserini.search.faiss", *words, "--output", place / "none.txt")
    run(*stock)  # exits with 0
    done = run_module("i3_pyserini.plugin", *stock)
    assert done.returncode == 2 and not (place / "none.txt").exists()
    assert done.stderr.splitlines()[-1].startswith("error: pyserini.search.faiss")


@pytest.mark.slow
def test_the_plugin_needs_no_network(place: Path) -> None:
    start = str(Path(__file__).parent / "start")  # which the tests' other processes have
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part != start]
    done = subprocess.run(
        [sys.executable, "-m", "i3_pyserini.plugin", "pyserini.search.lucene", "--help"],
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=place,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "https_proxy": "http://127.0.0.1:9",  # nothing listens there
        },
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "--impact" in done.stdout
    notes = [line for line in done.stderr.splitlines() if "no network" in line]
    assert len(notes) == (0 if version("pyserini") < "2" else 1)
