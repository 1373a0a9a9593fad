"""What is done to hits before they are written: Pyserini's `--remove-query` and `--max-passage`."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import NO_HIT, Hits


def without_query(hits: Hits, qids: Sequence[str], docids: Docids) -> Hits:
    """Hits but for the passage that has the query's own id.

    For collections such as ArguAna, where a query is one of the passages.
    """
    ids = docids.take(hits.rows.clip(0).ravel()).to_numpy().reshape(hits.rows.shape)
    own = (ids == np.array(qids, dtype=object)[:, None]) & (hits.rows != NO_HIT)
    rows = np.where(own, NO_HIT, hits.rows)
    scores = np.where(own, np.float32(-np.inf), hits.scores)
    order = np.argsort(rows == NO_HIT, axis=1, kind="stable")
    return Hits(np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1))


def best_passages(hits: Hits, docids: Docids, delimiter: str, most: int) -> tuple[Hits, Docids]:
    """Documents by their best passages, where ids are such as `document#passage`.

    Args:
        hits: hits of passages.
        docids: the index's ids.
        delimiter: between the document's id and the rest.
        most: documents of a query.

    Returns:
        Hits of documents, [Q, most], and the ids that their rows are of.
    """
    rows = np.full((len(hits), most), NO_HIT, dtype=np.int64)
    scores = np.full((len(hits), most), -np.inf, dtype=np.float32)
    numbers: dict[str, int] = {}
    for query in range(len(hits)):
        found = hits.rows[query] != NO_HIT
        documents = (
            docid.split(delimiter)[0] for docid in docids.take(hits.rows[query, found]).to_list()
        )
        best: dict[int, float] = {}
        for document, score in zip(documents, hits.scores[query, found].tolist(), strict=True):
            if len(best) < most:
                best.setdefault(numbers.setdefault(document, len(numbers)), score)
        rows[query, : len(best)] = list(best)
        scores[query, : len(best)] = list(best.values())
    return Hits(scores, rows), Docids(pl.Series(list(numbers), dtype=pl.String))
