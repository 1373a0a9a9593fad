"""Which measures: presets of the collections that everyone reports, or any of ir-measures'."""

import difflib
from collections.abc import Sequence

import ir_measures
from ir_measures.measures import Measure

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.presets import PRESETS

GRADED = 2  # the highest level of judgements that are more than yes and no
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


def _hint(expression: str) -> str:
    """What may have been meant."""
    if "," in expression and "(" not in expression:
        return "; separate measures by blanks"
    name, at, cutoff = expression.partition("@")
    # Names come before their other spellings there, and win.
    known = {one.lower(): one for one in reversed([*ir_measures.measures.registry, *PRESETS])}
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {known[close[0]]}{at}{cutoff}?" if close else ""


def _level(measure: Measure) -> int | None:
    """From which level on a measure counts; None for one that has gains instead."""
    level = measure["rel"] if "rel" in measure.SUPPORTED_PARAMS else None
    return level if isinstance(level, int) else None


def _measure(expression: str) -> Measure:
    try:
        measure = ir_measures.parse_measure(expression)
        ir_measures.parse_measure(str(measure))  # which is how tables name it
        known = ir_measures.DefaultPipeline.supports(measure)
    except (AssertionError, LookupError, NameError, SyntaxError, TypeError, ValueError) as error:
        raise I3Error(
            f"{expression!r} is neither a preset ({', '.join(PRESETS)}) nor a measure of "
            f"ir-measures, such as nDCG@10 or R(rel=2)@1000{_hint(expression)}"
        ) from error
    if not known:
        raise I3Error(f"{expression}: no provider of ir-measures computes it as it is written")
    cutoff = measure["cutoff"] if "cutoff" in measure.SUPPORTED_PARAMS else None
    if isinstance(cutoff, int) and cutoff < 1:
        raise I3Error(f"{expression}: a cutoff is at least 1")
    return measure
