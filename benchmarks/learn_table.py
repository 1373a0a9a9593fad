"""The table of `benchmarks/learn.py`: means over seeds, and differences to the plain encoder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_rel

PLAIN = "plain dual encoder"
BACKBONE = "backbone as it is"
TESTED = "nDCG@10"
Values = np.ndarray[Any, np.dtype[np.float64]]
Scores = dict[str, dict[str, float]]  # measure -> query -> value


def print_tables(folder: Path, measures: Sequence[str]) -> None:
    """Prints a Markdown table for each collection that the runs were tested on.

    Args:
        folder: with the runs' `result.json` files.
        measures: columns; `TESTED` is tested for significance.
    """
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*/*/result.json"))]
    places = dict.fromkeys(place for result in results for place in result["scores"])
    for place in places:
        print(f"\n### {place}\n")
        print_table([result for result in results if place in result["scores"]], place, measures)


def print_table(results: list[dict[str, Any]], place: str, measures: Sequence[str]) -> None:
    """Prints one table.

    The difference to the plain dual encoder is over queries, each query's value being its mean
    over seeds; p is of the paired t-test (two-sided, not corrected for the number of rows).
    """
    header = ["condition", "seeds", *measures, f"{TESTED} − plain [95% CI]", "p"]
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    conditions = dict.fromkeys(result["condition"] for result in results)
    plain = _by_seed(results, PLAIN, place)
    for condition in sorted(conditions, key=lambda name: (name not in (BACKBONE, PLAIN), name)):
        own = _by_seed(results, condition, place)
        cells = [condition, str(len(own))]
        for measure in measures:
            values = [float(np.mean(list(scores[measure].values()))) for scores in own.values()]
            cells.append(f"{np.mean(values):.4f} ({min(values):.4f}–{max(values):.4f})")
        cells += _difference(own, plain) if condition != PLAIN else ["", ""]
        print("| " + " | ".join(cells) + " |")


def _by_seed(results: list[dict[str, Any]], condition: str, place: str) -> dict[int, Scores]:
    own = [result for result in results if result["condition"] == condition]
    return {result["seed"]: result["scores"][place] for result in own}


def _difference(own: dict[int, Scores], plain: dict[int, Scores]) -> list[str]:
    seeds = sorted(own.keys() & plain.keys())
    if not seeds:
        return ["", ""]
    queries = sorted(own[seeds[0]][TESTED])

    def means(scores: dict[int, Scores]) -> Values:
        table = np.array([[scores[seed][TESTED][qid] for qid in queries] for seed in seeds])
        values: Values = table.mean(axis=0)
        return values

    test = ttest_rel(means(own), means(plain))
    interval = test.confidence_interval()
    difference = float((means(own) - means(plain)).mean())
    return [f"{difference:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]", f"{test.pvalue:.3f}"]
