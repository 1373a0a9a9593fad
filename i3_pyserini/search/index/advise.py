"""Recommends an index type for a collection, from benchmark results scaled to its size.

`measured.json` is the output of `python -m benchmarks.ann`. Recall is that of the nearest measured
number of passages. Bytes per vector and milliseconds are scaled with the dimension, and
milliseconds also with the number of vectors compared. For a graph, time is scaled with log N.

If exact search takes less than `QUICK` milliseconds per query, another type would save at most
seven seconds for 6,980 queries and miss some hits.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

from i3_pyserini.errors import I3Error, at_least_1

if TYPE_CHECKING:
    import pandas as pd

QUICK = 1.0  # milliseconds per query
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)I?B?")
SPARE = 1.1  # times the index: ids, queries, hits, and the process itself


@dataclass(frozen=True)
class Estimate:
    """The estimate for an index type.

    Attributes:
        name: name of the type.
        recall: recall@k against exact search.
        gigabytes: memory while searching.
        milliseconds: time per query, on all cores, for many queries at once.
        measured_at: number of passages in the measurement.
    """

    name: str
    recall: float
    gigabytes: float
    milliseconds: float
    measured_at: int


@dataclass(frozen=True)
class Advice:
    """A recommended index type.

    Attributes:
        k: the k of recall@k.
        gigabytes: available memory.
        estimates: estimates for all types.
        recommended: the recommended type.
        exact: whether exact search is fast enough.
        measured: data and machine of the measurements.
    """

    k: int
    gigabytes: float
    estimates: Sequence[Estimate]
    recommended: str
    exact: bool
    measured: str

    def __str__(self) -> str:
        recall = f"recall@{self.k}"
        lines = [f"{'type':<10} {recall:>12} {'memory':>10} {'ms/query':>9} {'measured at':>12}"]
        for one in self.estimates:
            mark = "  <- recommended" if one.name == self.recommended else ""
            mark = "  does not fit" if one.gigabytes > self.gigabytes else mark
            lines.append(
                f"{one.name:<10} {one.recall:>12.4f} {one.gigabytes:>8.1f}GB "
                f"{one.milliseconds:>9.2f} {one.measured_at:>12,}{mark}"
            )
        lines += [
            "",
            f"From measurements with {self.measured}. Recall is as measured, not extrapolated: "
            "tune on your queries.",
            "Memory is scaled with passages and dimensions, time too (a graph's with the logarithm "
            "of passages).",
        ]
        if self.exact:
            lines.append(f"Exact search of so few passages takes less than {QUICK:g} ms per query.")
        return "\n".join(lines)

    def to_json(self) -> str:
        """The recommended type, and the estimates."""
        return json.dumps(asdict(self), indent=2)

    def to_pandas(self) -> "pd.DataFrame":
        """One row per type: its estimate, and whether it is recommended."""
        import pandas as pd

        rows = [asdict(one) for one in self.estimates]
        frame = pd.DataFrame(rows).rename(columns={"name": "type"})
        return frame.assign(recommended=frame["type"] == self.recommended)

    def _repr_html_(self) -> str:
        return str(self.to_pandas().to_html(index=False))


def advise_index(
    *,
    passages: int,
    dim: int,
    memory: str | int,
    k: Literal[10, 1000] = 1000,
    recall: float = 0.95,
) -> Advice:
    """Recommends an index type, based on measurements.

    Args:
        passages: number of passages.
        dim: dimension of the vectors.
        memory: available memory, such as 32G; a number is bytes.
        k: hits per query.
        recall: required recall@k.

    Returns:
        Estimates for all types, and the fastest that fits; flat if that is fast enough.

    Raises:
        I3Error: a number is out of range, or no type fits.
    """
    at_least_1(passages=passages, dim=dim)
    return advise(passages, dim, bytes_of(memory), k, recall)


def bytes_of(size: str | int) -> int:
    """Converts a size to bytes.

    Args:
        size: such as "32G" or "800M"; a number is bytes.

    Raises:
        I3Error: it is not a size.
    """
    found = SIZE.fullmatch(str(size).upper().replace(" ", ""))
    if found is None:
        raise I3Error(f"memory {size!r}: expected a size such as 32G or 800M")
    return int(float(found[1]) * UNITS[found[2]])


def advise(passages: int, dimension: int, memory: int, k: int, recall: float) -> Advice:
    """The same for memory in bytes."""
    table = _measured()
    estimates = [
        _estimate(rows, passages, dimension, k) for rows in _by_type(table["rows"]).values()
    ]
    gigabytes = memory / 1e9
    good = [one for one in estimates if one.gigabytes <= gigabytes and one.recall >= recall]
    exact = next((one for one in good if one.name == "flat" and one.milliseconds < QUICK), None)
    best = exact or min(good, key=lambda one: one.milliseconds, default=None)
    if best is None:
        raise I3Error(
            f"no type has recall@{k} {recall} in {gigabytes:.1f} GB; closest: "
            + _closest(estimates, gigabytes)
        )
    measured = f"{table['dimension']} dimensions ({table['machine']})"
    return Advice(k, gigabytes, estimates, best.name, exact is not None, measured)


def _closest(estimates: list[Estimate], gigabytes: float) -> str:
    fitting = [one for one in estimates if one.gigabytes <= gigabytes]
    if not fitting:
        least = min(estimates, key=lambda one: one.gigabytes)
        return (
            f"{least.name} needs {least.gigabytes:.1f} GB; use several machines, or a vector engine"
        )
    best = max(fitting, key=lambda one: one.recall)
    return f"{best.name} with {best.recall:.4f} in {best.gigabytes:.1f} GB"


def _estimate(rows: list[dict[str, Any]], passages: int, dimension: int, k: int) -> Estimate:
    row = min(rows, key=lambda row: abs(math.log(row["passages"] / passages)))
    wider = dimension / row["dimension"]
    if row["type"] == "hnsw":
        more = math.log(passages) / math.log(row["passages"])
    else:
        more = passages / row["passages"]
    return Estimate(
        row["type"],
        row[f"recall@{k}"],
        SPARE * row["bytes_a_vector"] * wider * passages / 1e9,
        row[f"milliseconds@{k}"] * wider * more,
        row["passages"],
    )


def _by_type(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    types: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        types.setdefault(row["type"], []).append(row)
    return types


def _measured() -> dict[str, Any]:
    file = resources.files("i3_pyserini.search.index").joinpath("measured.json")
    table: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return table
