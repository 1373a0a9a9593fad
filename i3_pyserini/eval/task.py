"""The qrels and measures of an evaluation, with notes about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
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
        qrels: a file, a frame, or the name of a preset, which also selects the measures.
        names: presets and measures; empty for those of the qrels' preset, or the default.
        index: the index that was searched, if known.
        duplicates: see `qrels.read_judgements`.

    Raises:
        I3Error: an argument is invalid, or arguments cannot be combined.
    """
    preset = qrels if isinstance(qrels, str) and qrels in PRESETS else None
    names = names or ([preset] if preset else [])
    measures, note = choose_measures(names)
    notes = [note] if note else []
    notes += made_note(qrels)
    notes += collection_notes([name for name in names if name in PRESETS], index)
    judged = judgements(qrels, duplicates)
    notes += graded_note(measures, max(judged["relevance"]))
    return Task(judged, measures, notes)


def searched_collection(index: Path) -> tuple[str, int]:
    """The name of an index's collection, and its number of passages.

    Raises:
        I3Error: its manifest does not record it.
    """
    from i3_pyserini.formats.index import read_manifest  # noqa: PLC0415  (slow, and rarely needed)

    manifest = read_manifest(index)
    name, count = manifest.corpus.name or manifest.corpus.path, manifest.passages
    if name is None or count is None:
        raise I3Error(f"{index}: not an index of this package; its collection is unknown")
    return name, count


def collection_notes(presets: list[str], index: Path | None) -> list[str]:
    """Notes about the collection, for comparison with published scores.

    Args:
        presets: names of the presets in use.
        index: the index that was searched, if known.

    Raises:
        I3Error: the index does not record its collection.
    """
    wholes = {whole for name in presets if (whole := PRESETS[name].passages)}
    if not wholes:
        return []
    if index is None:
        return [
            "the collection is unknown: official and titled MS MARCO, or a part of it, give "
            "different scores; give the index (--index)"
        ]
    name, count = searched_collection(index)
    return [
        f"{name} is a part of the collection ({count:,} of {whole:,} passages): the scores are not "
        "comparable with published ones"
        for whole in sorted(wholes)
        if count < whole
    ]
