"""Prints the study's tables from its records, and draws its figure.

python -m benchmarks.study.report [--figure docs/images/study.svg]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from matplotlib.figure import Figure

from benchmarks.study.conditions import HYPOTHESES, LONGER, TESTED
from benchmarks.study.effects import LEVEL, Effect, effect, holm
from benchmarks.study.plan import MEASURE, RECORDS, Run, chosen, seeds

COLLECTIONS = ("acl-titles", "docstrings")
MEASURES = (MEASURE, "nDCG@10", "R@100")
CONDITIONS = {one.name: one for one in (*TESTED, LONGER)}


def records_of(collection: str, condition: str) -> list[dict[str, Any]]:
    """A condition's records in the order of the seeds; those that are missing are left out."""
    runs = [Run("test", collection, CONDITIONS[condition], seed) for seed in seeds()]
    return [run.read() for run in runs if (RECORDS / run.file).exists()]


def effects() -> dict[tuple[str, str], Effect]:
    """All effects, by hypothesis and collection, over the seeds that both conditions have."""
    found = {}
    for name, conditions in HYPOTHESES.items():
        for collection in COLLECTIONS:
            base, other = (
                {one["seed"]: one["values"][MEASURE] for one in records_of(collection, condition)}
                for condition in conditions
            )
            both = [seed for seed in base if seed in other]
            if both:
                found[name, collection] = effect([base[s] for s in both], [other[s] for s in both])
    return found


def print_means(collection: str) -> None:
    """A row for each condition: means over seeds, learning rate, steps, minutes of training."""
    print(f"\n### {collection}\n")
    names = ["condition", *MEASURES, "seeds", "learning rate", "s a step"]
    print(f"| {' | '.join(names)} |\n|{' --- |' * len(names)}")
    for name, condition in CONDITIONS.items():
        records = records_of(collection, name)
        if not records:
            continue
        means = [f"{fmean(fmean(one['values'][m]) for one in records):.4f}" for m in MEASURES]
        rate = chosen(collection, condition)["optimizer.learning_rate"]
        seconds = median(second for one in records for second in one["step_seconds"])
        print(f"| {' | '.join([name, *means, f'{len(records)}', f'{rate:g}', f'{seconds:.2f}'])} |")


def print_effects(found: dict[tuple[str, str], Effect]) -> None:
    """A row for each hypothesis and collection."""
    names = ["", "collection", f"Δ {MEASURE}", "95% interval", "p over queries", "p over seeds"]
    names.append("p (Holm)")
    print(f"\n| {' | '.join(names)} |\n|{' --- |' * len(names)}")
    for ((name, collection), one), corrected in zip(
        found.items(), holm(list(found.values())), strict=True
    ):
        cells = [name, collection, f"{one.delta:+.4f}", f"{one.low:+.4f} to {one.high:+.4f}"]
        cells += [f"{one.p_queries:.3f}", f"{one.p_seeds:.3f}", f"{corrected:.3f}"]
        print(f"| {' | '.join(cells)} |")


def draw(found: dict[tuple[str, str], Effect], path: Path) -> None:
    """Draws the effects with their intervals."""
    figure = Figure(figsize=(7, 0.4 * len(found) + 1), layout="constrained")
    axes = figure.subplots()
    rows = range(len(found))
    middles = [one.delta for one in found.values()]
    errors: Sequence[Sequence[float]] = [
        [one.delta - one.low for one in found.values()],
        [one.high - one.delta for one in found.values()],
    ]
    axes.errorbar(middles, rows, xerr=errors, fmt="o", capsize=3, color="black")
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set_yticks(rows, [f"{name}: {collection}" for name, collection in found])
    axes.invert_yaxis()
    axes.set_xlabel(f"difference in {MEASURE}, {1 - LEVEL:.0%} interval")
    figure.savefig(path)


def main() -> None:
    """Prints, and draws if asked."""
    parser = argparse.ArgumentParser(description="Print the study's tables.")
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    for collection in COLLECTIONS:
        print_means(collection)
    found = effects()
    if found:
        print_effects(found)
        if args.figure:
            draw(found, args.figure)


if __name__ == "__main__":
    main()
