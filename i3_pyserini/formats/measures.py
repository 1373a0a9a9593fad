"""Names of measures: presets of the collections that everyone reports, or any of ir-measures'."""

import difflib
from collections.abc import Sequence

import ir_measures
from ir_measures.measures import Measure

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.datasets import PRESETS

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


def _hint(expression: str) -> str:
    """What may have been meant."""
    if "," in expression and "(" not in expression:
        return "; separate measures by blanks"
    name, at, cutoff = expression.partition("@")
    # Names come before their other spellings there, and win.
    known = {one.lower(): one for one in reversed([*ir_measures.measures.registry, *PRESETS])}
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {known[close[0]]}{at}{cutoff}?" if close else ""


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
