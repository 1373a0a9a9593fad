"""The page: tables and figures in one self-contained file."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from i3_pyserini.eval.compare import Difference
from i3_pyserini.eval.evaluation import Evaluation
from i3_pyserini.eval.present import HOW, comparison_table, means_table
from i3_pyserini.eval.report.costs import Cost
from i3_pyserini.eval.report.data import (
    DEEPEST,
    Ranks,
    cost_table,
    first_ranks_table,
    recall_table,
    scatter_table,
)
from i3_pyserini.eval.report.figures import Drawing, bars, costs, curves, scatter
from i3_pyserini.eval.tables import Table
from i3_pyserini.formats.atomic import new_file

TEMPLATE = "report.html"


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes:
        title: title of the page.
        evaluations: evaluations of the runs with the same qrels and measures.
        ranks: ranks of judged passages in each run.
        level: minimum relevance that counts as relevant in rank figures.
        baseline: position of the baseline run; None for no comparison.
        differences: differences from the baseline.
        costs: costs of each run; empty if unknown.
        facts: facts for the reader, as name and text.
        notes: notes for the reader.
    """

    title: str
    evaluations: Sequence[Evaluation]
    ranks: Ranks
    level: int
    baseline: int | None = None
    differences: Sequence[Difference] = ()
    costs: Mapping[str, Cost] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def drawings(report: Report) -> list[Drawing]:
    """The figures, in the order of the page."""
    queries = counted(len(report.evaluations[0].queries))
    relevant = f"relevance {report.level} or higher"
    depths = recall_table(report.ranks, report.level)
    firsts = first_ranks_table(report.ranks, report.level)
    found = [
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
    return found + _scatters(report, queries) + _costs(report, queries)


def counted(queries: int) -> str:
    """A number of queries as text."""
    return f"{queries:,} {'query' if queries == 1 else 'queries'}"


def write_page(report: Report, figures: Sequence[Drawing], path: Path, overwrite: bool) -> None:
    """Writes the page; an existing one is replaced when the new one is complete.

    Raises:
        I3Error: it cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("i3_pyserini.eval.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    means = means_table(report.evaluations)
    page = environment.get_template(TEMPLATE).render(
        report=report,
        tables=_tables(report, means),
        best=_best(means),
        figures=[
            {"drawing": one, "svg": one.svg(), "data": _data(one.table), "file": f"{one.name}.csv"}
            for one in figures
        ],
        versions=f"i3_pyserini {version('i3_pyserini')}, ir-measures {version('ir-measures')}",
    )
    with new_file(path, overwrite) as file:
        file.write(page)


def _scatters(report: Report, queries: str) -> list[Drawing]:
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


def _costs(report: Report, queries: str) -> list[Drawing]:
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


def _tables(report: Report, means: Table) -> list[dict[str, Any]]:
    queries = counted(len(report.evaluations[0].queries))
    found = [("means", "Means", f"Over {queries}; best in bold.", means)]
    if report.baseline is not None:
        base = report.evaluations[report.baseline].run
        table = comparison_table(report.differences)
        found.append(("comparison", f"Against {base}", f"{queries}; {HOW}.", table))
    return [
        {"name": name, "title": title, "caption": caption, "table": table, "data": _data(table)}
        for name, title, caption, table in found
    ]


def _best(means: Table) -> list[str]:
    """The highest value of each column except the first, as printed."""
    columns = list(zip(*means.rows, strict=True))[1:]
    return ["", *(max(column, key=float) for column in columns)]


def _data(table: Table) -> str:
    """A table as a download link."""
    content = base64.b64encode(f"{table.csv()}\n".encode()).decode()
    return f"data:text/csv;charset=utf-8;base64,{content}"
