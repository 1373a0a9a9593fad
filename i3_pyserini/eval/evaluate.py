"""Measures of a run: means and per-query values."""

from dataclasses import dataclass

import ir_measures
import pandas as pd
from ir_measures.measures import Measure

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.provider import RankProvider
from i3_pyserini.eval.runs import Run


@dataclass(frozen=True)
class Evaluation:
    """A run's scores.

    Attributes:
        run: the run's name.
        means: mean over the qrels' queries, by measure.
        per_query: columns query_id, measure, value.
        warnings: what a reader of the scores must know.
    """

    run: str
    means: dict[str, float]
    per_query: pd.DataFrame
    warnings: list[str]


def evaluate(qrels: pd.DataFrame, run: Run, measures: list[Measure]) -> Evaluation:
    """Computes measures with ir-measures: what it can by the ranks of judged passages.

    Args:
        qrels: as `qrels.read_qrels` gives them.
        run: the run.
        measures: what to compute.

    Returns:
        Scores over all queries that the qrels judge; one that the run lacks counts as zero.

    Raises:
        I3Error: the run has none of the qrels' queries.
    """
    judged, ranked = set(qrels["query_id"]), set(run.table["query_id"].unique())
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
    by_ranks = RankProvider()
    quick = [measure for measure in measures if by_ranks.supports(measure)]
    others = [measure for measure in measures if measure not in quick]
    metrics = list(by_ranks.iter_calc(quick, qrels, run)) if quick else []
    if others:
        known = run.frame[run.frame["query_id"].isin(judged)]
        metrics += ir_measures.iter_calc(others, qrels, known)
    rows = [(metric.query_id, str(metric.measure), metric.value) for metric in metrics]
    values = pd.DataFrame(rows, columns=["query_id", "measure", "value"])
    names = [str(measure) for measure in measures]
    table = values.pivot(index="query_id", columns="measure", values="value")
    table = table.reindex(index=sorted(judged), columns=names).fillna(0.0)
    means = {name: float(table[name].mean()) for name in names}
    per_query = table.reset_index().melt("query_id", var_name="measure", value_name="value")
    return Evaluation(run.name, means, per_query, warnings)


def _count(ids: set[str], one: str, many: str, what: str) -> str:
    examples = ", ".join(sorted(ids)[:3]) + (", …" if len(ids) > 3 else "")  # noqa: PLR2004
    return f"{len(ids)} {one if len(ids) == 1 else many} {what} ({examples})"
