"""Draws the study's figure: effects with intervals, learning curves, and what training costs.

python -m benchmarks.study.figure docs/images/study.svg
"""

import sys
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.study.conditions import TESTED
from benchmarks.study.effects import LEVEL
from benchmarks.study.plan import MEASURE
from benchmarks.study.report import COLLECTIONS, CONDITIONS, effects, records_of

EVERY = 10  # steps from one line of a log to the next
COLORS = {name: f"C{number}" for number, name in enumerate(CONDITIONS)}


def draw_effects(axes: Axes) -> None:
    """A row for each hypothesis and collection: the difference and its interval."""
    found = effects()
    rows = range(len(found))
    middles = [one.delta for one in found.values()]
    below = [one.delta - one.low for one in found.values()]
    above = [one.high - one.delta for one in found.values()]
    axes.errorbar(middles, rows, xerr=[below, above], fmt="o", capsize=3, color="black")
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set_yticks(rows, [f"{name}: {collection}" for name, collection in found])
    axes.invert_yaxis()
    axes.set_xlabel(f"difference in {MEASURE}, {1 - LEVEL:.0%} interval")


def draw_curves(axes: Axes, collection: str) -> None:
    """The contrastive loss by steps, a mean over the seeds; conditions with the same loss only."""
    for name in CONDITIONS:
        curves = [one["curves"]["contrastive"] for one in records_of(collection, name)]
        if curves and "distilled" not in name:
            means = [fmean(values) for values in zip(*curves, strict=True)]
            steps = [EVERY * (number + 1) for number in range(len(means))]
            axes.plot(steps, means, label=name, color=COLORS[name])
    axes.set_title(collection)
    axes.set_xlabel("step")
    axes.set_ylabel("contrastive loss")
    axes.legend(fontsize="small")


def draw_costs(axes: Axes, collection: str) -> None:
    """Each run: its value by the minutes of its training."""
    for name in CONDITIONS:
        records = records_of(collection, name)
        minutes = [one["minutes"] for one in records]
        values = [fmean(one["values"][MEASURE]) for one in records]
        axes.scatter(minutes, values, label=name, color=COLORS[name], s=14)
    axes.set_xlabel("minutes of training, warm-up included")
    axes.set_ylabel(MEASURE)
    axes.legend(fontsize="small")


def main() -> None:
    """Takes the file to write."""
    (path,) = map(Path, sys.argv[1:])
    figure = Figure(figsize=(10, 11), layout="constrained")
    collections = [name for name in COLLECTIONS if records_of(name, TESTED[0].name)]
    grid = figure.add_gridspec(3, len(collections))
    draw_effects(figure.add_subplot(grid[0, :]))
    for number, collection in enumerate(collections):
        draw_curves(figure.add_subplot(grid[1, number]), collection)
        draw_costs(figure.add_subplot(grid[2, number]), collection)
    figure.savefig(path)


if __name__ == "__main__":
    main()
