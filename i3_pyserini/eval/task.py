"""What runs are evaluated by: qrels and measures, and what a reader must know of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from ir_measures.measures import Measure

from i3_pyserini.eval.collection import collection_notes
from i3_pyserini.eval.measures import graded_note
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.presets import PRESETS
from i3_pyserini.formats.qrels import Duplicates, read_qrels


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
    qrels: str, names: Sequence[str], index: Path | None, duplicates: Duplicates = "refuse"
) -> Task:
    """Reads qrels and chooses measures.

    Args:
        qrels: a file's name, or a preset's, which then chooses the measures, too.
        names: presets and measures; empty for those of the qrels' preset, or a general set.
        index: the index that was searched, if it is known.
        duplicates: of judgements; see `qrels.read_judgements`.

    Raises:
        I3Error: one of them is invalid, or they do not go together.
    """
    names = names or ([qrels] if qrels in PRESETS else [])
    measures, note = choose_measures(names)
    notes = [note] if note else []
    notes += collection_notes([name for name in names if name in PRESETS], index)
    judgements = read_qrels(qrels, duplicates)
    notes += graded_note(measures, max(judgements["relevance"]))
    return Task(judgements, measures, notes)
