"""Where a run ranks the judged passages: all that most measures need of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from i3_pyserini.eval.runs import Run

Ids = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class JudgedRanks:
    """The judged passages that a run ranks.

    Attributes:
        queries: ids of the qrels' queries, sorted; Q of them.
        query: int64 [J], places in `queries`; rows are in the order of query, then rank.
        rank: int64 [J], from 1 on.
        relevance: int64 [J].
        retrieved: int64 [Q], how many passages the run ranks for a query, judged or not.
        judged_query: int64 [N], the same place for each judgement of the qrels, retrieved or not.
        judged_relevance: int64 [N]; within a query falling.
    """

    queries: list[str]
    query: Ids
    rank: Ids
    relevance: Ids
    retrieved: Ids
    judged_query: Ids
    judged_relevance: Ids


def judged_ranks(qrels: pd.DataFrame, run: Run) -> JudgedRanks:
    """Finds the judged passages in a run.

    Args:
        qrels: columns query_id, doc_id (strings) and relevance (int).
        run: the run.
    """
    judgements = pl.DataFrame(
        {name: qrels[name].to_list() for name in ("query_id", "doc_id", "relevance")}
    )
    queries = judgements["query_id"].unique().sort()
    places = queries.to_frame("query_id").with_row_index("query")
    judgements = judgements.join(places, on="query_id").sort(
        "query", "relevance", descending=[False, True]
    )
    lengths = run.table["query_id"].rle().struct.unnest()
    ranked = lengths.with_columns(start=pl.col("len").cum_sum() - pl.col("len"))
    ranked = places.join(ranked, left_on="query_id", right_on="value", how="left").sort("query")
    found = (
        run.table.lazy()
        .with_row_index("row")
        .filter(pl.col("doc_id").is_in(judgements["doc_id"].unique().implode()))
        .join(judgements.lazy(), on=["query_id", "doc_id"])
        .sort("query", "row")
        .select("query", "row", "relevance")
        .collect()
    )
    query = _ids(found["query"])
    starts = _ids(ranked["start"].fill_null(0))
    return JudgedRanks(
        queries.to_list(),
        query,
        _ids(found["row"]) - starts[query] + 1,
        _ids(found["relevance"]),
        _ids(ranked["len"].fill_null(0)),
        _ids(judgements["query"]),
        _ids(judgements["relevance"]),
    )


def _ids(column: pl.Series) -> Ids:
    return column.to_numpy().astype(np.int64)
