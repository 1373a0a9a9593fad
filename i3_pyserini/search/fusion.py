"""Fusing runs: reciprocal ranks, and sums of scores brought to one scale.

ranx has these too, but compiles for a minute when it is first used, and takes seconds to import.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.runs import Run
from i3_pyserini.search.docids import Docids
from i3_pyserini.search.hits import NO_HIT, Hits

Method = Literal["rrf", "interpolation", "combmnz"]
METHODS: tuple[Method, ...] = ("rrf", "interpolation", "combmnz")
KEYS = ["query_id", "doc_id"]


@dataclass(frozen=True)
class Fusion:
    """How runs become one.

    Attributes:
        method: "rrf": the sum of weight / (k + rank). "interpolation": the weighted sum of scores
            that each run's lowest and highest of the query bring to 0 and 1; a passage that a run
            has not gets 0. "combmnz": the same, times the number of runs that have the passage.
        weights: of the runs, in their order.
        k: of "rrf".

    Source: Cormack et al., Reciprocal Rank Fusion outperforms Condorcet, SIGIR 2009; Fox and Shaw,
    Combination of Multiple Searches, TREC-2, 1993.
    """

    method: Method
    weights: tuple[float, ...]
    k: float = 60


def fuse(runs: Sequence[Run], fusion: Fusion, depth: int = 1000) -> pd.DataFrame:
    """The fused ranking.

    Args:
        runs: two or more; a query that some of them lack is ranked by the others.
        fusion: see `Fusion`.
        depth: hits of a query.

    Returns:
        Columns query_id, doc_id and score (float64), in falling order of score and then docid
        within a query; queries in the order of their first run.

    Raises:
        I3Error: there are not as many weights as runs, or a weight is below 0, or all are 0.
    """
    if len(fusion.weights) != len(runs):
        raise I3Error(f"{len(fusion.weights)} weights for {len(runs)} runs")
    if min(fusion.weights) < 0 or not any(fusion.weights) or not np.isfinite(fusion.weights).all():
        raise I3Error(f"weights {fusion.weights}: must be 0 or more, and not all 0")
    parts = [
        run.frame[KEYS].assign(score=weight * _values(run, fusion), runs=1)
        for run, weight in zip(runs, fusion.weights, strict=True)
    ]
    order = dict.fromkeys(qid for run in runs for qid in run.frame["query_id"].unique())
    fused = pd.concat(parts).groupby(KEYS, sort=False, as_index=False).sum()
    if fusion.method == "combmnz":
        fused["score"] *= fused["runs"]
    fused["query"] = fused["query_id"].map({qid: number for number, qid in enumerate(order)})
    fused = fused.sort_values(["query", "score", "doc_id"], ascending=[True, False, False])
    return fused.groupby("query", sort=False).head(depth)[[*KEYS, "score"]].reset_index(drop=True)


def _values(run: Run, fusion: Fusion) -> "pd.Series[float]":
    if fusion.method == "rrf":
        return 1 / (fusion.k + 1 - run.frame["score"])  # these are 0, -1, -2, … in eval's runs
    scores = run.scores.groupby(run.frame["query_id"])
    lowest, highest = scores.transform("min"), scores.transform("max")
    spread = highest - lowest
    # Where all are equal, and where there is one hit only, all are best.
    return ((run.scores - lowest) / spread.where(spread > 0, 1)).where(spread > 0, 1.0)


def hits_of(ranking: pd.DataFrame) -> tuple[list[str], Hits, Docids]:
    """A ranking as arrays, for `run_file`.

    Args:
        ranking: columns query_id, doc_id and score; a query's rows together, in falling order.

    Returns:
        Query ids, their hits, and the ids that their rows are of.
    """
    rows, docids = pd.factorize(ranking["doc_id"])
    queries, qids = pd.factorize(ranking["query_id"])
    places = ranking.groupby("query_id", sort=False).cumcount().to_numpy()
    shape = (len(qids), int(places.max(initial=-1)) + 1)
    hits = Hits(np.full(shape, -np.inf, dtype=np.float32), np.full(shape, NO_HIT, dtype=np.int64))
    hits.scores[queries, places] = ranking["score"].to_numpy(dtype=np.float32)
    hits.rows[queries, places] = rows
    return list(qids), hits, Docids(pl.Series(list(docids), dtype=pl.String))
