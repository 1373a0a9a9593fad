"""Evaluations and comparisons as tables and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from html import escape
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

from i3_pyserini.eval.compare import Difference
from i3_pyserini.eval.evaluation import JUDGED, Evaluation
from i3_pyserini.eval.provenance import Provenance
from i3_pyserini.eval.tables import Table

if TYPE_CHECKING:
    import pandas as pd

SMALLEST_P = 0.001
HOW = (
    "95% interval by bootstrap; d: Cohen's, of paired values; p of the paired t-test and of the "
    "randomisation test, by Holm's method for the runs of a measure; W/T/L: queries won, tied, lost"
)


@dataclass(frozen=True)
class Section:
    """Runs over the same queries.

    Attributes:
        name: of the group of queries; empty for all of them.
        evaluations: the runs.
        differences: to the baseline; empty if there is none.
    """

    name: str
    evaluations: Sequence[Evaluation]
    differences: Sequence[Difference]

    @property
    def queries(self) -> int:
        """How many queries these are."""
        return len(self.evaluations[0].queries)


def render(sections: Sequence[Section], style: str, collection: str | None = None) -> str:
    """Everything in one style.

    Args:
        sections: all queries first, then groups of them.
        style: "text", "markdown", "latex", "html" or "csv".
        collection: what was searched, if it is known.
    """
    if style == "csv":
        return _csv(sections, collection)
    parts = []
    if collection:
        parts.append(_line(f"collection: {collection}", style))
    for section in sections:
        if section.name:
            title = f"{section.name} ({_count(section.queries)})"
            parts.append(f"### {title}" if style == "markdown" else _line(title, style))
        parts.append(getattr(means_table(section.evaluations), style)())
        if section.differences:
            base = section.differences[0].baseline
            parts.append(_line(f"against {base}, {_count(section.queries)}; {HOW}", style))
            parts.append(getattr(comparison_table(section.differences), style)())
    return ("\n" if len(parts) == 2 else "\n\n").join(parts)  # noqa: PLR2004  (a line and a table)


def _line(text: str, style: str) -> str:
    return {"latex": f"% {text}", "html": f"<p>{escape(text)}</p>"}.get(style, text)


def per_query_table(evaluations: Sequence[Evaluation]) -> Table:
    """A run, query and measure a row, with all digits."""
    rows = [
        [one.run, row.query_id, row.measure, repr(row.value)]
        for one in evaluations
        for row in one.per_query.itertuples()
    ]
    return Table(["run", "query_id", "measure", "value"], rows)


def as_pandas(sections: Sequence[Section], per_query: bool) -> "pd.DataFrame":
    """Columns run, measure and value; also query_id if `per_query`, and group if there are any.

    Args:
        sections: all queries first, then groups of them.
        per_query: with every query's values.
    """
    import pandas as pd  # noqa: PLC0415  (slow, and not always needed)

    frames = []
    for section in sections:
        for one in section.evaluations:
            values = {"measure": list(one.means), "value": list(one.means.values())}
            frame = one.per_query if per_query else pd.DataFrame(values)
            known = {"group": section.name or "all"} if len(sections) > 1 else {}
            frames.append(frame.assign(**known, run=one.run))
    leading = [name for name in ("group", "run", "query_id", "measure") if name in frames[0]]
    return pd.concat(frames, ignore_index=True)[[*leading, "value"]]


def means_table(evaluations: Sequence[Evaluation]) -> Table:
    """A run a row, a measure a column; and Judged@10."""
    return Table(
        ["run", *evaluations[0].shown],
        [[one.run, *(f"{value:.4f}" for value in one.shown.values())] for one in evaluations],
    )


def comparison_table(differences: Sequence[Difference]) -> Table:
    """A measure and run a row, against the baseline; p-values are corrected by Holm's method."""
    header = ["run", "measure", "mean", "Δ", "95% interval", "d", "p (t)", "p (random.)", "W/T/L"]
    return Table(
        header,
        [
            [
                one.run,
                one.measure,
                f"{one.mean:.4f}",
                f"{one.delta:+.4f}",
                f"[{one.low:+.4f}, {one.high:+.4f}]",
                "–" if isnan(one.effect) else f"{one.effect:+.2f}",
                p_value(one.t_test_holm),
                p_value(one.randomisation_holm),
                f"{one.wins}/{one.ties}/{one.losses}",
            ]
            for one in differences
        ],
    )


def p_value(p: float) -> str:
    """A p-value as papers print it; a dash where there is none."""
    if isnan(p):
        return "–"
    return "<.001" if p < SMALLEST_P else f"{p:.3f}".removeprefix("0")


def made_words(made: Provenance, style: str, in_full: bool) -> str:
    """What made the runs, for readers: a line for each, or all that is known.

    Args:
        made: see `Provenance`.
        style: "text", "markdown", "latex" or "html".
        in_full: everything, as YAML.
    """
    lines = made.in_full() if in_full else made.lines()
    if not lines:
        return ""
    if style == "html":
        return "".join(f"<pre>{escape(line)}</pre>" for line in lines)
    text = "\n".join(line.rstrip() for line in lines)
    if style == "latex":
        return "\n".join(f"% {line}" for line in text.splitlines())
    if style == "markdown":
        return f"```\n{text}\n```"
    return text


def as_json(
    sections: Sequence[Section], made: Provenance, notes: Sequence[str], per_query: bool
) -> str:
    """All there is, with all digits.

    Args:
        sections: all queries first, then groups of them.
        made: what made the runs.
        notes: what a reader must know.
        per_query: with every query's values.
    """
    everything, *groups = (_fields(section, per_query) for section in sections)
    shown: dict[str, Any] = {"collection": made.collection} if made.collection else {}
    shown |= {name: value for name, value in everything.items() if name != "group"}
    shown |= {
        "notes": list(notes),
        "provenance": made.to_json(),
        **({"groups": groups} if groups else {}),
    }
    return json.dumps(_finite(shown), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    """The same with null in place of NaN, which JSON has not."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _fields(section: Section, per_query: bool) -> dict[str, Any]:
    return {
        "group": section.name,
        "queries": section.queries,
        "runs": [
            {
                "run": one.run,
                "measures": one.means,
                "judged@10": one.shown.get(JUDGED),
                "warnings": one.warnings,
                **({"per_query": one.per_query.to_dict("records")} if per_query else {}),
            }
            for one in section.evaluations
        ],
        **(
            {"comparison": [asdict(one) for one in section.differences]}
            if section.differences
            else {}
        ),
    }


def _count(queries: int) -> str:
    return f"{queries:,} {'query' if queries == 1 else 'queries'}"


def _csv(sections: Sequence[Section], collection: str | None) -> str:
    """One table: a run a row, or, where there is a baseline, a run and measure a row."""
    grouped, compared = len(sections) > 1, bool(sections[0].differences)
    header = ["run", *sections[0].evaluations[0].shown]
    if compared:
        header = [field.name for field in fields(Difference)]
    rows: list[list[str]] = []
    for section in sections:
        first = [section.name or "all", str(section.queries)] if grouped and not compared else []
        first = [section.name or "all"] if grouped and compared else first
        found = [list(map(str, asdict(one).values())) for one in section.differences]
        if not compared:
            found = [
                [one.run, *map(repr, map(float, one.shown.values()))] for one in section.evaluations
            ]
        rows += [[*first, *one, *([collection] if collection else [])] for one in found]
    leading = (["group"] if compared else ["group", "queries"]) if grouped else []
    header = [*leading, *header, *(["collection"] if collection else [])]
    return Table(header, rows).csv()
