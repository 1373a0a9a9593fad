"""Milvus Lite: the engine's embedded form, by the same calls as a cluster's."""

import contextlib
import importlib.util
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.encode.runner import run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.index import EncoderRecord, read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.search.searcher import Searcher
from tests.search.conftest import place
from tests.search.test_searcher import random_vectors, write_index

if importlib.util.find_spec("pymilvus") is None or importlib.util.find_spec("milvus_lite") is None:
    pytest.skip("needs an engine: pip install 'i3-pyserini[engine]'", allow_module_level=True)

from i3_pyserini.integrations.copying import copy_index
from i3_pyserini.integrations.milvus import Milvus
from i3_pyserini.search.engine import Collection, search_engine

PASSAGES = 500
__all__ = ["place"]  # a fixture


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", random_vectors(PASSAGES))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Milvus]:
    engine = Milvus(f"milvus:{tmp_path / 'engine.db'}", create=True)
    yield engine
    engine.close()


def assert_exact(
    engine: Milvus, name: str, index: Path, queries: Scores | None = None, k: int = 100
) -> None:
    """The engine's hits are those of exact search: the same ids in the same order."""
    searcher = Searcher(index)
    asked = random_vectors(5, searcher.dimension, seed=1) if queries is None else queries
    hits, docids = search_engine(engine, name, asked, k)
    exact = searcher.search_arrays(asked, k)
    assert docids.take(hits.rows.ravel()).to_list() == [f"d{row}" for row in exact.rows.ravel()]
    np.testing.assert_allclose(hits.scores, exact.scores, rtol=1e-5, atol=1e-5)


def test_fewer_passages_than_hits(tmp_path: Path, engine: Milvus) -> None:
    copy_index(engine, write_index(tmp_path / "few", random_vectors(3)), "few")
    hits, _ = search_engine(engine, "few", random_vectors(2, seed=1), 5)
    assert (hits.rows >= 0).sum(axis=1).tolist() == [3, 3]
    assert np.isneginf(hits.scores[:, 3:]).all()


def test_a_load_that_ended_before_its_first_row_goes_on(
    index: Path, engine: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engine._client, "create_index", _raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            copy_index(engine, index, "passages")
    with pytest.raises(I3Error, match="'passages' is not completely loaded"):
        search_engine(engine, "passages", random_vectors(1), 3)
    assert copy_index(engine, index, "passages").sent == PASSAGES
    assert_exact(engine, "passages", index)


def _raise_interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("kind", "parameters"), [("HNSW", {"ef": 500}), ("IVF_FLAT", {"nprobe": 128})]
)
def test_the_engine_s_own_types(
    index: Path, tmp_path: Path, kind: str, parameters: dict[str, int]
) -> None:
    engine = Milvus(f"milvus:{tmp_path / 'own.db'}", create=True)
    copy_index(engine, index, "passages", kind=kind)
    engine.close()  # waits until the engine has built its index
    engine = Milvus(f"milvus:{tmp_path / 'own.db'}")
    poor = _recall(engine, index, dict.fromkeys(parameters, 1))
    rich = _recall(engine, index, parameters)
    assert poor < rich and rich > 0.99
    with pytest.raises(I3Error, match=f"is of type {kind}, not FLAT"):
        copy_index(engine, index, "passages")
    with pytest.raises(I3Error, match="type 'IVF_PQ': Milvus Lite has FLAT"):
        copy_index(engine, index, "other", kind="IVF_PQ")
    engine.close()


def _recall(engine: Milvus, index: Path, parameters: dict[str, int]) -> float:
    queries = random_vectors(20, seed=1)
    hits, docids = search_engine(engine, "passages", queries, 10, parameters)
    exact = Searcher(index).search_arrays(queries, 10)
    found = [{docids[row] for row in rows if row >= 0} for rows in hits.rows.tolist()]
    same = [len({f"d{row}" for row in rows} & found[q]) for q, rows in enumerate(exact.rows)]
    return sum(same) / exact.rows.size


def test_what_made_the_vectors_is_known(index: Path, place: Path, engine: Milvus) -> None:
    copy_index(engine, place / "index", "ours")
    copy_index(engine, index, "theirs")
    made_by = Collection(engine, "ours").made_by
    assert made_by == read_manifest(place / "index").encoder and made_by.fingerprint
    assert Collection(engine, "theirs").made_by == EncoderRecord()


def test_a_new_load_knows_the_prompts_of_an_index_with_equal_vectors(
    index: Path, engine: Milvus
) -> None:
    for prompt in ("query: ", "question: "):
        encoder = EncoderRecord(name="m", query_prompt=prompt)
        text = json.dumps({"model": encoder.to_json()})
        (index / "manifest.json").write_text(text, encoding="utf-8")
        copy_index(engine, index, "passages")
        assert Collection(engine, "passages").made_by.query_prompt == prompt


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("milvus:http://127.0.0.1:9", "cannot be reached"),
        ("milvus:/absent/folder/x.db", "no such folder"),
        ("milvus:no-suffix", "ends with .db"),
        ("elastic:x", "expected milvus:FILE.db"),
        ("milvus:", "expected milvus:FILE.db"),
    ],
)
def test_addresses_that_are_none(address: str, said: str) -> None:
    with pytest.raises(I3Error, match=said):
        Milvus(address, create=True)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="no such file"):
        Milvus(f"milvus:{tmp_path / 'typo.db'}")
    assert not (tmp_path / "typo.db").exists()
    (tmp_path / "file.db").write_text("SQLite format 3", encoding="utf-8")
    with pytest.raises(I3Error, match="is a file"):
        Milvus(f"milvus:{tmp_path / 'file.db'}", create=True)


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i3_pyserini.integrations.milvus_connection.CONNECT", 1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(I3Error, match="cannot be reached"),
    ):
        Milvus(f"milvus:http://127.0.0.1:{silent.getsockname()[1]}")


def test_a_server_over_the_network(
    index: Path, tmp_path: Path, run_module: Callable[..., Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = tmp_path / "server.db"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "milvus_lite", "server", "--data-dir", data),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"milvus:http://127.0.0.1:{port}"
    try:
        engine = _connected(address, server)
        assert copy_index(engine, index, "passages", batch=64).sent == PASSAGES
        assert_exact(engine, "passages", index)
        done = run_module(
            *("i3_pyserini", "index", "load", index, "--collection", "passages"),
            *("--engine", f"milvus:{data}"),
        )
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "does another process use it?" in done.stderr
    finally:
        server.kill()
        server.wait()
    with pytest.raises(I3Error, match=f"{address}: "):
        search_engine(engine, "passages", random_vectors(1), 3)
    engine.close()


def _connected(address: str, server: subprocess.Popen[bytes]) -> Milvus:
    while server.poll() is None:
        try:
            return Milvus(address)
        except I3Error:
            time.sleep(0.2)
    raise AssertionError("the server did not start")


@pytest.mark.slow
@pytest.mark.parametrize("after", [2, 9])
def test_a_killed_load_goes_on(tmp_path: Path, run_module: Callable[..., Any], after: int) -> None:
    """Killed when some megabytes of its 22 are there."""
    index = write_index(tmp_path / "index", random_vectors(15_000, 256))
    data = tmp_path / "engine.db"
    command = ("load", index, "--engine", f"milvus:{data}", "--collection", "p")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "i3_pyserini", "index", *map(str, command)),
            *("--batch-size", "50"),
        ],
        stdout=subprocess.DEVNULL,
    )
    while process.poll() is None and _size(data) < after << 20:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    engine = Milvus(f"milvus:{data}")
    with pytest.raises(I3Error, match="'p' is not completely loaded"):
        search_engine(engine, "p", random_vectors(1, 256), 3)
    engine.close()
    done = run_module("i3_pyserini", "index", *command)
    assert done.returncode == 0, done.stderr
    said = re.search(r"has 15,000 passages, ([\d,]+) of them sent now", done.stdout)
    assert said, done.stdout
    assert 0 < int(said[1].replace(",", "")) < 15_000 - 1000
    engine = Milvus(f"milvus:{data}")
    assert_exact(engine, "p", index)
    engine.close()


def _size(folder: Path) -> int:
    sizes = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # it is at work there
            sizes += path.stat().st_size
    return sizes


def test_search_command(place: Path, tmp_path: Path, run_module: Callable[..., Any]) -> None:
    engine = ("--engine", f"milvus:{tmp_path / 'engine.db'}", "--collection", "p")
    done = run_module("i3_pyserini", "index", "load", place / "index", *engine)
    assert done.returncode == 0, done.stderr
    search = ("i3_pyserini.search", "--topics", place / "topics.tsv")
    output = ("--output", tmp_path / "engine.txt")
    done = run_module(*search, *engine, *output, "--hits", 10)  # the encoder that was loaded
    assert done.returncode == 0, done.stderr
    index = ("--index", place / "index", "--output", tmp_path / "index.txt")
    assert run_module(*search, *index, "--hits", 10).returncode == 0
    files = [tmp_path / f"{name}.txt" for name in ("engine", "index")]
    runs = [file.read_text(encoding="utf-8").split("\n") for file in files]
    scores = [[float(line.split()[4]) for line in run if line] for run in runs]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)
    (tmp_path / "engine.txt").unlink()
    done = run_module(*search, *engine[:2], "--collection", "absent", *output)
    assert done.returncode == 2 and "no collection 'absent'; available: p" in done.stderr
    assert not (tmp_path / "engine.txt").exists()


def test_queries_are_pooled_as_the_passages_that_were_loaded(
    tmp_path: Path, tiny_bert: str, run_module: Callable[..., Any]
) -> None:
    lines = [
        f'{{"id": "d{n}", "text": "{word} egg in hot water"}}\n' for n, word in enumerate("abcdef")
    ]
    (tmp_path / "corpus.jsonl").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "topics.tsv").write_text("q1\thow long to boil an egg\n", encoding="utf-8")
    encoder = EncoderSpec(tiny_bert, "auto", settings=EncoderSettings("mean", True))
    run_encoding(Corpus(tmp_path / "corpus.jsonl"), encoder, IndexOutput(tmp_path / "index"))
    engine = ("--engine", f"milvus:{tmp_path / 'engine.db'}", "--collection", "p")
    done = run_module("i3_pyserini", "index", "load", tmp_path / "index", *engine)
    assert done.returncode == 0, done.stderr
    runs = []
    for where in (engine, ("--index", tmp_path / "index")):
        done = run_module(
            *("i3_pyserini.search", *where, "--topics", tmp_path / "topics.tsv", "--hits", 6),
            *("--encoder", tiny_bert, "--output", tmp_path / "run.txt", "--overwrite"),
        )
        assert done.returncode == 0, done.stderr
        run = (tmp_path / "run.txt").read_text(encoding="utf-8")
        rows = [line.split() for line in run.splitlines()]
        runs.append([float(row[4]) for row in rows])
    np.testing.assert_allclose(runs[0], runs[1], atol=1e-5)
