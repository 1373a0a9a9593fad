"""Both vector engines in their embedded forms, for the same tests."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.formats.hits import Scores
from i3_pyserini.integrations.store import Store
from i3_pyserini.search.engine import open_engine, search_engine
from i3_pyserini.search.searcher import Searcher
from tests.search.test_searcher import random_vectors, write_index

ENGINES = {
    "milvus": (("pymilvus", "milvus_lite"), "needs an engine: pip install 'i3-pyserini[engine]'"),
    "qdrant": (("qdrant_client",), "needs Qdrant: pip install 'i3-pyserini[qdrant]'"),
}
CHANGES = ("upsert", "delete", "write_record", "flush")


def need(engine: str) -> None:
    """Skips a test without the engine's library."""
    modules, reason = ENGINES[engine]
    if any(importlib.util.find_spec(module) is None for module in modules):
        pytest.skip(reason)


def address_of(engine: str, folder: Path) -> str:
    """An embedded engine that keeps its data."""
    return f"milvus:{folder / 'engine.db'}" if engine == "milvus" else f"qdrant:{folder / 'engine'}"


@contextmanager
def opened(engine: str, folder: Path, memory: bool = True) -> Iterator[Any]:
    """An engine; Qdrant in memory, since its folder takes 10 ms and more for a point."""
    need(engine)
    in_memory = memory and engine == "qdrant"
    store = open_engine("qdrant::memory:" if in_memory else address_of(engine, folder), create=True)
    try:
        yield store
    finally:
        store.close()


def rewrite(index: Path, vectors: Scores, ids: list[str]) -> None:
    """Other vectors in the place of an index."""
    shutil.rmtree(index)
    write_index(index, vectors, ids)


def hits_of(store: Store, name: str, queries: Scores, k: int, **options: Any) -> list[list[str]]:
    """The ids that an engine finds."""
    hits, docids = search_engine(store, name, queries, k, **options)
    return [[docids[row] for row in rows if row >= 0] for rows in hits.rows.tolist()]


def exact_hits(index: Path, queries: Scores, k: int) -> list[list[str]]:
    """The ids that exact search finds."""
    searcher = Searcher(index)
    rows = searcher.search_arrays(queries, k).rows.tolist()
    return [[searcher.docids[row] for row in some] for some in rows]


def assert_exact(store: Store, name: str, index: Path, queries: Scores, k: int = 20) -> None:
    """An engine's hits are those of exact search: the same ids in the same order, and scores."""
    assert hits_of(store, name, queries, k) == exact_hits(index, queries, k)
    hits, _ = search_engine(store, name, queries, k)
    scores = Searcher(index).search_arrays(queries, k).scores
    np.testing.assert_allclose(hits.scores, scores, rtol=1e-5, atol=1e-5)


__all__ = ["random_vectors", "write_index"]
