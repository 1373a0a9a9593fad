"""Measures of a run: means and per-query values."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import ir_measures
import numpy as np
import polars as pl
from ir_measures.measures import Measure

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.provider import RankProvider, measure_values
from i3_pyserini.eval.ranking import JudgedRanks, judged_ranks
from i3_pyserini.formats.qrels import as_pandas, as_polars, numbered
from i3_pyserini.formats.runs import Run

if TYPE_CHECKING:
    import pandas as pd

CUT, MOST = 10, 0.5  # hits of a run that was cut off, and how many queries have them
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


def evaluate_run(
    qrels: "pl.DataFrame | pd.DataFrame", run: Run, measures: list[Measure]
) -> Evaluation:
    """Computes measures with ir-measures: what it can by the ranks of judged passages.

    Args:
        qrels: as `qrels.read_qrels` gives them, or the same in pandas.
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
    ranks = judged_ranks(judgements, run)
    if not len(ranks.rank):
        warnings.append("ranks no judged passage at all; are its ids those of the qrels?")
    warnings += _depth_note(ranks, measures)
    by_ranks = RankProvider()
    others = [measure for measure in measures if not by_ranks.supports(measure)]
    values = _by_others(others, judgements, run, ranks.queries) if others else {}
    values |= {
        str(measure): measure_values(ranks, measure)
        for measure in measures
        if measure not in others
    }
    in_order = {str(measure): values[str(measure)] for measure in measures}
    return Evaluation(run.name, ranks.queries, in_order, warnings)


def _depth_note(ranks: JudgedRanks, measures: list[Measure]) -> list[str]:
    """Says that measures look further than a run that was cut off goes."""
    ranked = ranks.retrieved[ranks.retrieved > 0]
    depth = int(ranked.max(initial=0))
    if depth < CUT or (ranked == depth).mean() < MOST:  # not cut off, but found no more
        return []
    cutoffs = {
        measure: measure["cutoff"] for measure in measures if "cutoff" in measure.SUPPORTED_PARAMS
    }
    deeper = [
        str(one) for one, cutoff in cutoffs.items() if isinstance(cutoff, int) and cutoff > depth
    ]
    return [f"ends at {depth} passages a query: so does {', '.join(deeper)}"] if deeper else []


def _by_others(
    measures: list[Measure], judgements: pl.DataFrame, run: Run, queries: list[str]
) -> dict[str, Values]:
    """What ir-measures' own providers compute.

    Raises:
        I3Error: a provider cannot compute a measure.
    """
    place = {query: row for row, query in enumerate(queries)}
    qrels = numbered(as_pandas(judgements), place)
    known = numbered(run.frame[run.frame["query_id"].isin(place.keys())], place)
    values = {str(measure): np.full(len(queries), np.nan) for measure in measures}
    for measure in measures:  # one by one: together, gains of one are taken for another
        try:
            for metric in ir_measures.iter_calc([measure], qrels, known):
                values[str(measure)][int(metric.query_id)] = metric.value
        except Exception as error:  # programs that fail, ids that they change, and whatever else
            raise I3Error(
                f"{run.name}: ir-measures cannot compute {measure} of it "
                f"({type(error).__name__}: {error})"
            ) from error
    return values


def _aggregate(measure: str, values: Values) -> float:
    aggregator = ir_measures.parse_measure(measure).aggregator()
    for value in values[np.isfinite(values)].tolist():
        aggregator.add(value)
    return float(aggregator.result())


def _count(ids: set[str], one: str, many: str, what: str) -> str:
    examples = ", ".join(sorted(ids)[:3]) + (", …" if len(ids) > 3 else "")  # noqa: PLR2004
    return f"{len(ids)} {one if len(ids) == 1 else many} {what} ({examples})"
