"""The study's tests: a difference must hold over queries and over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

LEVEL = 0.05


@dataclass(frozen=True)
class Effect:
    """The difference of two conditions.

    Attributes:
        delta: mean difference over queries and seeds.
        low: lower end of the wider of the two 95% intervals.
        high: its upper end.
        p_queries: paired t-test over queries; a query's value is its mean over the seeds.
        p_seeds: paired t-test over seeds; a seed's value is its mean over the queries. NaN for
            one seed.
    """

    delta: float
    low: float
    high: float
    p_queries: float
    p_seeds: float

    @property
    def p(self) -> float:
        """The larger of both, the test of "holds over queries and over seeds"; 1 for one seed."""
        return 1.0 if np.isnan(self.p_seeds) else max(self.p_queries, self.p_seeds)


def effect(base: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> Effect:
    """Compares two conditions.

    Args:
        base: values by seed and query, [S, Q].
        other: the same of the other condition, seeds and queries in the same order.

    Source: for the larger of two p-values as a test that both hold, Berger, 1982,
    "Multiparameter Hypothesis Testing and Acceptance Sampling".
    """
    difference = np.asarray(other, dtype=float) - np.asarray(base, dtype=float)
    queries, seeds = difference.mean(axis=0), difference.mean(axis=1)
    intervals = [_interval(queries)]
    p_seeds = float("nan")
    if len(seeds) > 1:
        intervals.append(_interval(seeds))
        p_seeds = _p(seeds)
    low, high = max(intervals, key=lambda one: one[1] - one[0])
    return Effect(float(difference.mean()), low, high, _p(queries), p_seeds)


def holm(effects: Sequence[Effect], tests: int) -> list[float]:
    """The effects' p-values, corrected by Holm's method.

    Args:
        effects: those that are known.
        tests: of how many tests they are; those that are not known yet count as if their p were 1.
    """
    ps = [one.p for one in effects]
    ps += [1.0] * (tests - len(ps))
    corrected = multipletests(ps, LEVEL, method="holm")[1]
    return [float(p) for p in corrected[: len(effects)]]


def _p(values: NDArray[np.float64]) -> float:
    if not values.any():
        return 1.0
    return float(stats.ttest_1samp(values, 0.0).pvalue)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    if values.std() == 0:
        return float(values.mean()), float(values.mean())
    low, high = stats.t.interval(
        1 - LEVEL, len(values) - 1, loc=values.mean(), scale=stats.sem(values)
    )
    return float(low), float(high)
