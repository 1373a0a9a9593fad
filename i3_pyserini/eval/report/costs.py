"""The costs of runs: queries per second and index size."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from i3_pyserini.errors import I3Error

HEADER = ("run", "queries_per_second", "index_bytes")


@dataclass(frozen=True)
class Cost:
    """The cost of a run.

    Attributes:
        queries_per_second: speed of its search.
        index_bytes: size of its index.
    """

    queries_per_second: float
    index_bytes: float


def read_costs(path: Path, runs: Collection[str]) -> dict[str, Cost]:
    """Reads costs by the names of runs.

    Args:
        path: a TSV file with the columns of `HEADER`.
        runs: names of the runs; the file may contain others.

    Raises:
        I3Error: a line is invalid, or a run is missing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise I3Error(f"{path}: is not UTF-8 text; save it as such") from error
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror})") from error
    if not lines or tuple(lines[0].split("\t")) != HEADER:
        found = lines[0] if lines else ""
        raise I3Error(f"{path}, line 1: {found!r:.60}; expected {'<tab>'.join(HEADER)}")
    costs: dict[str, Cost] = {}
    for number, line in enumerate(lines[1:], start=2):
        name, *values = line.split("\t")
        if name in costs:
            raise I3Error(f"{path}, line {number}: run {name!r} occurs twice")
        costs[name] = Cost(*_numbers(values, f"{path}, line {number}"))
    missing = [run for run in runs if run not in costs]
    if missing:
        raise I3Error(f"{path}: no line for {missing[0]}; expected the file names of runs")
    return {run: costs[run] for run in runs}


def _numbers(values: list[str], place: str) -> tuple[float, float]:
    try:
        speed, size = map(float, values)
    except ValueError as error:
        raise I3Error(f"{place}: {len(values)} values {values}; expected two numbers") from error
    if not (0 < speed < math.inf and 0 < size < math.inf):
        raise I3Error(f"{place}: {speed:g} and {size:g}; both must be above zero")
    return speed, size
