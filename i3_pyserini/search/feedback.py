"""Pseudo-relevance feedback by vectors: queries moved towards their first hits.

Source: pyserini 1.6.0, `search/faiss/_prf.py` (Li et al., Pseudo Relevance Feedback with Deep
Language Models and Dense Retrievers, TOIS 2023).
"""

import numpy as np

from i3_pyserini.formats.hits import NO_HIT, Scores
from i3_pyserini.search.options import Feedback
from i3_pyserini.search.searcher import Searcher


def moved(queries: Scores, searcher: Searcher, feedback: Feedback) -> Scores:
    """Queries after feedback.

    Args:
        queries: float32 [Q, H].
        searcher: finds the first hits, and gives their vectors.
        feedback: see `Feedback`.

    Returns:
        float32 [Q, H].

    Raises:
        I3Error: the index cannot give its vectors back.
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
