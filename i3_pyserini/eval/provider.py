"""A provider of ir-measures that uses only the ranks of judged passages.

Most measures need no more, and judged passages are a thousandth of a run of seven million lines.
All measures break ties as trec_eval does; docs/explanation/evaluation.md lists the differences from
other providers.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import ir_measures
import numpy as np
import polars as pl
from ir_measures import Metric, providers
from ir_measures.measures import Measure
from ir_measures.providers.base import NOT_PROVIDED, Choices
from ir_measures.providers.base import Any as AnyValue
from ir_measures.util import QrelsConverter, RunConverter

from i3_pyserini.eval.ranking import Ids, JudgedRanks, judged_ranks
from i3_pyserini.formats.qrels import as_polars
from i3_pyserini.formats.runs import Run

Values = np.ndarray[Any, np.dtype[np.float64]]
ALL_RANKS = np.iinfo(np.int64).max


class RankProvider(providers.Provider):
    """Measures from the ranks of judged passages.

    Accepts `Run` objects and polars tables of qrels, and everything that ir-measures accepts.
    """

    NAME = "i3_ranks"
    SUPPORTED_MEASURES = [  # noqa: RUF012  (as the base class has it)
        ir_measures.measures._AP(cutoff=AnyValue(), rel=AnyValue(), judged_only=Choices(False)),
        ir_measures.measures._Judged(cutoff=AnyValue()),
        ir_measures.measures._NumRet(rel=AnyValue()),
        ir_measures.measures._P(cutoff=AnyValue(), rel=AnyValue(), judged_only=Choices(False)),
        ir_measures.measures._R(cutoff=AnyValue(), rel=AnyValue(), judged_only=Choices(False)),
        ir_measures.measures._RR(cutoff=AnyValue(), rel=AnyValue(), judged_only=Choices(False)),
        ir_measures.measures._Rprec(rel=AnyValue(), judged_only=Choices(False)),
        ir_measures.measures._Success(
            cutoff=AnyValue(), rel=AnyValue(), judged_only=Choices(False)
        ),
        ir_measures.measures._nDCG(
            cutoff=AnyValue(), dcg=Choices("log2"), gains=AnyValue(), judged_only=Choices(False)
        ),
    ]

    def _evaluator(self, measures: Iterable[Measure], qrels: Any) -> "RankEvaluator":
        if not isinstance(qrels, pl.DataFrame):
            qrels = as_polars(_last_of_each(QrelsConverter(qrels).as_pd_dataframe()))
        return RankEvaluator(list(measures), qrels)


class RankEvaluator(providers.Evaluator):
    """Evaluates any number of runs with the same qrels."""

    def __init__(self, measures: list[Measure], qrels: pl.DataFrame) -> None:
        super().__init__(measures, set(qrels["query_id"].unique()))
        self.qrels = qrels

    def _iter_calc(self, run: Any) -> Iterator[Metric]:
        if not isinstance(run, Run):
            run = Run.of("run", _last_of_each(RunConverter(run).as_pd_dataframe()))
        ranks = judged_ranks(self.qrels, run)
        ranked = np.flatnonzero(ranks.retrieved)  # the others get the measure's default
        for measure in self.measures:
            values = measure_values(ranks, measure)
            for query in ranked.tolist():
                yield Metric(ranks.queries[query], measure, float(values[query]))


def measure_values(ranks: JudgedRanks, measure: Measure) -> Values:
    """A measure that `RankProvider` supports: float64 [Q], zero for queries without a hit."""
    values: Values = np.asarray(_VALUES[str(measure.NAME)](ranks, measure), dtype=np.float64)
    return values


def with_ranks() -> providers.FallbackProvider:
    """This provider, then the providers of ir-measures for other measures."""
    return providers.FallbackProvider([RankProvider(), *ir_measures.DefaultPipeline.providers])


def _last_of_each(frame: Any) -> Any:
    """A pandas frame with the last row of each query and passage, as ir-measures reads it."""
    return frame.drop_duplicates(["query_id", "doc_id"], keep="last")


def _cutoff(measure: Measure) -> int:
    cutoff = measure["cutoff"]
    return ALL_RANKS if cutoff is NOT_PROVIDED else int(cutoff)


def _relevant_in(ranks: JudgedRanks, measure: Measure, depth: int | Ids) -> Ids:
    """Number of relevant passages among the first `depth` of each query: [Q]."""
    depths = np.broadcast_to(depth, len(ranks.queries))[ranks.query]
    within = (ranks.relevance >= measure["rel"]) & (ranks.rank <= depths)
    return np.bincount(ranks.query[within], minlength=len(ranks.queries))


def _relevant(ranks: JudgedRanks, measure: Measure) -> Ids:
    """Number of relevant passages of each query: [Q]."""
    relevant = ranks.judged_relevance >= measure["rel"]
    return np.bincount(ranks.judged_query[relevant], minlength=len(ranks.queries))


def _share(part: Any, whole: Any) -> Values:
    """The quotient; 0 for a denominator of 0."""
    shares = np.zeros(len(part))
    np.divide(part, whole, out=shares, where=np.asarray(whole) > 0)
    return shares


def _precision(ranks: JudgedRanks, measure: Measure) -> Values:
    cutoff = _cutoff(measure)
    return _relevant_in(ranks, measure, cutoff) / cutoff


def _recall(ranks: JudgedRanks, measure: Measure) -> Values:
    return _share(_relevant_in(ranks, measure, _cutoff(measure)), _relevant(ranks, measure))


def _r_precision(ranks: JudgedRanks, measure: Measure) -> Values:
    relevant = _relevant(ranks, measure)
    return _share(_relevant_in(ranks, measure, relevant), relevant)


def _success(ranks: JudgedRanks, measure: Measure) -> Values:
    return (_relevant_in(ranks, measure, _cutoff(measure)) > 0).astype(np.float64)


def _reciprocal_rank(ranks: JudgedRanks, measure: Measure) -> Values:
    first = ranks.first_relevant(measure["rel"])
    return np.where(first <= _cutoff(measure), 1 / first, 0.0)


def _average_precision(ranks: JudgedRanks, measure: Measure) -> Values:
    relevant = (ranks.relevance >= measure["rel"]) & (ranks.rank <= _cutoff(measure))
    query, rank = ranks.query[relevant], ranks.rank[relevant]
    precision = (_place_in_query(query) + 1) / rank
    total = np.bincount(query, weights=precision, minlength=len(ranks.queries))
    return _share(total, _relevant(ranks, measure))


def _ndcg(ranks: JudgedRanks, measure: Measure) -> Values:
    """Computes nDCG as in trec_eval: gains by log2(rank + 1), relative to the ideal order."""
    cutoff, queries = _cutoff(measure), len(ranks.queries)
    gains = {} if measure["gains"] is NOT_PROVIDED else dict(measure["gains"])
    found, best = (_gains(levels, gains) for levels in (ranks.relevance, ranks.judged_relevance))
    order = np.lexsort((-best, ranks.judged_query))
    best, of_query = best[order], ranks.judged_query[order]
    ideal_rank = _place_in_query(of_query) + 1
    dcg, ideal = (
        np.bincount(
            query[rank <= cutoff],
            weights=(gain / np.log2(rank + 1.0))[rank <= cutoff],
            minlength=queries,
        )
        for query, rank, gain in (
            (ranks.query, ranks.rank, found),
            (of_query, ideal_rank, best),
        )
    )
    return _share(dcg, ideal)


def _judged(ranks: JudgedRanks, measure: Measure) -> Values:
    cutoff = _cutoff(measure)
    judged = np.bincount(ranks.query[ranks.rank <= cutoff], minlength=len(ranks.queries))
    return _share(judged, np.minimum(ranks.retrieved, cutoff))


def _retrieved(ranks: JudgedRanks, measure: Measure) -> Ids:
    if measure["rel"] is NOT_PROVIDED:
        return ranks.retrieved
    return _relevant_in(ranks, measure, ALL_RANKS)


def _gains(levels: Ids, gains: dict[int, int]) -> Values:
    """The gain of each level: the level itself, unless `gains` defines it; never below zero."""
    worth = levels.astype(np.float64)
    for level, gain in gains.items():
        worth[levels == level] = gain
    return np.maximum(worth, 0.0)


def _place_in_query(query: Ids) -> Ids:
    """The position of each row within its query, starting at 0; rows are sorted by query."""
    first = np.searchsorted(query, query)
    return np.arange(len(query)) - first


_VALUES: dict[str, Callable[[JudgedRanks, Measure], Any]] = {
    "AP": _average_precision,
    "Judged": _judged,
    "NumRet": _retrieved,
    "P": _precision,
    "R": _recall,
    "RR": _reciprocal_rank,
    "Rprec": _r_precision,
    "Success": _success,
    "nDCG": _ndcg,
}
