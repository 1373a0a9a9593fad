"""The results of `evaluate`, to print, export or convert to a data frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error

if TYPE_CHECKING:
    from pandas import DataFrame

    from i3_pyserini.eval.compare import Difference
    from i3_pyserini.eval.present import Section
    from i3_pyserini.eval.provenance import Provenance
    from i3_pyserini.eval.tables import Table


@dataclass(frozen=True, repr=False)
class Results:
    """Measures of runs over the queries of the qrels, and over groups of them.

    Attributes:
        sections: all queries first, then the groups.
        made: what made the runs.
        notes: notes for the reader.
        per_query: whether tables have one row per query.
        in_full: whether all that is known of how runs were made is shown, and not only a line.
    """

    sections: "Sequence[Section]"
    made: "Provenance"
    notes: Sequence[str] = ()
    per_query: bool = False
    in_full: bool = False

    @property
    def collection(self) -> str | None:
        """The searched collection; None if it is unknown, or not the same for all runs."""
        return self.made.collection

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Values by run and measure, over all queries."""
        return {one.run: dict(one.means) for one in self.sections[0].evaluations}

    @property
    def differences(self) -> "Sequence[Difference]":
        """Differences from the baseline, over all queries; empty without a baseline."""
        return self.sections[0].differences

    def __str__(self) -> str:
        if not self.per_query:
            return self._rendered("text")
        lines = self._per_query_table().tsv()
        return f"{self._rendered('text')}\n\n{lines}" if self._compared else lines

    __repr__ = __str__

    def to_json(self) -> str:
        """All results with all digits; with values per query if `per_query`."""
        from i3_pyserini.eval.present import as_json

        return as_json(self.sections, self.made, self.notes, self.per_query)

    def to_csv(self) -> str:
        """One row per run, per run and measure with a baseline, or per query and measure.

        Raises:
            I3Error: values per query and a comparison or groups do not fit in one table.
        """
        from i3_pyserini.eval.present import render

        if not self.per_query:
            return render(self.sections, "csv", self.collection)
        if self._compared:
            raise I3Error("per_query with baseline or group_by does not fit in one table: use JSON")
        return self._per_query_table().csv()

    def to_markdown(self) -> str:
        """Tables in GitHub Markdown.

        Raises:
            I3Error: `per_query` is set.
        """
        return self._for_readers("markdown")

    def to_latex(self) -> str:
        """LaTeX tables with booktabs.

        Raises:
            I3Error: `per_query` is set.
        """
        return self._for_readers("latex")

    def to_pandas(self) -> "DataFrame":
        """Columns run, measure and value.

        With `per_query` also query_id; with groups also group, which is "all" for all queries.
        """
        from i3_pyserini.eval.present import as_pandas

        return as_pandas(self.sections, self.per_query)

    def _repr_html_(self) -> str:
        return self._rendered("html")

    @property
    def _compared(self) -> bool:
        return len(self.sections) > 1 or bool(self.differences)

    def _for_readers(self, style: str) -> str:
        if self.per_query:
            raise I3Error(f"per_query requires CSV or JSON, not {style}")
        return self._rendered(style)

    def _rendered(self, style: str) -> str:
        """The tables, and what made the runs."""
        from i3_pyserini.eval.present import made_words, render

        tables = render(self.sections, style, self.collection)
        words = made_words(self.made, style, self.in_full)
        return f"{tables}\n\n{words}" if words else tables

    def _per_query_table(self) -> "Table":
        from i3_pyserini.eval.present import per_query_table

        return per_query_table(self.sections[0].evaluations)
