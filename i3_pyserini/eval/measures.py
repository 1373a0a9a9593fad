"""Which measures: presets of the collections that everyone reports, or any of ir-measures'."""

from collections.abc import Sequence
from dataclasses import dataclass

import ir_measures
from ir_measures.measures import Measure

from i3_pyserini.errors import I3Error


@dataclass(frozen=True)
class Preset:
    """The measures that a collection is reported with.

    Attributes:
        measures: in the notation of ir-measures.
        note: what a reader of the table must know.
    """

    measures: tuple[str, ...]
    note: str


_DL = ("nDCG@10", "AP(rel=2)", "RR(rel=2)", "R(rel=2)@1000")
_DL_NOTE = "graded judgements 0-3; AP, RR and R count a passage as relevant from 2 on"
PRESETS = {
    "msmarco-passage-dev": Preset(
        ("RR@10", "R@50", "R@1000"), "binary judgements, about one relevant passage a query"
    ),
    "trec-dl-2019": Preset(_DL, _DL_NOTE),
    "trec-dl-2020": Preset(_DL, _DL_NOTE),
}
DEFAULT = ("nDCG@10", "RR@10", "R@100", "R@1000")


def choose_measures(names: Sequence[str]) -> tuple[list[Measure], str]:
    """Turns presets and expressions into measures.

    Args:
        names: names of presets, or expressions such as `nDCG@10`; empty for a general set.

    Returns:
        The measures, each once, and the presets' notes.

    Raises:
        I3Error: a name is neither, or no provider of ir-measures computes it.
    """
    expressions: dict[str, None] = {}
    notes: dict[str, None] = {}
    for name in names or DEFAULT:
        preset = PRESETS.get(name)
        if preset:
            notes[preset.note] = None
        expressions.update(dict.fromkeys(preset.measures if preset else (name,)))
    return [_measure(expression) for expression in expressions], "; ".join(notes)


def _measure(expression: str) -> Measure:
    try:
        measure = ir_measures.parse_measure(expression)
    except (NameError, ValueError, SyntaxError) as error:
        raise I3Error(
            f"{expression!r} is neither a preset ({', '.join(PRESETS)}) nor a measure of "
            "ir-measures, such as nDCG@10 or R(rel=2)@1000"
        ) from error
    if not ir_measures.DefaultPipeline.supports(measure):
        raise I3Error(f"{expression}: no provider of ir-measures computes it as it is written")
    return measure
