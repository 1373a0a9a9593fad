"""Is one run better than another? Paired tests, corrected for how many runs are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluate import Evaluation, Values

RESAMPLES = 9999
BATCH = 1 << 22  # numbers that a test holds at a time
CONFIDENCE = 0.95
SEED = 42
LEAST_QUERIES = 2
EQUAL = 1e-9  # values that two orders of summation may give


@dataclass(frozen=True)
class Difference:
    """A run against the baseline, by one measure.

    Attributes:
        run: the run's name.
        measure: the measure.
        queries: over how many queries.
        mean: the run's mean.
        baseline_mean: the baseline's.
        delta: mean difference.
        low: lower end of its 95% interval, by the bootstrap over queries.
        high: upper end.
        effect: Cohen's d of paired values: `delta` over the differences' standard deviation.
        t_test: p of the paired t-test, two-sided.
        randomisation: p of the paired randomisation test (signs of differences), two-sided.
        t_test_holm: corrected for the runs that are compared by this measure.
        randomisation_holm: likewise.
        wins: queries where the run is better.
        ties: where both are equal.
        losses: where the run is worse.
    """

    run: str
    measure: str
    queries: int
    mean: float
    baseline_mean: float
    delta: float
    low: float
    high: float
    effect: float
    t_test: float
    randomisation: float
    t_test_holm: float
    randomisation_holm: float
    wins: int
    ties: int
    losses: int


def compare(baseline: Evaluation, others: Sequence[Evaluation]) -> list[Difference]:
    """Compares runs with a baseline, query by query.

    Smucker, Allan and Carterette (CIKM 2007) compare the tests. The p-values of all runs by one
    measure are corrected together, by Holm's method.

    Args:
        baseline: what to compare with.
        others: evaluations by the same qrels and measures.

    Returns:
        By measure, and within it in the order of the runs.

    Raises:
        I3Error: there are fewer than two queries.
    """
    queries = baseline.queries
    if len(queries) < LEAST_QUERIES:
        raise I3Error(f"{len(queries)} query is too few to compare runs; leave out --baseline")
    return [
        difference
        for measure in baseline.values
        for difference in _compare_by(measure, baseline, others)
    ]


def _compare_by(
    measure: str, baseline: Evaluation, others: Sequence[Evaluation]
) -> list[Difference]:
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415  (a second)

    base = baseline.values[measure]
    found = [_differ(evaluation.values[measure] - base) for evaluation in others]
    t_tests, randomisations = (
        multipletests([one[name] for one in found], method="holm")[1] if found else []
        for name in ("t_test", "randomisation")
    )
    return [
        Difference(
            run=evaluation.run,
            measure=measure,
            queries=len(base),
            mean=float(base.mean() + one["delta"]),
            baseline_mean=float(base.mean()),
            t_test_holm=float(t_test),
            randomisation_holm=float(randomisation),
            **one,
        )
        for evaluation, one, t_test, randomisation in zip(
            others, found, t_tests, randomisations, strict=True
        )
    ]


def _differ(differences: Values) -> dict[str, Any]:
    """What can be said of paired differences: float64 [Q]."""
    from scipy import stats  # noqa: PLC0415  (half a second)

    differences = np.where(np.abs(differences) < EQUAL, 0.0, differences)
    delta, deviation = float(differences.mean()), float(differences.std(ddof=1))
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    counted = {"wins": wins, "ties": len(differences) - wins - losses, "losses": losses}
    if deviation < EQUAL:  # the same for every query: nothing varies that could be tested
        same = {"low": delta, "high": delta, "effect": 0.0 if delta == 0 else float("inf")}
        p = 1.0 if delta == 0 else 0.0
        return {"delta": delta, **same, "t_test": p, "randomisation": p, **counted}
    how = {"n_resamples": RESAMPLES, "batch": max(1, BATCH // len(differences)), "rng": SEED}
    signs = stats.permutation_test(
        (differences,), _mean, permutation_type="samples", vectorized=True, **how
    )
    interval = stats.bootstrap(
        (differences,), _mean, confidence_level=CONFIDENCE, method="percentile", **how
    ).confidence_interval
    return {
        "delta": delta,
        "low": float(interval.low),
        "high": float(interval.high),
        "effect": delta / deviation,
        "t_test": float(stats.ttest_1samp(differences, 0.0).pvalue),
        "randomisation": float(signs.pvalue),
        **counted,
    }


def _mean(values: Values, axis: int) -> Values:
    mean: Values = np.mean(values, axis=axis)
    return mean
