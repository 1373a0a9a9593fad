"""Reads costs and dev scores of the systems of a comparison from their output."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from i3_pyserini.errors import I3Error


@dataclass(frozen=True)
class Cost:
    """The costs of a system.

    Attributes:
        index_bytes: size of its index.
        training_minutes: of the training steps of one seed, validation left out; None if it is
            not trained.
        queries_per_second: of the search of the test queries, as `search --speed` writes it; None
            if it was not measured.
    """

    index_bytes: int
    training_minutes: float | None
    queries_per_second: float | None = None


def best_validation(training: Path, measure: str) -> float:
    """The highest value of a measure on the dev queries.

    Args:
        training: a training's folder.
        measure: its name in the log.

    Raises:
        I3Error: the log does not exist, or lacks the measure.
    """
    values = [line[measure] for line in _log(training) if measure in line]
    if not values:
        raise I3Error(f"{training / 'log.jsonl'}: no {measure} of the dev queries in it")
    return max(values)


def training_minutes(training: Path, steps: int) -> float | None:
    """Time of all steps, from those that the log has; None if it has none.

    Raises:
        I3Error: there is no log.
    """
    seconds = [line["seconds"] for line in _log(training) if "seconds" in line]
    return fmean(seconds) * steps / 60 if seconds else None


def _log(training: Path) -> Sequence[dict[str, float]]:
    path = training / "log.jsonl"
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise I3Error(f"{path}: cannot be read ({error})") from error


def bytes_of(folder: Path) -> int:
    """Size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
