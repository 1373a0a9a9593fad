"""The qrels and measures of an evaluation, with notes about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import polars as pl
from ir_measures.measures import Measure

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.inputs import judgements
from i3_pyserini.formats.datasets import PRESETS
from i3_pyserini.formats.made import made_note
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import Duplicates

if TYPE_CHECKING:
    from i3_pyserini.eval.inputs import Frame

GRADED = 2  # minimum highest level of graded judgments


def relevance_level(measures: Sequence[Measure]) -> int:
    """The minimum relevance level: the highest that a measure names."""
    return max((level for level in map(_level, measures) if level), default=1)


def graded_note(measures: Sequence[Measure], highest: int) -> list[str]:
    """The note about binary measures on graded judgments.

    Args:
        measures: the measures.
        highest: the highest level of the qrels.

    Raises:
        I3Error: a measure requires a level that no judgment has.
    """
    for measure in measures:
        level = _level(measure)
        if level is not None and level > max(highest, 1):
            raise I3Error(
                f"{measure}: the qrels have no level above {highest}; do they belong to other "
                "topics?"
            )
    lenient = [str(measure) for measure in measures if _level(measure) == 1]
    if highest < GRADED or not lenient:
        return []
    return [
        f"graded judgments, up to {highest}; {', '.join(lenient)}: relevant from level 1 (TREC "
        "Deep Learning: from level 2, presets trec-dl-2019 and later)"
    ]


def _level(measure: Measure) -> int | None:
    """The minimum level of a measure; None if it has gains instead."""
    level = measure["rel"] if "rel" in measure.SUPPORTED_PARAMS else None
    return level if isinstance(level, int) else None


@dataclass(frozen=True)
class Task:
    """The qrels and measures of an evaluation.

    Attributes:
        qrels: see `qrels.read_qrels`.
        measures: the measures.
        notes: what a reader must know.
        presets: names of the presets in use.
    """

    qrels: pl.DataFrame
    measures: list[Measure]
    notes: list[str]
    presets: list[str]


def read_task(
    qrels: "str | PathLike[str] | Frame",
    names: Sequence[str],
    duplicates: Duplicates = "refuse",
) -> Task:
    """Reads qrels and chooses measures.

    Args:
        qrels: a file, a frame, or the name of a preset, which also selects the measures.
        names: presets and measures; empty for those of the qrels' preset, or the default.
        duplicates: see `qrels.read_judgements`.

    Raises:
        I3Error: an argument is invalid, or arguments cannot be combined.
    """
    preset = qrels if isinstance(qrels, str) and qrels in PRESETS else None
    names = names or ([preset] if preset else [])
    measures, note = choose_measures(names)
    notes = [note] if note else []
    notes += made_note(qrels)
    judged = judgements(qrels, duplicates)
    notes += graded_note(measures, max(judged["relevance"]))
    return Task(judged, measures, notes, [name for name in names if name in PRESETS])
