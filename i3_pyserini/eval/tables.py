"""Tables as text, Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate


@dataclass(frozen=True)
class Table:
    """A table of strings; the first column is left-aligned, the others are right-aligned.

    Attributes:
        header: names of the columns.
        rows: rows of the same length.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Columns for a terminal."""
        return self._as("plain")

    def markdown(self) -> str:
        """A GitHub Markdown table."""
        return self._as("github", [[word.replace("|", r"\|") for word in row] for row in self.rows])

    def latex(self) -> str:
        """A LaTeX tabular with booktabs, escaped."""
        return self._as("latex_booktabs").replace("Δ", r"$\Delta$")

    def csv(self) -> str:
        """Comma-separated values."""
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([self.header, *self.rows])
        return lines.getvalue().removesuffix("\n")

    def tsv(self) -> str:
        """Tab-separated values, without escaping."""
        return "\n".join(map("\t".join, [self.header, *self.rows]))

    def html(self) -> str:
        """An HTML table, escaped."""
        return self._as("html")

    def _as(self, style: str, rows: Sequence[Sequence[str]] | None = None) -> str:
        align = ["left"] + ["right"] * (len(self.header) - 1)
        return tabulate(
            rows or self.rows, self.header, tablefmt=style, disable_numparse=True, colalign=align
        )
