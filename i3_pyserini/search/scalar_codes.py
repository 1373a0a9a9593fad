"""Search of an index of scalar codes (`fp16`, `sq8`) for many queries: decoded, with products.

FAISS compares each query with each code by itself. Decoding a block of codes once for all queries,
and multiplying matrices as in a flat index, gives the same scores up to rounding, and takes a sixth
of the time (6,980 queries and a million vectors: docs/results/scale.md).
"""

from typing import Any

import numpy as np

from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.hits import Rows, Scores
from i3_pyserini.search.faiss_index import LEAST_FOR_PRODUCTS, search_exactly

DECODED = 1 << 27  # numbers at a time, 512 MB: each block fills its list of hits anew


def search_compressed(index: Any, queries: Scores, k: int) -> tuple[Scores, Rows]:
    """The k passages with the highest inner products, as far as the index finds them.

    Args:
        index: a FAISS index of any type.
        queries: float32 [Q, H].
        k: hits per query; at most the number of passages.

    Returns:
        Scores, float32 [Q, k], descending; and rows, int64 [Q, k], -1 where there are fewer.
    """
    codes = faiss.downcast_index(index)
    few = len(queries) < LEAST_FOR_PRODUCTS
    if few or not isinstance(codes, faiss.IndexScalarQuantizer):
        scores, rows = index.search(queries, k)
        return scores, rows
    best, size = faiss.ResultHeap(len(queries), k, keep_max=True), max(1, DECODED // codes.d)
    for start in range(0, codes.ntotal, size):
        vectors = codes.reconstruct_n(start, min(size, codes.ntotal - start))
        scores, rows = search_exactly(queries, vectors, min(k, len(vectors)))
        best.add_result(scores, np.add(rows, start))
        del vectors  # before the next ones are decoded
    best.finalize()
    return best.D, best.I
