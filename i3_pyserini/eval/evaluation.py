"""Measures of a run: means and per-query values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import ir_measures
import numpy as np
import polars as pl
from ir_measures.measures import Measure

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.provider import RankProvider, measure_values
from i3_pyserini.eval.ranking import JudgedRanks, Judgements
from i3_pyserini.formats.documents import window_of
from i3_pyserini.formats.qrels import as_pandas, as_polars, numbered
from i3_pyserini.formats.run_blocks import RunFile
from i3_pyserini.formats.runs import Run, order_warnings

if TYPE_CHECKING:
    import pandas as pd

CUT, MOST = 10, 0.5  # typical depths of truncated runs, and the share of queries that have it
JUDGED = "Judged@10"
Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Evaluation:
    """A run's scores.

    Attributes:
        run: the run's name.
        queries: the Q queries of the qrels, sorted.
        values: float64 [Q] by measure; zero for a query that the run lacks, NaN if a measure is
            undefined for a query.
        warnings: warnings about the scores.
        judged: Judged@10, float64 [Q], to show besides; None if it is unknown, or a measure.
    """

    run: str
    queries: list[str]
    values: dict[str, Values]
    warnings: list[str]
    judged: Values | None = None

    @cached_property
    def means(self) -> dict[str, float]:
        """The aggregate of the values as in ir-measures: the mean, or the sum for counts."""
        return {measure: _aggregate(measure, values) for measure, values in self.values.items()}

    @property
    def shown(self) -> dict[str, float]:
        """The means, and Judged@10."""
        if self.judged is None:
            return self.means
        return {**self.means, JUDGED: float(self.judged.mean())}

    def restricted(self, measures: Iterable[str]) -> "Evaluation":
        """The same with only these of its measures."""
        return replace(self, values={name: self.values[name] for name in measures})

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


def mean_evaluation(name: str, evaluations: Sequence[Evaluation]) -> Evaluation:
    """A system with several runs: a query's value is the mean of its values in them.

    Args:
        name: the system's name.
        evaluations: of its runs, with the same qrels and measures; at least one.
    """
    first = evaluations[0]
    values = {
        measure: np.mean([one.values[measure] for one in evaluations], axis=0)
        for measure in first.values
    }
    return Evaluation(name, first.queries, values, first.warnings)


def evaluate_run(
    qrels: "pl.DataFrame | pd.DataFrame", run: Run | RunFile, measures: list[Measure]
) -> Evaluation:
    """Computes measures with ir-measures, if possible from the ranks of judged passages.

    For those, a `RunFile` is read in blocks; otherwise all of it is held in memory.

    Args:
        qrels: as `qrels.read_qrels` gives them, or the same in pandas.
        run: the run.
        measures: what to compute.

    Returns:
        Scores over all queries of the qrels; a query that the run lacks counts as zero.

    Raises:
        I3Error: the run has no query of the qrels.
    """
    judgements = as_polars(qrels)
    by_ranks = RankProvider()
    others = [measure for measure in measures if not by_ranks.supports(measure)]
    looked_up = Judgements(judgements)
    parts = (run.whole() if others else run).each(
        lambda part: (part.queries, part.order, part.scored, looked_up.found_in(part))
    )
    judged = set(looked_up.queries)
    ranked = {query for queries, *_ in parts for query in queries}
    if not judged & ranked:
        raise I3Error(
            f"{run.name}: none of its {len(ranked)} queries is among the {len(judged)} of the "
            f"qrels ({min(ranked)!r} against {min(judged)!r}); do the qrels belong to other topics?"
        )
    warnings = order_warnings(
        sum(order.tied for _, order, *_ in parts),
        any(order.unsorted for _, order, *_ in parts),
        parts[0][2],
    )
    if judged - ranked:
        warnings.append(_count(judged - ranked, "query", "queries", "missing, counted as zero"))
    if ranked - judged:
        warnings.append(_count(ranked - judged, "query", "queries", "not in the qrels, ignored"))
    ranks = looked_up.joined([found for *_, found in parts])
    if not len(ranks.rank):
        _refuse_windows(judgements, run.whole())
        warnings.append("ranks no judged passages; do its ids match the qrels?")
    warnings += _depth_note(ranks, measures)
    values = _by_others(others, judgements, run.whole(), ranks.queries) if others else {}
    values |= {
        str(measure): measure_values(ranks, measure)
        for measure in measures
        if measure not in others
    }
    in_order = {str(measure): values[str(measure)] for measure in measures}
    return Evaluation(run.name, ranks.queries, in_order, warnings)


def _refuse_windows(judgements: pl.DataFrame, run: Run) -> None:
    """Raises for a run of windows whose documents are judged, which would be all zeros."""
    found = window_of(run.lines["doc_id"], judgements["doc_id"])
    if found:
        raise I3Error(
            f"{run.name}: ranks windows of documents ({found[0]!r}), and the qrels judge documents "
            f"({found[1]!r}); rank documents first: i3-pyserini documents RUN --output NEW, or "
            "search without --documents none"
        )


def _depth_note(ranks: JudgedRanks, measures: list[Measure]) -> list[str]:
    """A note if measures use more passages than a truncated run has."""
    ranked = ranks.retrieved[ranks.retrieved > 0]
    depth = int(ranked.max(initial=0))
    if depth < CUT or (ranked == depth).mean() < MOST:  # not truncated, but it found no more
        return []
    cutoffs = {
        measure: measure["cutoff"] for measure in measures if "cutoff" in measure.SUPPORTED_PARAMS
    }
    deeper = [
        str(one) for one, cutoff in cutoffs.items() if isinstance(cutoff, int) and cutoff > depth
    ]
    return (
        [f"ends at {depth} passages per query, which limits {', '.join(deeper)}"] if deeper else []
    )


def _by_others(
    measures: list[Measure], judgements: pl.DataFrame, run: Run, queries: list[str]
) -> dict[str, Values]:
    """Measures computed by the providers of ir-measures.

    Raises:
        I3Error: a provider cannot compute a measure.
    """
    place = {query: row for row, query in enumerate(queries)}
    qrels = numbered(as_pandas(judgements), place)
    known = numbered(run.frame[run.frame["query_id"].isin(place.keys())], place)
    values = {str(measure): np.full(len(queries), np.nan) for measure in measures}
    for measure in measures:  # one by one, since ir-measures mixes up the gains of several
        try:
            for metric in ir_measures.iter_calc([measure], qrels, known):
                values[str(measure)][int(metric.query_id)] = metric.value
        except Exception as error:  # failing programs, changed ids, and other errors
            raise I3Error(
                f"{run.name}: ir-measures cannot compute {measure} "
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
