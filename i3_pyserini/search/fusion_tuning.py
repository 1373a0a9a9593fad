"""Tunes the weights of a fusion on dev queries."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np
import pandas as pd
import polars as pl
from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.runs import Run
from i3_pyserini.search.dev_measure import DevMeasure
from i3_pyserini.search.fusion import (
    Fusion,
    combine,
    parts_of,
    pool_runs,
    refuse_unscored,
    with_weights,
)

RANK_CONSTANTS = (60, 1, 2, 5, 10, 20, 40, 100, 200)  # the default first: it wins ties
STEP, STEP_OF_MORE = 0.05, 0.1  # steps of a weight: for two runs, for more
MOST = 5000  # maximum points of a grid


@dataclass(frozen=True)
class Tuned:
    """A tuned fusion.

    Attributes:
        fusion: the best of the grid; among equal ones, the one with the most even weights.
        measure: the measure that was maximized.
        value: the measure's mean over the judged dev queries.
        queries: the dev queries, judged or not.
        points: number of points in the grid.
    """

    fusion: Fusion
    measure: str
    value: float
    queries: list[str]
    points: int


def tune(
    runs: Sequence[Run],
    qrels: "pl.DataFrame | pd.DataFrame",
    fusion: Fusion,
    measure: str,
    depth: int = 1000,
    step: float | None = None,
) -> Tuned:
    """Tries all fusions of a grid: weights that sum to 1, and constants of "rrf".

    Args:
        runs: runs of the dev queries, in the order of the runs to fuse.
        qrels: their judgments; queries in no run are ignored, with a note.
        fusion: its method and normalization are kept.
        measure: the measure of ir-measures to maximize.
        depth: hits per query.
        step: step of the weights; None for 0.05 with two runs and 0.1 with more.

    Raises:
        I3Error: the measure is unknown, no query of the runs is judged, or the grid is too large.
    """
    refuse_unscored(runs, fusion.method)
    pool = pool_runs(runs)
    queries = [str(qid) for qid in pool.qids]
    value_of = DevMeasure(measure, qrels, queries, "the dev runs")
    depth = value_of.depth(depth)
    weights = list(_weights(len(runs), step))
    constants = RANK_CONSTANTS if fusion.method == "rrf" else (fusion.k,)
    best: tuple[float, Fusion] | None = None
    with tqdm(total=len(weights) * len(constants), desc="tune", unit=" points", delay=2) as bar:
        for k in constants:
            parts = parts_of(pool, replace(fusion, k=k))
            for some in weights:
                tried = replace(with_weights(fusion, some), k=k)
                value = value_of(combine(pool, parts, tried, depth))
                if best is None or value > best[0]:
                    best = value, tried
                bar.update()
    assert best is not None  # noqa: S101  (the grid is never empty)
    return Tuned(best[1], value_of.name, best[0], queries, len(weights) * len(constants))


def refuse_overlap(dev: Sequence[str], test: Sequence[Run]) -> None:
    """Raises if dev queries are among the queries to fuse.

    Args:
        dev: the dev queries.
        test: the runs to fuse.

    Raises:
        I3Error: names one.
    """
    fused = {qid for run in test for qid in run.queries}
    if both := fused & set(dev):
        raise I3Error(
            f"the dev runs also have {len(both):,} queries of the runs to fuse, such as "
            f"{min(both)!r}; choose weights on other queries than those you report"
        )


def _weights(runs: int, step: float | None) -> Iterator[tuple[float, ...]]:
    """All weights that sum to 1, the most even first.

    Raises:
        I3Error: the step does not divide 1, or there are too many of them.
    """
    step = step or (STEP if runs == 2 else STEP_OF_MORE)  # noqa: PLR2004
    steps = round(1 / step)
    if steps < 1 or not np.isclose(steps * step, 1):
        raise I3Error(f"step {step:g}: must divide 1, such as 0.05")
    points = comb(steps + runs - 1, runs - 1)
    if points > MOST:
        raise I3Error(f"step {step:g}: {points:,} points with {runs} runs; use a larger step")
    grid = [
        (*parts, steps - sum(parts))
        for parts in itertools.product(range(steps + 1), repeat=runs - 1)
        if sum(parts) <= steps
    ]
    grid.sort(key=lambda parts: sum(part * part for part in parts))
    return (tuple(part / steps for part in parts) for parts in grid)
