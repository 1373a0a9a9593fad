"""Weights of a fusion, chosen on queries that will not be reported."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluate import evaluate
from i3_pyserini.eval.measures import choose_measures
from i3_pyserini.eval.runs import Run
from i3_pyserini.search.fusion import Fusion, Method, fuse

RANK_CONSTANTS = (1, 5, 10, 20, 40, 60, 100, 200)
STEPS = 20  # of a weight from 0 to 1, for two runs
STEPS_OF_MORE = 10  # for three and more


def tune(
    runs: Sequence[Run], qrels: pd.DataFrame, method: Method, measure: str, depth: int
) -> tuple[Fusion, float]:
    """Tries all fusions of a grid.

    Args:
        runs: of the dev queries, in the order of those that will be fused.
        qrels: their judgements.
        method: see `Fusion`.
        measure: of ir-measures, to be highest.
        depth: hits of a query.

    Returns:
        The best fusion, the first of equal ones, and its value of the measure.

    Raises:
        I3Error: the measure is unknown, or a run has none of the judged queries.
    """
    measures, _ = choose_measures([measure])
    best: tuple[Fusion, float] | None = None
    for fusion in tqdm(list(_grid(method, len(runs))), desc="tune", delay=2):
        ranking = fuse(runs, fusion, depth)
        places = ranking.groupby("query_id").cumcount()
        strict = ranking.assign(score=-places.astype(float))
        found = evaluate(qrels, Run("fused", strict, ranking["score"]), measures)
        value = next(iter(found.means.values()))
        if best is None or value > best[1]:
            best = fusion, value
    assert best is not None  # noqa: S101  (the grid is never empty)
    return best


def refuse_overlap(dev: Sequence[Run], test: Sequence[Run]) -> None:
    """Raises if queries that weights are chosen on are among those that are fused.

    Raises:
        I3Error: names one.
    """
    tuned_on = {qid for run in dev for qid in run.frame["query_id"]}
    fused = {qid for run in test for qid in run.frame["query_id"]}
    if both := tuned_on & fused:
        raise I3Error(
            f"query {min(both)!r} and {len(both) - 1} others are in the dev runs and in the runs "
            "to fuse; choose weights on other queries than those you report"
        )


def as_json(fusion: Fusion, tuned: Mapping[str, Any]) -> str:
    """A fusion as JSON text.

    Args:
        fusion: the fusion.
        tuned: on what it was tuned, and the value that was reached.
    """
    return json.dumps({**asdict(fusion), "tuned": dict(tuned)}, indent=2) + "\n"


def read_fusion(path: Path) -> Fusion:
    """A stored fusion.

    Raises:
        I3Error: the file cannot be read, or is no fusion.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        weights = tuple(float(weight) for weight in fields["weights"])
        fusion = Fusion(fields["method"], weights, float(fields["k"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise I3Error(f"{path}: not stored weights of i3_pyserini.search.fuse ({error})") from error
    if fusion.method not in get_args(Method):
        raise I3Error(f"{path}: method {fusion.method!r} is unknown")
    return fusion


def _grid(method: Method, runs: int) -> Iterator[Fusion]:
    if method == "rrf":
        yield from (Fusion(method, (1.0,) * runs, k) for k in RANK_CONSTANTS)
        return
    steps = STEPS if runs == 2 else STEPS_OF_MORE  # noqa: PLR2004
    for parts in itertools.product(range(steps + 1), repeat=runs):
        if sum(parts) == steps:
            yield Fusion(method, tuple(part / steps for part in parts))
