"""Paired significance tests between runs, corrected for multiple runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluation import Evaluation, Values

RESAMPLES = 9999
BATCH = 1 << 22  # numbers in memory at a time
CONFIDENCE = 0.95
SEED = 42
LEAST_QUERIES = 2
EQUAL = 1e-9  # tolerance for different orders of summation


@dataclass(frozen=True)
class Difference:
    """A run compared with the baseline, for one measure.

    Attributes:
        run: the run's name.
        baseline: the name of the baseline run.
        measure: the measure.
        queries: number of queries with a value in both runs.
        mean: the run's mean.
        baseline_mean: the mean of the baseline.
        delta: mean difference.
        low: lower end of its 95% bootstrap interval over queries.
        high: upper end of the interval.
        effect: Cohen's d for paired values: `delta` divided by the standard deviation of the
            differences; NaN if they are all equal.
        t_test: p of the two-sided paired t-test; NaN if all differences are equal.
        randomisation: p of the two-sided paired randomization test (signs of differences).
        t_test_holm: `t_test`, corrected for the number of runs.
        randomisation_holm: `randomisation`, corrected in the same way.
        wins: number of queries on which the run is better.
        ties: number of queries on which both are equal.
        losses: number of queries on which the run is worse.
    """

    run: str
    baseline: str
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

    Smucker, Allan and Carterette (CIKM 2007) compare the tests. The p-values of all runs for one
    measure are corrected together with Holm's method.

    Args:
        baseline: evaluation of the baseline.
        others: evaluations with the same qrels and measures.

    Returns:
        The differences by measure, then in the order of the runs.

    Raises:
        I3Error: there are fewer than two queries.
    """
    queries = baseline.queries
    if len(queries) < LEAST_QUERIES:
        raise I3Error(f"{len(queries)} query is too few to compare runs; omit baseline")
    return [
        difference
        for measure in baseline.values
        for difference in _compare_by(measure, baseline, others)
    ]


def _compare_by(
    measure: str, baseline: Evaluation, others: Sequence[Evaluation]
) -> list[Difference]:
    base = baseline.values[measure]
    found = [_differ(base, evaluation.values[measure]) for evaluation in others]
    t_tests, randomisations = (
        _holm([one[name] for one in found]) for name in ("t_test", "randomisation")
    )
    return [
        Difference(
            run=evaluation.run,
            baseline=baseline.run,
            measure=measure,
            t_test_holm=float(t_test),
            randomisation_holm=float(randomisation),
            **one,
        )
        for evaluation, one, t_test, randomisation in zip(
            others, found, t_tests, randomisations, strict=True
        )
    ]


def _holm(p_values: Sequence[float]) -> Values:
    """Corrected p-values; NaN values are kept and not counted."""
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415  (a second)

    corrected = np.array(p_values, dtype=float)
    known = np.isfinite(corrected)
    if known.any():
        corrected[known] = multipletests(corrected[known], method="holm")[1]
    return corrected


def _differ(base: Values, other: Values) -> dict[str, Any]:
    """Statistics of two runs' values, float64 [Q] each; NaN for a query without a value."""
    from scipy import stats  # noqa: PLC0415  (half a second)

    shared = np.isfinite(base) & np.isfinite(other)
    base, other = base[shared], other[shared]
    if len(base) < LEAST_QUERIES:
        unknown = ("mean", "baseline_mean", "delta", "low", "high", "effect")
        tests = dict.fromkeys((*unknown, "t_test", "randomisation"), np.nan)
        return {**tests, "queries": len(base), "wins": 0, "ties": 0, "losses": 0}
    differences = np.where(np.abs(other - base) < EQUAL, 0.0, other - base)
    delta, deviation = float(differences.mean()), float(differences.std(ddof=1))
    varies = deviation > EQUAL
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    how = {"n_resamples": RESAMPLES, "batch": max(1, BATCH // len(differences)), "rng": SEED}
    low = high = delta
    if varies:
        interval = stats.bootstrap(
            (differences,), _mean, confidence_level=CONFIDENCE, method="percentile", **how
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    signs = stats.permutation_test(
        (differences,), _mean, permutation_type="samples", vectorized=True, **how
    )
    return {
        "queries": len(base),
        "mean": float(other.mean()),
        "baseline_mean": float(base.mean()),
        "delta": delta,
        "low": low,
        "high": high,
        "effect": delta / deviation if varies else np.nan,
        "t_test": float(stats.ttest_1samp(differences, 0.0).pvalue) if varies else np.nan,
        "randomisation": float(signs.pvalue),
        "wins": wins,
        "ties": len(differences) - wins - losses,
        "losses": losses,
    }


def _mean(values: Values, axis: int) -> Values:
    mean: Values = np.mean(values, axis=axis)
    return mean
