"""The table of `benchmarks/learn.py`: means over seeds, and differences to the plain encoder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_rel

PLAIN = "plain dual encoder"
BACKBONE = "backbone as it is"
LONGER = "plain, as many steps as with warm-up"
Values = np.ndarray[Any, np.dtype[np.float64]]
Scores = dict[str, dict[str, float]]  # measure -> query -> value


def print_tables(folder: Path, measures: Sequence[str]) -> None:
    """Prints a Markdown table for each collection that the runs were tested on.

    Args:
        folder: with the runs' `result.json` files.
        measures: columns.
    """
    results = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*/*/result.json"))
    ]
    places = dict.fromkeys(place for result in results for place in result["scores"])
    for place in places:
        print(f"\n### {place}\n")
        print_table([result for result in results if place in result["scores"]], place, measures)


def print_table(results: list[dict[str, Any]], place: str, measures: Sequence[str]) -> None:
    """Prints one table: for each measure the mean over seeds, and the difference to the baseline.

    The baseline is the plain dual encoder with as many steps, warm-up included. The difference is
    over queries, each query's value being its mean over the seeds that both have; its 95% interval
    and p are of the paired t-test (two-sided, not corrected for the number of rows).
    """
    header = ["condition", "seeds"]
    header += [f"{measure}{column}" for measure in measures for column in ("", ": Δ [95% CI], p")]
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    conditions = dict.fromkeys(result["condition"] for result in results)
    for condition in sorted(conditions, key=lambda name: (name not in (BACKBONE, PLAIN), name)):
        own = _by_seed(results, condition, place)
        baseline = _by_seed(results, LONGER if "warm-up" in condition else PLAIN, place)
        cells = [condition, str(len(own))]
        for measure in measures:
            means = [np.mean(list(scores[measure].values())) for scores in own.values()]
            cells.append(f"{np.mean(means):.4f}")
            is_baseline = condition in (PLAIN, LONGER)
            cells.append("" if is_baseline else _difference(own, baseline, measure))
        print("| " + " | ".join(cells) + " |")


def _by_seed(results: list[dict[str, Any]], condition: str, place: str) -> dict[int, Scores]:
    own = [result for result in results if result["condition"] == condition]
    return {result["seed"]: result["scores"][place] for result in own}


def _difference(own: dict[int, Scores], baseline: dict[int, Scores], measure: str) -> str:
    seeds = sorted(own.keys() & baseline.keys())
    if not seeds:
        return ""
    queries = sorted(own[seeds[0]][measure])

    def means(scores: dict[int, Scores]) -> Values:
        table = np.array([[scores[seed][measure][qid] for qid in queries] for seed in seeds])
        values: Values = table.mean(axis=0)
        return values

    test = ttest_rel(means(own), means(baseline))
    interval = test.confidence_interval()
    difference = float((means(own) - means(baseline)).mean())
    p = "<.001" if test.pvalue < 0.001 else f"{test.pvalue:.3f}".removeprefix("0")
    return f"{difference:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}], {p}"
