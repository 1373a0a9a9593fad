"""The file with the settings of a fusion, stored beside its run for reuse."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.records import read_object
from i3_pyserini.search.fusion import Fusion, Method, Normalization
from i3_pyserini.search.fusion_tuning import Tuned


@dataclass(frozen=True)
class Stored:
    """A stored fusion.

    Attributes:
        fusion: the fusion.
        queries: the dev queries that it was tuned on; empty if it was not tuned.
        tuned: all details of the tuning.
    """

    fusion: Fusion
    queries: list[str] = field(default_factory=list)
    tuned: dict[str, Any] = field(default_factory=dict)


def as_json(stored: Stored, runs: Sequence[Path]) -> str:
    """The text to store.

    Args:
        stored: the fusion.
        runs: the runs, in the order of the weights.
    """
    known: dict[str, Any] = {**asdict(stored.fusion), "runs": list(map(str, runs))}
    if stored.tuned:
        known["tuned"] = stored.tuned
    return json.dumps(known, indent=2) + "\n"


def of_tuned(tuned: Tuned, qrels: str, runs: Sequence[Path]) -> Stored:
    """The record of a tuned fusion.

    Args:
        tuned: the result of tuning.
        qrels: source of the judgments.
        runs: the dev runs.
    """
    known = {
        "measure": tuned.measure,
        "value": tuned.value,
        "points": tuned.points,
        "qrels": qrels,
        "runs": list(map(str, runs)),
        "queries": tuned.queries,
    }
    return Stored(tuned.fusion, tuned.queries, known)


def read_fusion(path: Path) -> Stored:
    """Reads a stored fusion.

    Raises:
        I3Error: the file cannot be read, or is not a stored fusion.
    """
    try:
        fields = read_object(path)
        weights = tuple(float(weight) for weight in fields["weights"])
        fusion = Fusion(fields["method"], weights, float(fields["k"]), fields["normalization"])
        tuned = dict(fields.get("tuned", {}))
        queries = [str(qid) for qid in tuned.get("queries", [])]
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise I3Error(f"{path}: not a file of stored weights of fuse ({error})") from error
    if fusion.method not in get_args(Method):
        raise I3Error(f"{path}: method {fusion.method!r} is unknown")
    if fusion.normalization not in get_args(Normalization) or not fusion.k >= 0:
        raise I3Error(f"{path}: normalization {fusion.normalization!r} or k {fusion.k} is invalid")
    return Stored(fusion, queries, tuned)
