"""The results of `compare`: a table of systems and a sentence on significance."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3_pyserini.experiments.costs import Cost

if TYPE_CHECKING:
    from pandas import DataFrame

    from i3_pyserini.eval.compare import Difference
    from i3_pyserini.eval.evaluation import Evaluation
    from i3_pyserini.eval.provenance import Provenance
    from i3_pyserini.eval.tables import Table

BACKBONE, BASELINE = "backbone", "dual encoder"
DEPTH = 10


@dataclass(frozen=True)
class Agreement:
    """How far two searches of one index agree.

    Attributes:
        queries: number of queries.
        same: those whose first `depth` hits are the same, in the same order.
        depth: hits of a query that are compared.
    """

    queries: int
    same: int
    depth: int = DEPTH

    def __str__(self) -> str:
        return f"the same first {self.depth} hits for {self.same:,} of {self.queries:,} queries"


@dataclass(frozen=True, repr=False)
class Compared:
    """Systems on one collection.

    Attributes:
        name: name of the collection.
        means: an evaluation for each system; values of a trained one are means over its seeds.
        differences: of each system to the plain dual encoder, by measure.
        seeds: evaluations of each run, where there are several seeds, by system.
        costs: by system, where they are known.
        rates: chosen learning rate by system.
        report: the page; None if it could not be written.
        stock: how far stock Pyserini's search of the I³ index agrees with ours; None if it was not
            searched so.
        to_backbone: differences of trained systems and fusions to the backbone, by the measure that
            decides.
        limits: what a reader must know of the comparison's size.
        made: what made the runs; None if that is unknown.
    """

    name: str
    means: "Sequence[Evaluation]"
    differences: "Sequence[Difference]"
    seeds: "Mapping[str, Sequence[Evaluation]]"
    costs: Mapping[str, Cost]
    rates: Mapping[str, float]
    report: Path | None
    stock: Agreement | None = None
    to_backbone: "Sequence[Difference]" = ()
    limits: Sequence[str] = ()
    made: "Provenance | None" = None

    @property
    def measure(self) -> str:
        """The measure that decides: the first one."""
        return next(iter(self.means[0].values))

    @property
    def scores(self) -> dict[str, float]:
        """Means by system, by the measure that decides."""
        return {one.run: one.means[self.measure] for one in self.means}

    @property
    def sentence(self) -> str:
        """One sentence that names significant differences from the plain dual encoder."""
        from i3_pyserini.eval.findings import sentence

        queries = f"{len(self.means[0].queries):,} test queries of {self.name}"
        found = sentence(self.differences, self.measure, queries, f"the {BASELINE}")
        if not self.to_backbone:
            return found
        return f"{found} {sentence(self.to_backbone, self.measure, queries, 'the backbone')}"

    def table(self) -> "Table":
        """A system a row, and with several seeds a run a row below it."""
        from i3_pyserini.eval.tables import Table

        measures = list(self.means[0].values)
        header = ["system", *measures, f"Δ {self.measure}", "95% interval", "p (Holm)"]
        header += ["queries/s", "index MB", "training min"]
        compared = {one.run: one for one in self.differences if one.measure == self.measure}
        rows = []
        for one in self.means:
            difference, cost = compared.get(one.run), self.costs.get(one.run)
            rows.append([one.run, *_shown(one), *_difference(difference), *_cost(cost)])
            for seed in self.seeds.get(one.run, ()):
                rows.append([seed.run, *_shown(seed), *[""] * 6])
        kept = [n for n in range(len(header)) if any(row[n] for row in rows)]
        return Table([header[n] for n in kept], [[row[n] for n in kept] for row in rows])

    def as_dict(self) -> dict[str, Any]:
        """All results, with all digits."""
        by_system = {
            system: {d.measure: _finite(asdict(d)) for d in self.differences if d.run == system}
            for system in self.scores
        }
        systems = {
            one.run: {
                "means": _finite(one.means),
                "seeds": {seed.run: _finite(seed.means) for seed in self.seeds.get(one.run, ())},
                "differences": by_system[one.run],
                "learning_rate": self.rates.get(one.run),
                **(asdict(self.costs[one.run]) if one.run in self.costs else {}),
            }
            for one in self.means
        }
        report = None if self.report is None else str(self.report)
        stock = None if self.stock is None else asdict(self.stock)
        return {
            "systems": systems,
            "sentence": self.sentence,
            "to_backbone": {d.run: _finite(asdict(d)) for d in self.to_backbone},
            "limits": list(self.limits),
            "report": report,
            "stock_search": stock,
            "provenance": None if self.made is None else self.made.to_json(),
        }


@dataclass(frozen=True, repr=False)
class Comparison:
    """Systems on one or several collections.

    Attributes:
        collections: what was found on each.
    """

    collections: Sequence[Compared]

    @property
    def sentence(self) -> str:
        """What is significant and what is not: one sentence for each collection."""
        return " ".join(one.sentence for one in self.collections)

    @property
    def macro_mean(self) -> dict[str, float]:
        """By system, the mean over the collections, by the measure that decides."""
        scores = [one.scores for one in self.collections]
        return {system: sum(one[system] for one in scores) / len(scores) for system in scores[0]}

    def __str__(self) -> str:
        return "\n\n".join(self._parts("text"))

    __repr__ = __str__

    def to_json(self) -> str:
        """All results, with all digits."""
        found = {one.name: one.as_dict() for one in self.collections}
        content = {"collections": found, "macro_mean": self.macro_mean}
        return json.dumps(content, indent=2, ensure_ascii=False)

    def to_markdown(self) -> str:
        """Tables in GitHub Markdown, and the sentences."""
        return "\n\n".join(self._parts("markdown"))

    def to_pandas(self) -> "DataFrame":
        """Columns collection, system, measure, value, delta, low, high and p.

        The last four are NaN for the plain dual encoder.
        """
        import pandas as pd

        rows = []
        for one in self.collections:
            known = {(d.run, d.measure): d for d in one.differences}
            for system in one.means:
                for measure, value in system.means.items():
                    d = known.get((system.run, measure))
                    numbers = (d.delta, d.low, d.high, d.t_test_holm) if d else (None,) * 4
                    rows.append((one.name, system.run, measure, value, *numbers))
        names = ["collection", "system", "measure", "value", "delta", "low", "high", "p"]
        frame = pd.DataFrame(rows, columns=names)
        return frame.astype(dict.fromkeys(names[3:], float))

    def _repr_html_(self) -> str:
        return "\n".join(self._parts("html"))

    def _parts(self, style: str) -> Iterator[str]:
        from html import escape

        def line(text: str) -> str:
            return f"<p>{escape(text)}</p>" if style == "html" else text

        for one in self.collections:
            yield getattr(one.table(), style)()
            if one.report:
                yield line(f"report: {one.report}")
            yield line(one.sentence)
            if one.limits:
                yield line(f"Keep in mind: {'; '.join(one.limits)}.")
            if one.stock:
                yield line(f"Stock Pyserini searches the I³ index too: {one.stock}.")
        if len(self.collections) > 1:
            yield line(self.collections[0].measure)
            yield getattr(self._macro_table(), style)()

    def _macro_table(self) -> "Table":
        from i3_pyserini.eval.tables import Table

        systems = list(self.collections[0].scores)
        scores = {one.name: one.scores for one in self.collections} | {
            "macro mean": self.macro_mean
        }
        rows = [[name, *(f"{one[s]:.4f}" for s in systems)] for name, one in scores.items()]
        return Table(["collection", *systems], rows)


def _shown(one: "Evaluation") -> list[str]:
    return [f"{value:.4f}" for value in one.means.values()]


def _difference(one: "Difference | None") -> list[str]:
    if one is None:
        return ["", "", ""]
    from i3_pyserini.eval.findings import p_words

    p = p_words(one.t_test_holm).removeprefix("p ").removeprefix("= ")
    return [f"{one.delta:+.4f}", f"{one.low:+.4f} to {one.high:+.4f}", p]


def _cost(one: Cost | None) -> list[str]:
    if one is None:
        return ["", "", ""]
    speed, minutes = one.queries_per_second, one.training_minutes
    return [
        "" if speed is None else f"{speed:,.0f}",
        f"{one.index_bytes / 1e6:,.1f}",
        "" if minutes is None else f"{minutes:.1f}",
    ]


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """NaN is no JSON."""
    return {
        name: None if isinstance(value, float) and not isfinite(value) else value
        for name, value in values.items()
    }
