"""Our vectors in Lucene, made and searched by stock Pyserini for real."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.encoded_queries import QUERIES, EncodedQueries, queries_as_bytes
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.vector_files import Kind, Shape, write_files
from i3_pyserini.stock.java import find_java
from i3_pyserini.stock.lucene_files import write_topics

Vectors = np.ndarray[Any, np.dtype[np.float32]]
PASSAGES, DIMENSION, HITS = 500, 24, 50
needs_java = pytest.mark.skipif(find_java()[0] is None, reason="stock Pyserini needs Java")


@pytest.fixture
def passages() -> Vectors:
    """Of various lengths, as those of models that do not normalize."""
    return np.random.default_rng(0).normal(size=(PASSAGES, DIMENSION)).astype(np.float32) * 3


@pytest.fixture
def queries(tmp_path: Path) -> Vectors:
    vectors = np.random.default_rng(1).normal(size=(12, DIMENSION)).astype(np.float32)
    topics = {f"q{number}": f"text {number}" for number in range(len(vectors))}
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / QUERIES).write_bytes(queries_as_bytes(topics, vectors))
    return vectors


def write(folder: Path, kind: Kind, vectors: Vectors) -> Path:
    ids = [f"d{number}" for number in range(len(vectors))]
    folder.mkdir()
    block = Block(ids, vectors, ["text"] * len(ids))
    write_files(kind, folder, [block], Shape(*vectors.shape))
    return folder


@pytest.mark.slow
@needs_java
@pytest.mark.parametrize(("kind", "stored"), [("flat", "jsonl"), ("hnsw", "faiss")])
def test_stock_search_finds_what_faiss_finds(
    kind: str,
    stored: Kind,
    passages: Vectors,
    queries: Vectors,
    tmp_path: Path,
    run_module: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from i3_pyserini.faiss_library import faiss
    from i3_pyserini.stock.java import java_environment

    for name, value in java_environment().items():
        monkeypatch.setenv(name, value)
    source, index = write(tmp_path / "vectors", stored, passages), tmp_path / "lucene"
    command = ("i3_pyserini", "index", "lucene", source, "--type", kind, "--output", index)
    done = run_module(*command)
    assert done.returncode == 0, done.stderr
    assert "500 passages" in done.stdout and "not all vectors are of unit length" in done.stderr
    assert json.loads((index / "manifest.json").read_text(encoding="utf-8"))["passages"] == PASSAGES
    assert not list(tmp_path.glob(".lucene*"))
    topics = tmp_path / "topics.jsonl"
    done = run_module(
        "i3_pyserini", "index", "lucene-topics", tmp_path / "queries", "--output", topics
    )
    assert done.returncode == 0, done.stderr
    stock = run_module(
        "pyserini.search.lucene",
        *("--dense", f"--{kind}", "--ef-search", PASSAGES, "--index", index, "--topics", topics),
        *("--hits", HITS, "--batch-size", 12, "--threads", 2, "--output", tmp_path / "run.txt"),
    )
    if "UnknownHostException: api.github.com" in stock.stderr:
        pytest.skip("Lucene's search of vectors in Pyserini 2 needs a network")
    assert stock.returncode == 0, stock.stderr
    scores, rows = faiss.knn(queries, passages, HITS, metric=faiss.METRIC_INNER_PRODUCT)
    run = read_run(tmp_path / "run.txt")
    found = run.table.to_pandas().groupby("query_id")
    assert len(found) == len(queries)
    for number in range(len(queries)):
        hits = found.get_group(f"q{number}")
        assert hits["doc_id"].tolist() == [f"d{row}" for row in rows[number]]
        assert hits["score"].to_numpy() == pytest.approx((1 + scores[number]) / 2, abs=1e-5)


@needs_java
def test_an_index_is_there_when_it_is_complete(
    passages: Vectors, tmp_path: Path, run_module: Callable[..., Any]
) -> None:
    source, index = write(tmp_path / "vectors", "jsonl", passages), tmp_path / "lucene"
    lines = (source / "embeddings.jsonl").read_text(encoding="utf-8").splitlines()
    damaged = [*lines[:-1], lines[-1][:40]]
    (source / "embeddings.jsonl").write_text("\n".join(damaged), encoding="utf-8")
    done = run_module("i3_pyserini", "index", "lucene", source, "--output", index)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "embeddings.jsonl, line 500" in done.stderr
    assert not index.exists() and not list(tmp_path.glob(".lucene*"))


def test_mistakes(queries: Vectors, tmp_path: Path, run_module: Callable[..., Any]) -> None:
    (tmp_path / "there").mkdir()
    command, topics = ("i3_pyserini", "index"), tmp_path / "topics.jsonl"
    encoded, new = tmp_path / "queries", tmp_path / "new"
    for arguments, said in (
        (("lucene", tmp_path, "--output", tmp_path / "there"), "exists; remove it"),
        (("lucene", tmp_path, "--output", new), "no vectors here"),
        (("lucene", tmp_path, "--output", new, "--m", 0), "m is 0, must be at least 1"),
        (("lucene-topics", tmp_path, "--output", topics), "no encoded queries here"),
        (("lucene-topics", encoded, "--output", tmp_path / "t.tsv"), "must end with .jsonl"),
        (("lucene-topics", encoded, "--output", tmp_path / "beir.jsonl"), "neither beir"),
    ):
        done = run_module(*command, *arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert said in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"there", "queries"}


@pytest.mark.parametrize("qid", ["007", "²"])
def test_ids_that_stock_search_would_change_are_refused(qid: str, tmp_path: Path) -> None:
    queries = EncodedQueries(
        tmp_path, {"7": 0, qid: 1}, np.ones((2, 4), dtype=np.float32), EncoderRecord()
    )
    with pytest.raises(I3Error, match=f"query id '{qid}'"):
        write_topics(queries, tmp_path / "topics.jsonl")
    assert not (tmp_path / "topics.jsonl").exists()
