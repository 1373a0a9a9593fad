"""The tables of docs/results/scale.md, from the record of `benchmarks.scale`.

python -m benchmarks.scale_page
"""

import math
import re
from collections.abc import Mapping, Sequence

from tabulate import tabulate

from benchmarks.record import RESULTS, Record, load

PAGE = RESULTS.parents[1] / "docs" / "results" / "scale.md"
START, END = "<!-- made by python -m benchmarks.scale_page -->\n", "<!-- results: scale -->"
NAME = re.compile(r"([\d,]+) passages, (.+): (time|peak memory|own memory|written)")
Costs = Mapping[int, float]  # by number of passages


def main() -> None:
    """Writes the tables into the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    made = before + START + tables(load(RESULTS / "scale.json")) + END + rest.split(END, 1)[1]
    PAGE.write_text(made, encoding="utf-8")


def tables(record: Record) -> str:
    """Time, memory and disk of each step."""
    costs = by_kind(record)
    sizes = sorted({size for steps in costs.values() for one in steps.values() for size in one})
    head = [f"{size:,}" for size in sizes]
    grows = f"{sizes[-2]:,} → {sizes[-1]:,}"
    times = [
        [step, *(_cell(one.get(size), 1) for size in sizes), growth(one, sizes)]
        for step, one in costs["time"].items()
    ]
    rest = [
        [
            step,
            *(_cell(costs["own memory"][step].get(size), 0) for size in sizes),
            *(_cell(costs["written"].get(step, {}).get(size), 0) for size in sizes),
        ]
        for step in costs["time"]
    ]
    megabytes = ["step", *(f"memory, {one}" for one in head), *(f"disk, {one}" for one in head)]
    return "\n".join(
        [
            "\nSeconds:\n",
            _table(["step", *head, grows], times),
            "\nMB of memory that is the process's own, and MB written:\n",
            _table(megabytes, rest),
            "",
        ]
    )


def by_kind(record: Record) -> dict[str, dict[str, dict[int, float]]]:
    """Kind of cost → step → number of passages → cost."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for figure in record.figures:
        if (match := NAME.fullmatch(figure.name)) and figure.value is not None:
            size, step, kind = match.groups()
            steps = found.setdefault(kind, {})
            steps.setdefault(step, {})[int(size.replace(",", ""))] = figure.value
    return found


def growth(costs: Costs, sizes: Sequence[int]) -> str:
    """The power of the number of passages that a cost grows with, between the two largest sizes."""
    less, more = sizes[-2:]
    if not (costs.get(less) and costs.get(more)):
        return ""
    return f"n^{math.log(costs[more] / costs[less]) / math.log(more / less):.2f}"


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    aligned = ("left", *["right"] * (len(head) - 1))
    return tabulate(rows, head, "github", disable_numparse=True, colalign=aligned)


if __name__ == "__main__":
    main()
