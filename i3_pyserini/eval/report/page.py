"""The page: findings, tables and figures in one self-contained file."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from i3_pyserini.eval.compare import Difference
from i3_pyserini.eval.evaluation import JUDGED, Evaluation
from i3_pyserini.eval.findings import TEST, kind_of, p_words
from i3_pyserini.eval.present import HOW, comparison_table, means_table
from i3_pyserini.eval.report.changes import Changes
from i3_pyserini.eval.report.costs import Cost
from i3_pyserini.eval.report.data import Ranks
from i3_pyserini.eval.report.drawings import Drawings, counted
from i3_pyserini.eval.tables import Table
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.spreadsheets import as_text_or_number

TEMPLATE = "report.html"


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes:
        title: title of the page.
        finding: what was found, in a sentence.
        evaluations: evaluations of the runs with the same qrels and measures.
        ranks: ranks of judged passages in each run.
        level: minimum relevance that counts as relevant in rank figures.
        baseline: position of the baseline run; None for no comparison.
        differences: differences from the baseline.
        changes: the queries that changed most; None for no comparison.
        costs: costs of each run; empty if unknown.
        facts: facts for the reader, as name and text.
        systems: facts about each run.
        notes: notes for the reader.
        provenance: the metadata of each run, by name; empty if none is known.
    """

    title: str
    finding: str
    evaluations: Sequence[Evaluation]
    ranks: Ranks
    level: int
    baseline: int | None = None
    differences: Sequence[Difference] = ()
    changes: Changes | None = None
    costs: Mapping[str, Cost] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    systems: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """A value of the table of means.

    Attributes:
        text: as printed.
        best: whether it is the highest of its column, as printed.
        kind: see `findings.KINDS`; empty for the baseline and for values that are not compared.
        difference: the difference from the baseline, in words.
    """

    text: str
    best: bool
    kind: str = ""
    difference: str = ""


def write_page(report: Report, figures: Drawings, path: Path, overwrite: bool) -> None:
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
    means, comparison = means_table(report.evaluations), comparison_table(report.differences)
    shown = {
        section: [
            {"drawing": one, "svg": one.svg(), "data": _data(one.table), "file": f"{one.name}.csv"}
            for one in drawings
        ]
        for section, drawings in figures.items()
    }
    base = None if report.baseline is None else report.evaluations[report.baseline].run
    page = environment.get_template(TEMPLATE).render(
        report=report,
        base=base,
        queries=counted(len(report.evaluations[0].queries)),
        means=means,
        cells=cells(report, means),
        means_data=_data(means),
        comparison=comparison,
        comparison_data=_data(comparison),
        how=HOW,
        test=TEST,
        figures=shown,
        provenance=_script(report.provenance) if report.provenance else None,
        versions=f"i3_pyserini {version('i3_pyserini')}, ir-measures {version('ir-measures')}",
    )
    with new_file(path, overwrite) as file:
        file.write(page)


def cells(report: Report, means: Table) -> list[list[Cell]]:
    """The values of the table of means, with the best and what is significant."""
    known = {(one.run, one.measure): one for one in report.differences}
    columns = list(zip(*means.rows, strict=True))[1:]
    best = [
        max(column, key=float) if measure != JUDGED else ""  # more judged is not better
        for measure, column in zip(means.header[1:], columns, strict=True)
    ]
    rows = []
    for name, *values in means.rows:
        row = []
        for measure, text, highest in zip(means.header[1:], values, best, strict=True):
            one = known.get((name, measure))
            cell = Cell(text, text == highest)
            if one is not None:
                said = f"{one.delta:+.4f}, {p_words(one.t_test_holm)}"
                cell = Cell(text, text == highest, kind_of(one), said)
            row.append(cell)
        rows.append(row)
    return rows


def _data(table: Table) -> str:
    """A table as a download link."""
    rows = [list(map(as_text_or_number, row)) for row in table.rows]
    content = base64.b64encode(f"{Table(table.header, rows).csv()}\n".encode()).decode()
    return f"data:text/csv;charset=utf-8;base64,{content}"


def _script(content: Mapping[str, Any]) -> Markup:
    """JSON inside of a page, where no text may end its element."""
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704  (escaped)
