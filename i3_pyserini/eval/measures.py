"""From which level on a measure counts a passage as relevant."""

from collections.abc import Sequence

from ir_measures.measures import Measure

from i3_pyserini.errors import I3Error

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
