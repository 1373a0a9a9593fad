"""Prints the study's tables from its records.

python -m benchmarks.study.report
"""

from contextlib import suppress
from statistics import fmean
from typing import Any

from benchmarks.study.conditions import HYPOTHESES, LONGER, TESTED
from benchmarks.study.effects import Effect, effect, holm
from benchmarks.study.plan import MEASURE, MEASURES, Run, chosen, seeds

COLLECTIONS = ("acl-titles", "docstrings")
CONDITIONS = {one.name: one for one in (*TESTED, LONGER)}


def records_of(collection: str, condition: str) -> list[dict[str, Any]]:
    """A condition's records in the order of the seeds; those that are missing are left out."""
    found = []
    for seed in seeds():
        with suppress(FileNotFoundError):
            found.append(Run("test", collection, CONDITIONS[condition], seed).read())
    return found


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
    names = ["condition", *MEASURES, "seeds", "learning rate", "minutes"]
    print(f"| {' | '.join(names)} |\n|{' --- |' * len(names)}")
    for name, condition in CONDITIONS.items():
        records = records_of(collection, name)
        if not records:
            continue
        means = [f"{fmean(fmean(one['values'][m]) for one in records):.4f}" for m in MEASURES]
        rate = chosen(collection, condition)["optimizer.learning_rate"]
        minutes = fmean(one["minutes"] for one in records)
        print(f"| {' | '.join([name, *means, f'{len(records)}', f'{rate:g}', f'{minutes:.1f}'])} |")


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


def main() -> None:
    """Prints all tables."""
    for collection in COLLECTIONS:
        print_means(collection)
    if found := effects():
        print_effects(found)


if __name__ == "__main__":
    main()
