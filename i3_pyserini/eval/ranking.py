"""The ranks of judged passages in a run, which most measures are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from i3_pyserini.formats.qrels import as_polars
from i3_pyserini.formats.runs import Run

if TYPE_CHECKING:
    import pandas as pd

    from i3_pyserini.formats.run_blocks import RunFile

Ids = np.ndarray[Any, np.dtype[np.int64]]
Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class JudgedRanks:
    """The judged passages in a run.

    Attributes:
        queries: sorted ids of the Q queries of the qrels.
        query: int64 [J], positions in `queries`; rows are sorted by query, then rank.
        rank: int64 [J], starting at 1.
        relevance: int64 [J].
        retrieved: int64 [Q], number of passages in the run for each query, judged or not.
        judged_query: int64 [N], positions in `queries` for all judgments of the qrels, retrieved or
            not.
        judged_relevance: int64 [N]; within a query descending.
    """

    queries: list[str]
    query: Ids
    rank: Ids
    relevance: Ids
    retrieved: Ids
    judged_query: Ids
    judged_relevance: Ids

    def first_relevant(self, level: int) -> Values:
        """The best rank of a passage with this relevance or more per query: float64 [Q], or inf."""
        first = np.full(len(self.queries), np.inf)
        relevant = self.relevance >= level
        np.minimum.at(first, self.query[relevant], self.rank[relevant])
        return first


@dataclass(frozen=True)
class _Found:
    """The judged passages in some queries of a run, as in `JudgedRanks`."""

    query: Ids
    rank: Ids
    relevance: Ids
    retrieved: Ids


def judged_ranks(qrels: "pl.DataFrame | pd.DataFrame", run: "Run | RunFile") -> JudgedRanks:
    """Finds the judged passages in a run.

    Args:
        qrels: columns query_id, doc_id (strings) and relevance (int).
        run: the run.
    """
    judgements = Judgements(qrels)
    return judgements.joined(run.each(judgements.found_in))


class Judgements:
    """Judgments, in which the passages of runs are looked up.

    Args:
        qrels: columns query_id, doc_id (strings) and relevance (int).

    Attributes:
        queries: sorted ids of the Q queries.
    """

    def __init__(self, qrels: "pl.DataFrame | pd.DataFrame") -> None:
        table = as_polars(qrels)
        queries = table["query_id"].unique().sort()
        self.queries: list[str] = queries.to_list()
        self._places = queries.to_frame("query_id").with_row_index("query")
        self._table = table.join(self._places, on="query_id").sort(
            "query", "relevance", descending=[False, True]
        )
        self._passages = table["doc_id"].unique().implode()

    def found_in(self, run: Run) -> _Found:
        """The judged passages of a run, or of some of its queries."""
        lengths = run.lines["query_id"].rle().struct.unnest().group_by("value", maintain_order=True)
        ranked = lengths.agg(pl.col("len").cast(pl.Int64).sum())
        ranked = ranked.with_columns(start=pl.col("len").cum_sum() - pl.col("len"))
        ranked = self._places.join(ranked, left_on="query_id", right_on="value", how="left")
        ranked = ranked.sort("query")
        found = (
            run.lines.lazy()
            .with_row_index("row")
            .filter(pl.col("doc_id").is_in(self._passages))
            .join(self._table.lazy(), on=["query_id", "doc_id"])
            .select("query", "row", "relevance")
            .collect()
        )
        row = _ids(found["row"])
        if run.order.rows is not None:
            place = np.empty(len(run.lines), dtype=np.int64)
            place[run.order.rows] = np.arange(len(place))
            row = place[row]
        by_rank = np.lexsort((row, found["query"].to_numpy()))
        query = _ids(found["query"])[by_rank]
        starts = _ids(ranked["start"].fill_null(0))
        return _Found(
            query,
            row[by_rank] - starts[query] + 1,
            _ids(found["relevance"])[by_rank],
            _ids(ranked["len"].fill_null(0)),
        )

    def joined(self, parts: Sequence[_Found]) -> JudgedRanks:
        """What was found in all queries of a run; a query is in one of the parts."""
        query = np.concatenate([one.query for one in parts])
        order = np.argsort(query, kind="stable")
        return JudgedRanks(
            self.queries,
            query[order],
            np.concatenate([one.rank for one in parts])[order],
            np.concatenate([one.relevance for one in parts])[order],
            np.sum([one.retrieved for one in parts], axis=0),
            _ids(self._table["query"]),
            _ids(self._table["relevance"]),
        )


def _ids(column: pl.Series) -> Ids:
    return column.to_numpy().astype(np.int64)
