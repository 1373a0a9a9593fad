"""What runs are evaluated by: qrels and measures, and what a reader must know of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from ir_measures.measures import Measure

from i3_pyserini.eval.collection import collection_notes
from i3_pyserini.eval.inputs import judgements
from i3_pyserini.eval.measures import graded_note
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.presets import PRESETS
from i3_pyserini.formats.qrels import Duplicates

if TYPE_CHECKING:
    from i3_pyserini.eval.inputs import Frame


@dataclass(frozen=True)
class Task:
    """What runs are evaluated by.

    Attributes:
        qrels: see `qrels.read_qrels`.
        measures: what to compute.
        notes: what a reader must know.
    """

    qrels: pl.DataFrame
    measures: list[Measure]
    notes: list[str]


def read_task(
    qrels: "str | PathLike[str] | Frame",
    names: Sequence[str],
    index: Path | None,
    duplicates: Duplicates = "refuse",
) -> Task:
    """Reads qrels and chooses measures.

    Args:
        qrels: a file, a preset's name, which then chooses the measures too, or a frame.
        names: presets and measures; empty for those of the qrels' preset, or a general set.
        index: the index that was searched, if it is known.
        duplicates: of judgements; see `qrels.read_judgements`.

    Raises:
        I3Error: one of them is invalid, or they do not go together.
    """
    preset = qrels if isinstance(qrels, str) and qrels in PRESETS else None
    names = names or ([preset] if preset else [])
    measures, note = choose_measures(names)
    notes = [note] if note else []
    notes += collection_notes([name for name in names if name in PRESETS], index)
    judged = judgements(qrels, duplicates)
    notes += graded_note(measures, max(judged["relevance"]))
    return Task(judged, measures, notes)
