"""The measure for tuning on dev queries."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ir_measures
import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import as_pandas, as_polars, note_without_topic, numbered

if TYPE_CHECKING:
    import pandas as pd


class DevMeasure:
    """The mean of a measure over the judged dev queries.

    Args:
        measure: name of a measure of ir-measures.
        qrels: judgments; other queries than the dev queries are ignored, with a note.
        queries: the dev queries.
        place: their source, for messages.

    Raises:
        I3Error: the measure is unknown, or none of the queries is judged.

    Attributes:
        name: the measure's.
        queries: number of judged queries.
    """

    def __init__(
        self,
        measure: str,
        qrels: "pl.DataFrame | pd.DataFrame",
        queries: Sequence[str],
        place: str,
    ) -> None:
        measures, _ = choose_measures([measure])
        if len(measures) != 1:
            raise I3Error(f"measure {measure}: expected one measure, got {len(measures)}")
        self._measure, self.name = measures[0], str(measures[0])
        qrels = as_polars(qrels)
        judged = qrels.filter(pl.col("query_id").is_in(list(queries)))
        if judged.is_empty():
            raise I3Error(
                f"none of the {len(queries)} queries of {place} is judged ({min(queries)!r} "
                f"against {qrels['query_id'].min()!r}); do the qrels belong to other topics?"
            )
        note_without_topic(qrels, dict.fromkeys(queries), "tune", place)
        self.queries = {qid: number for number, qid in enumerate(sorted(set(judged["query_id"])))}
        self._evaluator = ir_measures.evaluator(measures, numbered(as_pandas(judged), self.queries))

    def depth(self, hits: int) -> int:
        """Number of hits per query that the measure uses."""
        return min(hits, int(self._measure.params.get("cutoff", hits)))

    def __call__(self, ranking: "pd.DataFrame") -> float:
        """The mean of a ranking with columns query_id and doc_id, a query's best hits first."""
        places = ranking.groupby("query_id", sort=False).cumcount()
        strict = ranking.assign(score=-places.astype(float))
        known = strict[strict["query_id"].isin(self.queries.keys())]
        found = self._evaluator.iter_calc(numbered(known, self.queries))
        return sum(metric.value for metric in found) / len(self.queries)
