"""What a comparison of runs found, in words."""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i3_pyserini.eval.compare import Difference

BETTER, WORSE, EVEN = KINDS = (
    "significantly better",
    "significantly worse",
    "not significantly different",
)
LIMIT = 0.05  # p below it is called significant
SMALLEST_P = 0.001
TEST = f"p < {LIMIT:g}, paired t-test, by Holm's method for the runs of a measure"


def kind_of(difference: "Difference") -> str:
    """One of `KINDS`, by the paired t-test as corrected by Holm's method."""
    p = difference.t_test_holm
    if not (isfinite(p) and p < LIMIT):
        return EVEN
    return BETTER if difference.delta > 0 else WORSE


def sentence(differences: Sequence["Difference"], measure: str, over: str, baseline: str) -> str:
    """One sentence that names significant differences and those that are not.

    Args:
        differences: from the baseline; those of other measures are ignored.
        measure: the measure.
        over: the queries, such as "40 test queries of NFCorpus".
        baseline: name of the baseline, with an article if it needs one.
    """
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    before = 0.0
    for one in differences:
        if one.measure == measure:
            found[kind_of(one)].append(f"{one.run} ({one.delta:+.4f}, {p_words(one.t_test_holm)})")
            before = one.baseline_mean
    said = [
        f"{listed(systems)} {'is' if len(systems) == 1 else 'are'} {kind}"
        for kind, systems in found.items()
        if systems
    ]
    if not said:
        return f"{over} {'is' if over.startswith('1 ') else 'are'} too few to compare systems."
    return f"In {measure} over {over}, compared with {baseline} ({before:.4f}), {listed(said)}."


def listed(texts: Sequence[str]) -> str:
    """Texts as a list in a sentence."""
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def p_words(value: float) -> str:
    """A p-value with its sign of comparison."""
    if not isfinite(value):
        return "p undefined"
    return f"p = {value:.3f}" if value >= SMALLEST_P else f"p < {SMALLEST_P}"
