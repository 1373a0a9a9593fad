"""What runs are evaluated by: qrels and measures, and what a reader must know of both."""

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
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import Duplicates

if TYPE_CHECKING:
    from i3_pyserini.eval.inputs import Frame

GRADED = 2  # the highest level of judgements that are more than yes and no


def relevance_level(measures: Sequence[Measure]) -> int:
    """From which level on a passage counts as relevant: the highest that a measure names."""
    return max((level for level in map(_level, measures) if level), default=1)


def graded_note(measures: Sequence[Measure], highest: int) -> list[str]:
    """What must be said of binary measures when judgements are graded.

    Args:
        measures: the measures.
        highest: the highest level of the qrels.

    Raises:
        I3Error: a measure counts from a level on that no judgement has.
    """
    for measure in measures:
        level = _level(measure)
        if level is not None and level > max(highest, 1):
            raise I3Error(
                f"{measure}: the qrels have no level above {highest}; are they of another set?"
            )
    lenient = [str(measure) for measure in measures if _level(measure) == 1]
    if highest < GRADED or not lenient:
        return []
    return [
        f"graded judgements, up to {highest}; relevant from 1 on for {', '.join(lenient)} "
        "(TREC Deep Learning counts from 2 on: presets trec-dl-2019 and later)"
    ]


def _level(measure: Measure) -> int | None:
    """From which level on a measure counts; None for one that has gains instead."""
    level = measure["rel"] if "rel" in measure.SUPPORTED_PARAMS else None
    return level if isinstance(level, int) else None


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


def searched_collection(index: Path) -> tuple[str, int]:
    """The name of an index's collection, and how many passages it holds.

    Raises:
        I3Error: its manifest does not say.
    """
    from i3_pyserini.formats.index import read_manifest  # noqa: PLC0415  (slow, and rarely needed)

    manifest = read_manifest(index)
    name, count = manifest.corpus.name or manifest.corpus.path, manifest.passages
    if name is None or count is None:
        raise I3Error(
            f"{index}: no index that i3_pyserini.encode made; its collection is not known"
        )
    return name, count


def collection_notes(presets: list[str], index: Path | None) -> list[str]:
    """What must be said of the collection, where scores are compared with published ones.

    Args:
        presets: names of the presets in use.
        index: the index that was searched, if it is known.

    Raises:
        I3Error: the index does not say what collection it is of.
    """
    wholes = {whole for name in presets if (whole := PRESETS[name].passages)}
    if not wholes:
        return []
    if index is None:
        return [
            "what was searched is not known: official and titled MS MARCO, or a part of it, give "
            "other scores; name the index (--index)"
        ]
    name, count = searched_collection(index)
    return [
        f"{name} is a part of the collection ({count:,} of {whole:,} passages): the scores are not "
        "comparable with published ones"
        for whole in sorted(wholes)
        if count < whole
    ]
