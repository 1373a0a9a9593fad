"""Measures of a run: means and per-query values."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import ir_measures
import numpy as np
import polars as pl
from ir_measures.measures import Measure

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.provider import RankProvider
from i3_pyserini.eval.qrels import as_pandas, as_polars
from i3_pyserini.eval.ranking import judged_ranks
from i3_pyserini.eval.runs import Run

if TYPE_CHECKING:
    import pandas as pd

Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Evaluation:
    """A run's scores.

    Attributes:
        run: the run's name.
        queries: the qrels' queries, sorted; Q of them.
        values: float64 [Q] by measure; zero for a query that the run lacks, NaN where a measure
            says nothing of a query.
        warnings: what a reader of the scores must know.
    """

    run: str
    queries: list[str]
    values: dict[str, Values]
    warnings: list[str]

    @cached_property
    def means(self) -> dict[str, float]:
        """What ir-measures makes of the queries' values: their mean; of counts the sum."""
        return {measure: _aggregate(measure, values) for measure, values in self.values.items()}

    @cached_property
    def per_query(self) -> "pd.DataFrame":
        """Columns query_id, measure, value."""
        import pandas as pd  # noqa: PLC0415  (slow, and not always needed)

        return pd.DataFrame(
            {
                "query_id": self.queries * len(self.values),
                "measure": np.repeat(list(self.values), len(self.queries)),
                "value": np.concatenate(list(self.values.values())),
            }
        )


def evaluate(qrels: "pl.DataFrame | pd.DataFrame", run: Run, measures: list[Measure]) -> Evaluation:
    """Computes measures with ir-measures: what it can by the ranks of judged passages.

    Args:
        qrels: as `qrels.read_judgements` or `qrels.read_qrels` gives them.
        run: the run.
        measures: what to compute.

    Returns:
        Scores over all queries that the qrels judge; one that the run lacks counts as zero.

    Raises:
        I3Error: the run has none of the qrels' queries.
    """
    judgements = as_polars(qrels)
    judged = set(judgements["query_id"].unique())
    ranked = set(run.lines["query_id"].unique())
    if not judged & ranked:
        raise I3Error(
            f"{run.name}: none of its {len(ranked)} queries is among the {len(judged)} of the "
            f"qrels ({min(ranked)!r} against {min(judged)!r}); are these qrels of another set?"
        )
    warnings = list(run.warnings)
    if judged - ranked:
        warnings.append(_count(judged - ranked, "query", "queries", "missing, counted as zero"))
    if ranked - judged:
        warnings.append(_count(ranked - judged, "query", "queries", "not in the qrels, left out"))
    queries = sorted(judged)
    place = {query: number for number, query in enumerate(queries)}
    values = {str(measure): np.full(len(queries), np.nan) for measure in measures}
    for metric in _metrics(judgements, run, measures):
        values[str(metric.measure)][place[metric.query_id]] = metric.value
    if not len(judged_ranks(judgements, run).rank):
        warnings.append("ranks no judged passage at all; are its ids those of the qrels?")
    return Evaluation(run.name, queries, values, warnings)


def _metrics(
    judgements: pl.DataFrame, run: Run, measures: list[Measure]
) -> list[ir_measures.Metric]:
    by_ranks = RankProvider()
    quick = [measure for measure in measures if by_ranks.supports(measure)]
    others = [measure for measure in measures if measure not in quick]
    metrics = list(by_ranks.iter_calc(quick, judgements, run)) if quick else []
    if others:
        qrels = as_pandas(judgements)
        known = run.frame[run.frame["query_id"].isin(set(qrels["query_id"]))]
        metrics += _by_others(others, qrels, known, run.name)
    return metrics


def _by_others(
    measures: list[Measure], qrels: "pd.DataFrame", run: "pd.DataFrame", name: str
) -> list[ir_measures.Metric]:
    """What ir-measures' own providers compute.

    Raises:
        I3Error: they cannot: some of them take no other query ids than numbers, for example.
    """
    shown = ", ".join(map(str, measures))
    try:
        metrics = list(ir_measures.iter_calc(measures, qrels, run))
    except Exception as error:  # programs that fail, and whatever else
        raise I3Error(f"{name}: ir-measures cannot compute {shown} of it ({error})") from error
    known = set(qrels["query_id"])
    strange = next((one.query_id for one in metrics if one.query_id not in known), None)
    if strange is not None:
        raise I3Error(f"{name}: ir-measures' provider of {shown} makes {strange!r} of a query id")
    return metrics


def _aggregate(measure: str, values: Values) -> float:
    aggregator = ir_measures.parse_measure(measure).aggregator()
    for value in values[np.isfinite(values)].tolist():
        aggregator.add(value)
    return float(aggregator.result())


def _count(ids: set[str], one: str, many: str, what: str) -> str:
    examples = ", ".join(sorted(ids)[:3]) + (", …" if len(ids) > 3 else "")  # noqa: PLR2004
    return f"{len(ids)} {one if len(ids) == 1 else many} {what} ({examples})"
