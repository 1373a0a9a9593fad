"""Which type of index for a collection: the benchmark's measurements, scaled to its size.

`measured.json` is what `python -m benchmarks.ann` wrote. Recall is taken as measured, at the
number of passages that is nearest. Bytes of a vector and milliseconds grow with the dimension, and
milliseconds with the vectors that are looked at: all of them, or as many lists of those as were
searched when it was measured. A graph is taken to grow with log N.

Where exact search takes less than `QUICK` milliseconds a query, nothing is to be gained by another
type: seven seconds at most of 6,980 queries, of whose hits some would then be missed.
"""

import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any

from i3_pyserini.errors import I3Error

QUICK = 1.0  # milliseconds a query
SPARE = 1.1  # times the index: ids, queries, hits, and the process itself


@dataclass(frozen=True)
class Estimate:
    """What a type would be for a collection.

    Attributes:
        name: of the type.
        recall: recall@k against exact search.
        gigabytes: of memory while searching.
        milliseconds: a query, all cores, many queries at once.
        measured_at: passages of the measurement.
    """

    name: str
    recall: float
    gigabytes: float
    milliseconds: float
    measured_at: int


def advise(passages: int, dimension: int, memory: int, k: int, recall: float) -> str:
    """A table of all types, and the quickest that fits; flat where that is quick enough.

    Args:
        passages: of the collection.
        dimension: of its vectors.
        memory: bytes that there are.
        k: hits of a query.
        recall: recall@k that is needed.

    Raises:
        I3Error: no type fits.
    """
    table = _measured()
    estimates = [
        _estimate(rows, passages, dimension, k) for rows in _by_type(table["rows"]).values()
    ]
    gigabytes = memory / 1e9
    good = [one for one in estimates if one.gigabytes <= gigabytes and one.recall >= recall]
    lines = [f"{'type':<10} {f'recall@{k}':>12} {'memory':>10} {'ms/query':>9} {'measured at':>12}"]
    exact = next((one for one in good if one.name == "flat" and one.milliseconds < QUICK), None)
    best = exact or min(good, key=lambda one: one.milliseconds, default=None)
    for one in estimates:
        mark = "  <- recommended" if one is best else ""
        mark = "  does not fit" if one.gigabytes > gigabytes else mark
        lines.append(
            f"{one.name:<10} {one.recall:>12.4f} {one.gigabytes:>8.1f}GB {one.milliseconds:>9.2f} "
            f"{one.measured_at:>12,}{mark}"
        )
    lines += [
        "",
        f"From measurements with {table['dimension']} dimensions ({table['machine']}). Recall is "
        "as measured, not extrapolated: tune on your queries.",
        "Memory is scaled with passages and dimensions, time too (a graph's with the logarithm of "
        "passages).",
    ]
    if exact:
        lines.append(f"So few passages are searched exactly in less than {QUICK:g} ms a query.")
    if best is None:
        raise I3Error(
            f"no type has recall@{k} {recall} in {gigabytes:.1f} GB; closest: "
            + _closest(estimates, gigabytes)
        )
    return "\n".join(lines)


def _closest(estimates: list[Estimate], gigabytes: float) -> str:
    fitting = [one for one in estimates if one.gigabytes <= gigabytes]
    if not fitting:
        least = min(estimates, key=lambda one: one.gigabytes)
        return f"{least.name} needs {least.gigabytes:.1f} GB; use several machines, or an engine"
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
