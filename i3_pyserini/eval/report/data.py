"""The numbers behind the figures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from i3_pyserini.eval.compare import Difference
from i3_pyserini.eval.evaluation import Evaluation
from i3_pyserini.eval.findings import kind_of
from i3_pyserini.eval.ranking import JudgedRanks
from i3_pyserini.eval.tables import Table

DEEPEST = 1000
POINTS = 60  # points of a curve: more would not be visible
# The last rank of each bin of the first relevant passage's rank.
BINS = {"1": 1, "2–3": 3, "4–10": 10, "11–100": 100, "101–1000": 1000}
NOT_FOUND = "not found"

Values = np.ndarray[Any, np.dtype[np.float64]]
Ranks = Mapping[str, JudgedRanks]


def recall_by_depth(ranks: JudgedRanks, level: int) -> Values:
    """Mean recall at each depth: float64 [DEEPEST], starting at depth 1.

    Args:
        ranks: a run's.
        level: minimum relevance that counts as relevant.
    """
    relevant = ranks.judged_relevance >= level
    of_query = np.bincount(ranks.judged_query[relevant], minlength=len(ranks.queries))
    found = (ranks.relevance >= level) & (ranks.rank <= DEEPEST)
    gained = np.bincount(
        ranks.rank[found] - 1, weights=1 / of_query[ranks.query[found]], minlength=DEEPEST
    )
    recall: Values = np.cumsum(gained) / len(ranks.queries)
    return recall


def recall_table(ranks: Ranks, level: int) -> Table:
    """Depths and the recall of each run; empty below the end of a run."""
    ends = [min(DEEPEST, int(one.retrieved.max())) for one in ranks.values()]
    spread = np.geomspace(1, max(ends), POINTS).round().astype(int)
    depths = np.union1d(spread, ends).tolist()
    curves = [recall_by_depth(one, level).tolist() for one in ranks.values()]
    rows = [
        [
            str(depth),
            *(
                repr(curve[depth - 1]) * (depth <= end)
                for curve, end in zip(curves, ends, strict=True)
            ),
        ]
        for depth in depths
    ]
    return Table(["depth", *ranks], rows)


def first_ranks(ranks: JudgedRanks, level: int) -> dict[str, int]:
    """Number of queries with the first relevant passage in each bin of ranks."""
    bins = np.searchsorted(list(BINS.values()), ranks.first_relevant(level))
    counts = np.bincount(bins, minlength=len(BINS) + 1).tolist()
    return dict(zip([*BINS, NOT_FOUND], counts, strict=True))


def first_ranks_table(ranks: Ranks, level: int) -> Table:
    """Bins of ranks and each run's number of queries."""
    counts = [first_ranks(one, level) for one in ranks.values()]
    return Table(
        ["rank", *ranks],
        [[name, *(str(one[name]) for one in counts)] for name in [*BINS, NOT_FOUND]],
    )


def scatter_table(measure: str, baseline: Evaluation, other: Evaluation) -> Table:
    """The values of each query for a measure, in the baseline and another run."""
    pairs = zip(baseline.values[measure].tolist(), other.values[measure].tolist(), strict=True)
    return Table(
        ["query_id", baseline.run, other.run],
        [[query, repr(x), repr(y)] for query, (x, y) in zip(baseline.queries, pairs, strict=True)],
    )


def interval_table(measure: str, differences: Sequence[Difference]) -> Table:
    """Runs and their difference from the baseline for a measure, with its 95% interval.

    Args:
        measure: the measure.
        differences: from the baseline; those of other measures are ignored.
    """
    chosen = [one for one in differences if one.measure == measure]
    rows = [
        [one.run, *map(repr, (one.delta, one.low, one.high, one.t_test_holm)), kind_of(one)]
        for one in chosen
    ]
    return Table(["run", "difference", "low", "high", "p_holm", "verdict"], rows)


def bubbles(table: Table) -> list[tuple[float, float, int]]:
    """Distinct points of a scatter table, to three decimals, with their counts."""
    points = Counter((round(float(x), 3), round(float(y), 3)) for _, x, y in table.rows)
    return [(x, y, number) for (x, y), number in sorted(points.items())]


def numbers_of(table: Table, column: int) -> list[float]:
    """A column's numbers; NaN where there is none."""
    return [float(row[column] or "nan") for row in table.rows]


def cost_table(measure: str, evaluations: Sequence[Evaluation], costs: Mapping[str, Any]) -> Table:
    """Runs with their value for a measure and their costs."""
    return Table(
        ["run", measure, "queries_per_second", "index_bytes"],
        [
            [
                one.run,
                repr(one.means[measure]),
                repr(costs[one.run].queries_per_second),
                repr(costs[one.run].index_bytes),
            ]
            for one in evaluations
        ],
    )
