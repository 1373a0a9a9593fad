"""Milvus Lite: the engine's embedded form, by the same calls as a cluster's."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.search.searcher import Searcher
from tests.search.test_searcher import random_vectors, write_index

if importlib.util.find_spec("pymilvus") is None or importlib.util.find_spec("milvus_lite") is None:
    pytest.skip("needs an engine: pip install 'i3-pyserini[engine]'", allow_module_level=True)

from i3_pyserini.search.engines.milvus import MOST_HITS, Milvus
from i3_pyserini.search.engines.search import search_engine

PASSAGES = 500


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", random_vectors(PASSAGES))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Milvus]:
    engine = Milvus(f"milvus:{tmp_path / 'engine.db'}")
    yield engine
    engine.close()


def test_hits_are_those_of_exact_search(index: Path, engine: Milvus) -> None:
    loaded = engine.load(index, "passages", batch=64)
    assert (loaded.passages, loaded.sent) == (PASSAGES, PASSAGES)
    queries = random_vectors(40, seed=1)
    hits, docids = search_engine(engine, "passages", queries, 20)
    searcher = Searcher(index)
    exact = searcher.search(queries, 20)
    found = [[docids[row] for row in rows] for rows in hits.rows.tolist()]
    assert found == [[searcher.docids[row] for row in rows] for rows in exact.rows.tolist()]
    np.testing.assert_allclose(hits.scores, exact.scores, atol=1e-5)


def test_fewer_passages_than_hits(tmp_path: Path, engine: Milvus) -> None:
    engine.load(write_index(tmp_path / "few", random_vectors(3)), "few")
    hits, _ = search_engine(engine, "few", random_vectors(2, seed=1), 5)
    assert (hits.rows >= 0).sum(axis=1).tolist() == [3, 3]
    assert np.isneginf(hits.scores[:, 3:]).all()


def test_what_is_there_is_not_sent_again(index: Path, engine: Milvus) -> None:
    engine.load(index, "passages", batch=64)
    again = engine.load(index, "passages", batch=64)
    assert (again.passages, again.sent) == (PASSAGES, PASSAGES % 64)


def test_mistakes(index: Path, tmp_path: Path, engine: Milvus) -> None:
    queries = random_vectors(2)
    with pytest.raises(I3Error, match="no collection 'absent'; there are none"):
        search_engine(engine, "absent", queries, 3)
    engine.load(index, "passages")
    for vectors, k, said in (
        (queries, MOST_HITS + 1, "asked for 16,385 hits"),
        (random_vectors(2, 8), 3, "16 dimensions, but the queries' have 8"),
    ):
        with pytest.raises(I3Error, match=said):
            search_engine(engine, "passages", vectors, k)
    other = write_index(tmp_path / "other", random_vectors(50, seed=5))
    with pytest.raises(I3Error, match="collection 'passages' is of another index"):
        engine.load(other, "passages")
    broken = random_vectors(50)
    broken[7] = np.inf
    with pytest.raises(I3Error, match="the vector of 'd7' is not finite"):
        engine.load(write_index(tmp_path / "broken", broken), "broken")
    with pytest.raises(I3Error, match="'broken' is not completely loaded"):
        search_engine(engine, "broken", queries, 3)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("milvus:http://127.0.0.1:9", "cannot be reached"),
        ("milvus:/absent/folder/x.db", "no such folder"),
        ("elastic:x", "expected milvus:FILE.db"),
        ("milvus:", "expected milvus:FILE.db"),
    ],
)
def test_addresses_that_are_none(address: str, said: str) -> None:
    with pytest.raises(I3Error, match=said):
        Milvus(address)


def test_a_killed_load_goes_on(tmp_path: Path, run_module: Callable[..., Any]) -> None:
    index = write_index(tmp_path / "index", random_vectors(20_000))
    address = f"milvus:{tmp_path / 'engine.db'}"
    command = ("load", index, "--engine", address, "--collection", "p", "--batch-size", 100)
    process = subprocess.Popen(
        [sys.executable, "-m", "i3_pyserini.search.engines", *map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stderr is not None
    for line in iter(lambda: process.stderr.read(40), ""):  # type: ignore[union-attr]
        if "%" in line and " 0%" not in line:
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = run_module("i3_pyserini.search.engines", *command)
    assert done.returncode == 0, done.stderr
    assert "has 20,000 passages" in done.stdout and "20,000 of them" not in done.stdout
    engine = Milvus(address)
    hits, docids = search_engine(engine, "p", random_vectors(5, seed=1), 100)
    engine.close()
    exact = Searcher(index).search(random_vectors(5, seed=1), 100)
    assert [docids[row] for row in hits.rows[0].tolist()] == [f"d{row}" for row in exact.rows[0]]


def test_search_command(place: Path, tmp_path: Path, run_module: Callable[..., Any]) -> None:
    engine = ("--engine", f"milvus:{tmp_path / 'engine.db'}", "--collection", "p")
    done = run_module("i3_pyserini.search.engines", "load", place / "index", *engine)
    assert done.returncode == 0, done.stderr
    search = ("i3_pyserini.search", "--topics", place / "topics.tsv")
    output = ("--output", tmp_path / "engine.txt")
    done = run_module(*search, *engine, *output, "--encoder", place / "model", "--hits", 10)
    assert done.returncode == 0, done.stderr
    index = ("--index", place / "index", "--output", tmp_path / "index.txt")
    assert run_module(*search, *index, "--hits", 10).returncode == 0
    runs = [(tmp_path / f"{name}.txt").read_text().split("\n") for name in ("engine", "index")]
    scores = [[float(line.split()[4]) for line in run if line] for run in runs]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)
    (tmp_path / "engine.txt").unlink()
    done = run_module(*search, *engine, *output)
    assert done.returncode == 2 and "name the model with --encoder" in done.stderr
    assert not (tmp_path / "engine.txt").exists()
