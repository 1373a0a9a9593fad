"""The hits of an engine, in the form of those of an index."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import NO_HIT, Hits, Scores, in_order
from i3_pyserini.search.engines.milvus import MOST_HITS, Milvus

SPARE = 16  # hits beyond k, among which equal ones at the end are put in order


def search_engine(
    engine: Milvus,
    collection: str,
    vectors: Scores,
    k: int,
    parameters: Mapping[str, int] | None = None,
) -> tuple[Hits, Docids]:
    """Searches a collection.

    Args:
        engine: the engine.
        collection: what was loaded into it.
        vectors: float32 [Q, H].
        k: hits of a query.
        parameters: see `Milvus.search`.

    Returns:
        The hits, in the order of a run, and the ids that their rows are of.

    Raises:
        I3Error: see `Milvus.search`.
    """
    engine.check(collection, vectors.shape[1], k)
    most = min(k + SPARE, MOST_HITS)
    scores = np.full((len(vectors), most), -np.inf, dtype=np.float32)
    rows = np.full((len(vectors), most), NO_HIT, dtype=np.int64)
    numbers: dict[str, int] = {}
    for query, hits in enumerate(engine.search(collection, vectors, most, parameters)):
        rows[query, : len(hits)] = [numbers.setdefault(hit[1], len(numbers)) for hit in hits]
        scores[query, : len(hits)] = [hit[2] for hit in hits]
    docids = Docids(pl.Series(list(numbers), dtype=pl.String))
    return in_order(scores, rows, docids, k), docids
