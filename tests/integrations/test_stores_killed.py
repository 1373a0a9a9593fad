"""Loads that are killed (SIGKILL) within a call of the engine."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.integrations import load_index
from tests.integrations.stores import (
    ENGINES,
    address_of,
    assert_exact,
    exact_hits,
    hits_of,
    opened,
    random_vectors,
    rewrite,
    write_index,
)

pytestmark = pytest.mark.slow
PASSAGES, CHANGED, BATCH = 40, 16, 4
QUERIES = random_vectors(6, seed=1)
LOAD = """
import os, signal, sys, threading, time
from pathlib import Path
from i3_pyserini.integrations.copying import copy_index
from i3_pyserini.search.engine import open_engine

address, index, batch, method, calls = sys.argv[1:]
store, left = open_engine(address, create=True), int(calls)
change = getattr(store, method)

def call(*values):
    global left
    left -= 1
    if left:
        return change(*values)
    threading.Timer(0.003, os.kill, (os.getpid(), signal.SIGKILL)).start()
    change(*values)
    time.sleep(60)

setattr(store, method, call)
copy_index(store, Path(index), "p", int(batch))
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_killed_within_a_change(engine: str, tmp_path: Path) -> None:
    """A search refuses or is right, and the same load completes what was begun."""
    address, index = address_of(engine, tmp_path), tmp_path / "index"
    ids = [f"d{row}" for row in range(PASSAGES)]
    write_index(index, random_vectors(PASSAGES), ids)
    before, wanted = [], exact_hits(index, QUERIES, 10)
    # Milvus Lite killed while it makes a collection may leave a folder that it then refuses.
    first = ("upsert", 1) if engine == "milvus" else ("create", 1)
    killed_in = [first, ("upsert", 3), ("write_record", 1), ("delete", 1)]
    for turn, (method, calls) in enumerate([*killed_in, ("write_record", 2)]):
        if turn:
            before, vectors = exact_hits(index, QUERIES, 10), random_vectors(PASSAGES)
            vectors[-CHANGED:] = random_vectors(CHANGED, seed=10 + turn)
            rewrite(index, vectors[turn:], ids[turn:])
            wanted = exact_hits(index, QUERIES, 10)
        words = (address, str(index), str(BATCH), method, str(calls))
        command = [sys.executable, "-c", LOAD, *words]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        with opened(engine, tmp_path, memory=False) as store:
            found = _searched(store)
        # Nothing but the first and the last record may have been written or not.
        possible = {("write_record", 1): [before], ("write_record", 2): [wanted]}
        assert found is None or found in possible.get((method, calls), []), method
        done = load_index(index, engine=address, collection="p", batch_size=5)
        assert done.passages == PASSAGES - turn
        assert done.sent <= (CHANGED if turn else PASSAGES)
        if turn and method == "upsert":  # what the calls before took is not sent again
            assert 0 < done.sent <= CHANGED - BATCH
        with opened(engine, tmp_path, memory=False) as store:
            assert_exact(store, "p", index, QUERIES)


def _searched(store: Any) -> list[list[str]] | None:
    """The hits; None if the search is refused."""
    try:
        return hits_of(store, "p", QUERIES, 10)
    except I3Error as error:
        assert "not completely loaded" in str(error) or "no collection 'p'" in str(error)
        return None
