"""The figures of a report, by the section of the page that shows them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from i3_pyserini.eval.report.data import (
    DEEPEST,
    cost_table,
    first_ranks_table,
    interval_table,
    recall_table,
    scatter_table,
)
from i3_pyserini.eval.report.figures import Drawing, bars, costs, curves, scatter
from i3_pyserini.eval.report.intervals import intervals

if TYPE_CHECKING:
    from i3_pyserini.eval.report.page import Report

Drawings = Mapping[str, list[Drawing]]


def drawings(report: "Report") -> Drawings:
    """The figures by section: differences, ranks, costs and queries; a section may be empty."""
    queries = counted(len(report.evaluations[0].queries))
    return {
        "differences": _intervals(report, queries),
        "ranks": _ranks(report, queries),
        "costs": _costs(report, queries),
        "queries": _scatters(report, queries),
    }


def counted(queries: int) -> str:
    """A number of queries as text."""
    return f"{queries:,} {'query' if queries == 1 else 'queries'}"


def _intervals(report: "Report", queries: str) -> list[Drawing]:
    found = []
    for number, measure in enumerate(dict.fromkeys(one.measure for one in report.differences), 1):
        base = next(one.baseline for one in report.differences)
        table = interval_table(measure, report.differences)
        found.append(
            Drawing(
                f"difference-{number}",
                measure,
                f"Mean difference from {base} and its 95% interval, {queries}.",
                table,
                intervals(table),
            )
        )
    return found


def _ranks(report: "Report", queries: str) -> list[Drawing]:
    relevant = f"relevance {report.level} or higher"
    depths = recall_table(report.ranks, report.level)
    firsts = first_ranks_table(report.ranks, report.level)
    return [
        Drawing(
            "recall",
            "Recall by depth",
            f"Mean recall of the first passages, {relevant}, {queries}. A curve ends where its "
            "run ends.",
            depths,
            curves(depths, "recall"),
        ),
        Drawing(
            "first-rank",
            "Where the first relevant passage is",
            f"Queries by the rank of their first passage with {relevant}, of {queries}. Not "
            f"found: not among the first {DEEPEST:,}.",
            firsts,
            bars(firsts, "queries"),
        ),
    ]


def _scatters(report: "Report", queries: str) -> list[Drawing]:
    if report.baseline is None:
        return []
    base = report.evaluations[report.baseline]
    measure = next(iter(base.values))
    found = []
    for number, other in enumerate(report.evaluations):
        if number == report.baseline:
            continue
        table = scatter_table(measure, base, other)
        one = next(d for d in report.differences if (d.run, d.measure) == (other.run, measure))
        found.append(
            Drawing(
                f"queries-{number + 1}",
                f"{other.run} against {base.run}",
                f"Each query's {measure}, {queries}: {one.wins} above the diagonal, where "
                f"{other.run} is better, {one.ties} on it, {one.losses} below. Larger dots are "
                "several queries.",
                table,
                scatter(table, measure),
            )
        )
    return found


def _costs(report: "Report", queries: str) -> list[Drawing]:
    if not report.costs:
        return []
    measure = next(iter(report.evaluations[0].values))
    table = cost_table(measure, report.evaluations, report.costs)
    return [
        Drawing(
            name,
            title,
            f"{measure} of each run over {queries}; the cost is as stated.",
            table,
            draw,
        )
        for name, title, draw in (
            ("speed", "Effectiveness and speed", costs(table, 2, "queries per second")),
            ("size", "Effectiveness and size", costs(table, 3, "size of the index", "B")),
        )
    ]
