"""Exact search over vectors in a file: FAISS's own arithmetic, in blocks that suit BLAS.

FAISS's flat index leaves matrix products for one dot product after the other when it is given few
queries at a time, as stock search gives them; and it reads the whole file first. Here the file is
mapped, and the products are as large as they may be. `benchmarks/search_speed.py` has the numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import numpy as np

from i3_pyserini.formats.hits import Rows, Scores

QUERIES = 4096  # searched together: the index is read once for all of them
PASSAGES = 16_384  # of a block of the index: its scores stay in the cache
LEAST_FOR_PRODUCTS = 20  # queries


def search_exactly(queries: Scores, vectors: Scores, k: int) -> tuple[Scores, Rows]:
    """The k passages of highest inner product.

    Args:
        queries: float32 [Q, H].
        vectors: float32 [N, H], in memory or mapped.
        k: hits of a query; at most N.

    Returns:
        Scores, float32 [Q, k], descending; and rows, int64 [Q, k].
    """
    scores = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    with _large_products():
        for start in range(0, len(queries), QUERIES):
            some = slice(start, start + QUERIES)
            scores[some], rows[some] = faiss.knn(
                queries[some], vectors, k, metric=faiss.METRIC_INNER_PRODUCT
            )
    return scores, rows


@contextmanager
def _large_products() -> Iterator[None]:
    """FAISS's settings of block sizes, which are the process's, for the time of a search."""
    settings = {
        "distance_compute_blas_threshold": LEAST_FOR_PRODUCTS,
        "distance_compute_blas_database_bs": PASSAGES,
        "distance_compute_blas_query_bs": QUERIES,
    }
    before = {name: getattr(faiss.cvar, name) for name in settings}
    try:
        for name, value in settings.items():
            setattr(faiss.cvar, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(faiss.cvar, name, value)
