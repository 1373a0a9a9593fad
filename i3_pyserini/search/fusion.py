"""Fuses runs: reciprocal rank fusion, and sums of normalized scores.

ranx has these methods too, but compiles for half a minute in every process, and refuses runs with
different queries; see docs/how-to/fusion.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import NO_HIT, Hits
from i3_pyserini.formats.runs import Run

Method = Literal["rrf", "interpolation", "combmnz"]
Normalization = Literal["min-max", "z-score", "none"]
Numbers = np.ndarray[Any, np.dtype[np.float64]]
Ids = np.ndarray[Any, np.dtype[np.int64]]
Names = np.ndarray[Any, np.dtype[np.object_]]


@dataclass(frozen=True)
class Fusion:
    """Settings of a fusion.

    Attributes:
        method: "rrf": the sum of weight / (k + rank). "interpolation": the weighted sum of
            normalized scores; a passage that a run lacks gets the run's lowest score for the query.
            "combmnz": the same, times the number of runs that contain the passage.
        weights: weights of the runs, in their order; a run of weight 0 is ignored.
        k: the constant of "rrf".
        normalization: normalization of scores per run and query. "min-max": the lowest becomes 0,
            the highest 1 (so does the only one). "z-score": mean 0, standard deviation 1. "none".

    Source: Cormack et al., Reciprocal Rank Fusion outperforms Condorcet, SIGIR 2009; Fox and Shaw,
    Combination of Multiple Searches, TREC-2, 1993.
    """

    method: Method
    weights: tuple[float, ...]
    k: float = 60
    normalization: Normalization = "min-max"


@dataclass(frozen=True)
class Pool:
    """The hits of R runs, one row for each query and passage; N rows, sorted by query and docid.

    Attributes:
        qids: str [Q], the queries, in the order of the runs.
        docids: str [D], the passages, in ascending order.
        query: int64 [N], rows of `qids`.
        docid: int64 [N], rows of `docids`.
        ranks: float64 [N, R], starting at 1; infinite if the run lacks the passage.
        scores: float64 [N, R]; NaN if the run lacks the passage.
    """

    qids: Names
    docids: Names
    query: Ids
    docid: Ids
    ranks: Numbers
    scores: Numbers


def pool_runs(runs: Sequence[Run]) -> Pool:
    """Combines the hits of runs; a query that some runs lack gets the passages of the others.

    Raises:
        I3Error: a run has no query in common with any other.
    """
    _refuse_strangers(runs)
    table = pl.concat([run.table for run in runs])
    query, qids = _numbered(table["query_id"], table["query_id"].unique(maintain_order=True))
    docid, docids = _numbered(table["doc_id"], table["doc_id"].unique().sort())
    pairs, row = np.unique(query * len(docids) + docid, return_inverse=True)
    column = np.repeat(np.arange(len(runs)), [len(run.table) for run in runs])
    ranks = np.full((len(pairs), len(runs)), np.inf)
    ranks[row, column] = table["rank"].to_numpy()
    scores = np.full((len(pairs), len(runs)), np.nan)
    scores[row, column] = table["score"].to_numpy()
    of_query, of_docid = np.divmod(pairs, len(docids))
    return Pool(qids, docids, of_query, of_docid, ranks, scores)


def parts_of(pool: Pool, fusion: Fusion) -> Numbers:
    """The unweighted contribution of each run to each passage: float64 [N, R].

    It is independent of weights, so that many weights can be tried on the same parts.
    """
    if fusion.method == "rrf":
        return 1 / (fusion.k + pool.ranks)
    starts = np.searchsorted(pool.query, np.arange(len(pool.qids)))
    lowest, highest = (
        find.reduceat(pool.scores, starts, axis=0)[pool.query] for find in (np.fmin, np.fmax)
    )
    if fusion.normalization == "min-max":
        spread = highest - lowest
        only = np.where(np.isnan(pool.scores), 0.0, 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = np.where(spread > 0, (pool.scores - lowest) / spread, only)
        lowest = np.zeros_like(lowest)
    elif fusion.normalization == "z-score":
        mean, deviation = _moments(pool.scores, starts, pool.query)
        parts, lowest = (pool.scores - mean) / deviation, (lowest - mean) / deviation
    else:
        parts = pool.scores
    # A run without the query has no lowest score; all passages get the same.
    return np.nan_to_num(np.where(np.isnan(parts), lowest, parts), nan=0.0)


def combine(pool: Pool, parts: Numbers, fusion: Fusion, depth: int = 1000) -> pd.DataFrame:
    """The fused ranking.

    Args:
        pool: the runs.
        parts: float64 [N, R], as `parts_of` makes them.
        fusion: see `Fusion`.
        depth: hits per query.

    Returns:
        Columns query_id, doc_id and score (float32), in descending order of score and then docid
        within a query; queries in the order of the runs.

    Raises:
        I3Error: the numbers of weights and runs differ, a weight is below 0, or all are 0.
    """
    weights = np.array(fusion.weights)
    if len(weights) != parts.shape[1]:
        raise I3Error(f"{len(weights)} weights for {parts.shape[1]} runs")
    if not np.isfinite(weights).all() or weights.min() < 0 or not weights.any():
        raise I3Error(f"weights {fusion.weights}: must be at least 0, and not all 0")
    found = (pool.ranks[:, weights > 0] < np.inf).sum(axis=1)
    # Summed in ascending order, so that the order of the runs does not affect rounding.
    total = np.sort(parts * weights, axis=1).sum(axis=1)
    if fusion.method == "combmnz":
        total *= found
    score = total.astype(np.float32)  # rounded as in the run file, so that ties are the same
    order = np.lexsort((-pool.docid, -score, pool.query))
    order = order[found[order] > 0]
    query = pool.query[order]
    place = np.arange(len(query)) - np.searchsorted(query, query)
    order = order[place < depth]
    return pd.DataFrame(
        {
            "query_id": pool.qids[pool.query[order]],
            "doc_id": pool.docids[pool.docid[order]],
            "score": score[order],
        }
    )


def fuse(runs: Sequence[Run], fusion: Fusion, depth: int = 1000) -> pd.DataFrame:
    """Fuses runs; see `combine`.

    Args:
        runs: two or more.
        fusion: see `Fusion`.
        depth: hits per query.

    Raises:
        I3Error: see `combine` and `pool_runs`; or a run has only ranks, and the method needs
            scores.
    """
    refuse_unscored(runs, fusion.method)
    pool = pool_runs(runs)
    return combine(pool, parts_of(pool, fusion), fusion, depth)


def refuse_unscored(runs: Sequence[Run], method: Method) -> None:
    """Raises if a method needs scores and a run has none.

    Raises:
        I3Error: names the run.
    """
    for run in runs:
        if method != "rrf" and not run.scored:
            raise I3Error(f"{run.name}: has only ranks, and {method} needs scores; use rrf")


def with_weights(fusion: Fusion, weights: Sequence[float]) -> Fusion:
    """The same fusion with other weights."""
    return replace(fusion, weights=tuple(weights))


def hits_of(ranking: pd.DataFrame) -> tuple[list[str], Hits, Docids]:
    """A ranking as arrays, for `run_file`.

    Args:
        ranking: columns query_id, doc_id and score; grouped by query, in descending order.

    Returns:
        Query ids, their hits, and the docids of their rows.
    """
    rows, docids = pd.factorize(ranking["doc_id"])
    queries, qids = pd.factorize(ranking["query_id"])
    places = ranking.groupby("query_id", sort=False).cumcount().to_numpy()
    shape = (len(qids), int(places.max(initial=-1)) + 1)
    hits = Hits(np.full(shape, -np.inf, dtype=np.float32), np.full(shape, NO_HIT, dtype=np.int64))
    hits.scores[queries, places] = ranking["score"].to_numpy(dtype=np.float32)
    hits.rows[queries, places] = rows
    return list(qids), hits, Docids(pl.Series(list(docids), dtype=pl.String))


def _numbered(values: pl.Series, names: pl.Series) -> tuple[Ids, Names]:
    """Values as positions in the sorted names, and the names."""
    numbers = values.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64)
    return numbers, np.array(names.to_list(), dtype=object)


def _moments(scores: Numbers, starts: Ids, query: Ids) -> tuple[Numbers, Numbers]:
    """Mean and standard deviation of each row's query, [N, R]; 1 where all are equal."""
    count = np.maximum(np.add.reduceat((~np.isnan(scores)).astype(float), starts, axis=0), 1)
    mean = (np.add.reduceat(np.nan_to_num(scores), starts, axis=0) / count)[query]
    squares = np.add.reduceat(np.nan_to_num(scores - mean) ** 2, starts, axis=0)
    deviation = np.sqrt(squares / count)
    return mean, np.where(deviation > 0, deviation, 1)[query]


def _refuse_strangers(runs: Sequence[Run]) -> None:
    queries = [set(run.queries) for run in runs]
    for number, own in enumerate(queries):
        others = set().union(*queries[:number], *queries[number + 1 :])
        if len(runs) > 1 and not own & others:
            raise I3Error(
                f"{runs[number].name}: none of its {len(own)} queries is in another run "
                f"({min(own)!r} against {min(others)!r}); do the runs belong to the same topics?"
            )
