"""Shards searched as tasks of real Ray clusters on this machine, one of which loses a node."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import IndexManifest
from i3_pyserini.search.options import Feedback
from tests.clusters import ROOT, group_of, started
from tests.search.shards import NUMBER, OWN, Tied, hits_of, make_shards
from tests.search.slow_search import notes_of, slowly

pytest.importorskip("ray", reason="Ray is not installed (extra: ray)")
HERE = rf"\(on machine {socket.gethostname()} of the cluster\)"
WAYS: list[dict[str, Any]] = [
    {"hits": 5, "documents": "none"},
    {"hits": 30, "documents": "none", "batch_size": 3},  # more than a shard has
    {"hits": 7, "documents": "none", "remove_query": True, "feedback": Feedback(prf_depth=3)},
    {"hits": 4, "documents": "max"},
    {"hits": 4, "documents": "mean3"},
]


@pytest.fixture(scope="module")
def tied(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Tied:
    make_shards(place, shards := tmp_path_factory.mktemp("shards"))
    return Tied(shards, tmp_path_factory.mktemp("tied"))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with started() as cluster:
        yield cluster.address


def searched(tied: Tied, index: Path, run: Path, **how: Any) -> str:
    """A run as it is in its file."""
    i3.search_topics(index, tied.topics, encoded_queries=tied.queries, output=run, **how)
    return run.read_text(encoding="utf-8")


@pytest.mark.slow
def test_runs_are_those_of_the_merged_index(tied: Tied, tmp_path: Path, address: str) -> None:
    opened = i3.open_index(tied.folder / "SHARD-*", ray=address, texts=False)
    with closing(opened.searcher):  # the connection of all searches
        for number, how in enumerate(WAYS):
            run = tmp_path / f"{number}.txt"
            expected = searched(tied, tied.folder / "merged", run, **how)
            if how["documents"] == "none" and "feedback" not in how:
                assert hits_of(run) == tied.expected(how["hits"])
            if how.get("remove_query"):
                assert (OWN, OWN) not in hits_of(run)
            for index in ("SHARD-*", "merged"):
                run = tmp_path / f"{number}-{index.strip('-*')}.txt"
                assert searched(tied, tied.folder / index, run, ray=address, **how) == expected


@pytest.mark.slow
def test_an_index_stays_connected(
    tied: Tied, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.chdir(tied.folder)  # workers are elsewhere
    index = i3.open_index("SHARD-*", ray=address, texts=False)
    merged = i3.open_index("merged", texts=False)
    queries = np.eye(2, index.dimension, dtype=np.float32)
    found, expected = (one.search(queries, 30, documents="none") for one in (index, merged))
    assert found == expected
    searched(tied, tied.folder / "SHARD-*", tmp_path / "run.txt", ray=address)
    assert ray.is_initialized()
    with pytest.raises(I3Error, match=r"--ray local: this program is already connected"):
        i3.open_index("merged", ray="local")
    shown = i3.search_topics("SHARD-*", query="hot eggs", hits=3, ray=address)
    assert shown == i3.search_topics("merged", query="hot eggs", hits=3)
    index.searcher.close()
    assert not ray.is_initialized()


@pytest.mark.slow
def test_a_shard_that_differs_on_a_machine(tied: Tied, tmp_path: Path, address: str) -> None:
    for number in range(NUMBER):
        shutil.copytree(tied.folder / f"SHARD-{number}", tmp_path / f"SHARD-{number}")
    index = i3.open_index(tmp_path / "SHARD-*", ray=address, texts=False)
    queries, shard = np.eye(2, index.dimension, dtype=np.float32), tmp_path / "SHARD-1"
    manifest = (shard / "manifest.json").read_bytes()
    try:
        IndexManifest(passages=3).write(shard)
        with pytest.raises(I3Error, match=rf"SHARD-1/manifest\.json: differs from .* {HERE}$"):
            index.searcher.search_arrays(queries)
        (shard / "manifest.json").write_bytes(manifest)
        index.searcher.search_arrays(queries)
        (shard / "index").write_bytes((tied.folder / "merged" / "index").read_bytes())
        with pytest.raises(I3Error, match=rf"SHARD-1/index: 60 vectors .* expected .*{HERE}$"):
            index.searcher.search_arrays(queries)
        (shard / "index").unlink()
        with pytest.raises(I3Error, match=rf"SHARD-1/index: cannot be read .*{HERE}$"):
            index.searcher.search_arrays(queries)
    finally:
        index.searcher.close()


@pytest.mark.slow
def test_a_node_that_is_killed_is_replaced(
    tied: Tied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i3_pyserini.search.cluster.search_file", slowly)
    (notes := notes_of(tied.folder)).mkdir()
    killed = []
    with started() as cluster:
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()

        def kill() -> None:
            while not list(notes.glob(f"{second.node_id} *")):
                time.sleep(0.05)
            cluster.remove_node(second, allow_graceful=False)
            killed.append(second)

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        run, ray = tmp_path / "run.txt", cluster.address
        searched(tied, tied.folder / "SHARD-*", run, hits=30, documents="none", ray=ray)
        thread.join(timeout=30)
    assert killed and hits_of(run) == tied.expected(30)
    assert len(list(notes.iterdir())) > NUMBER, "the node was killed after its task"


@pytest.mark.slow
def test_command_on_this_machine(tied: Tied, tmp_path: Path) -> None:
    words: list[str | Path] = [
        *(sys.executable, "-m", "i3_pyserini", "search", "SHARD-*", tied.topics, "--ray", "local"),
        *("--encoded-queries", tied.queries, "--hits", "30", "--documents", "none"),
        *("--output", tmp_path / "run.txt"),
    ]
    done = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=tied.folder,
        env={**os.environ, "PYTHONPATH": ROOT},
        start_new_session=True,
    )
    _, said = done.communicate(timeout=300)
    assert done.returncode == 0, said
    assert hits_of(tmp_path / "run.txt") == tied.expected(30)
    assert not group_of(done.pid)


@pytest.mark.parametrize(("ray", "said"), [("127.0.0.1:9", "no answer"), ("x", "cannot be used")])
def test_a_cluster_that_is_not_there(tied: Tied, tmp_path: Path, ray: str, said: str) -> None:
    with pytest.raises(I3Error, match=f"--ray {ray}: {said}"):
        searched(tied, tied.folder / "SHARD-*", tmp_path / "run.txt", ray=ray)
    assert not list(tmp_path.iterdir())
