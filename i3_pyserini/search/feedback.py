"""Pseudo-relevance feedback by vectors: queries moved towards their first hits.

Source: pyserini 1.6.0, `search/faiss/_prf.py` (Li et al., Pseudo Relevance Feedback with Deep
Language Models and Dense Retrievers, TOIS 2023).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import NO_HIT, Scores
from i3_pyserini.search.searcher import Searcher


@dataclass(frozen=True)
class Feedback:
    """How queries are moved; the defaults are Pyserini's.

    Attributes:
        depth: first hits that are looked at.
        method: "avg": the mean of query and hits. "rocchio": weighted.
        alpha: the query's weight.
        beta: weight of the mean of the first `top` hits.
        gamma: weight, taken away, of the mean of the last `bottom` hits of these.
        top: see `beta`.
        bottom: see `gamma`; 0 for none.
    """

    depth: int
    method: Literal["avg", "rocchio"] = "avg"
    alpha: float = 0.9
    beta: float = 0.1
    gamma: float = 0.1
    top: int = 3
    bottom: int = 0


def moved(queries: Scores, searcher: Searcher, feedback: Feedback) -> Scores:
    """Queries after feedback.

    Args:
        queries: float32 [Q, H].
        searcher: finds the first hits, and gives their vectors.
        feedback: see `Feedback`.

    Returns:
        float32 [Q, H].

    Raises:
        I3Error: depth, `top` or `bottom` do not fit each other, or the index cannot give its
            vectors back.
    """
    if min(feedback.top, feedback.depth) < 1 or not 0 <= feedback.bottom <= feedback.depth:
        raise I3Error(
            f"feedback of depth {feedback.depth}: needs 1 or more hits for --rocchio-topk, and not "
            "more than these for --rocchio-bottomk"
        )
    hits = searcher.search_arrays(queries, feedback.depth)
    vectors, found = searcher.passages(hits.rows), hits.rows != NO_HIT
    if feedback.method == "avg":
        sums = queries + vectors.sum(axis=1)
        new: Scores = sums / (1 + found.sum(axis=1, keepdims=True)).astype(np.float32)
        return new
    top = _mean(vectors[:, : feedback.top], found[:, : feedback.top])
    new = np.float32(feedback.alpha) * queries + np.float32(feedback.beta) * top
    if feedback.bottom:
        last = _mean(vectors[:, -feedback.bottom :], found[:, -feedback.bottom :])
        new -= np.float32(feedback.gamma) * last
    return new


def _mean(vectors: Scores, found: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Scores:
    mean: Scores = vectors.sum(axis=1) / np.maximum(found.sum(axis=1, keepdims=True), 1)
    return mean.astype(np.float32)
