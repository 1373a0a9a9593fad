"""Optional steps before and after a search, as in Pyserini.

Before: pseudo-relevance feedback with vectors. After: `--remove-query` and `--max-passage`. Source
of the feedback: pyserini 1.6.0, `search/faiss/_prf.py` (Li et al., Pseudo Relevance Feedback with
Deep Language Models and Dense Retrievers, TOIS 2023).
"""

from collections.abc import Sequence

import numpy as np

from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.documents import WindowDocuments, best_windows
from i3_pyserini.formats.hits import NO_HIT, Hits, Scores
from i3_pyserini.search.options import Feedback
from i3_pyserini.search.searcher import Searcher


def moved(queries: Scores, searcher: Searcher, feedback: Feedback) -> Scores:
    """Queries after feedback.

    Args:
        queries: float32 [Q, H].
        searcher: returns the first hits and their vectors.
        feedback: see `Feedback`.

    Returns:
        float32 [Q, H].

    Raises:
        I3Error: the index cannot reconstruct its vectors.
    """
    hits = searcher.search_arrays(queries, feedback.prf_depth)
    vectors, found = searcher.passages(hits.rows), hits.rows != NO_HIT
    if feedback.prf_method == "avg":
        sums = queries + vectors.sum(axis=1)
        new: Scores = sums / (1 + found.sum(axis=1, keepdims=True)).astype(np.float32)
        return new
    top = _mean(vectors[:, : feedback.rocchio_topk], found[:, : feedback.rocchio_topk])
    new = np.float32(feedback.rocchio_alpha) * queries + np.float32(feedback.rocchio_beta) * top
    if feedback.rocchio_bottomk:
        last = _mean(vectors[:, -feedback.rocchio_bottomk :], found[:, -feedback.rocchio_bottomk :])
        new -= np.float32(feedback.rocchio_gamma) * last
    return new


def _mean(vectors: Scores, found: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Scores:
    mean: Scores = vectors.sum(axis=1) / np.maximum(found.sum(axis=1, keepdims=True), 1)
    return mean.astype(np.float32)


def without_query(hits: Hits, qids: Sequence[str], docids: Docids) -> Hits:
    """Hits without the passage that has the query's own id.

    For collections such as ArguAna, where a query is one of the passages.
    """
    ids = docids.take(hits.rows.clip(0).ravel()).to_numpy().reshape(hits.rows.shape)
    own = (ids == np.array(qids, dtype=object)[:, None]) & (hits.rows != NO_HIT)
    rows = np.where(own, NO_HIT, hits.rows)
    scores = np.where(own, np.float32(-np.inf), hits.scores)
    order = np.argsort(rows == NO_HIT, axis=1, kind="stable")
    return Hits(np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1))


def best_passages(hits: Hits, docids: Docids, delimiter: str, most: int) -> tuple[Hits, Docids]:
    """Ranks documents by their best passages, for ids such as `document#passage`.

    Args:
        hits: hits of passages.
        docids: the index's ids.
        delimiter: between the document's id and the rest.
        most: maximum documents per query.

    Returns:
        Hits of documents, [Q, at most `most`], and the docids of their rows.
    """
    windows = WindowDocuments(docids, delimiter)
    return windows.named(best_windows(hits, windows, most))
