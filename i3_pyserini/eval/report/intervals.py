"""A forest plot: differences from the baseline as points with intervals."""

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from i3_pyserini.eval.findings import BETTER, EVEN, WORSE
from i3_pyserini.eval.report.data import numbers_of
from i3_pyserini.eval.report.figures import set_height, short
from i3_pyserini.eval.tables import Table

WIDTH, ROW, FRAME = 3.6, 0.44, 0.8  # inches: three figures beside each other can be read
TICKS = 5
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # so that no line crosses a name
MARGIN = 0.08  # of the range, at both sides


class Style(NamedTuple):
    """How an interval is drawn: verdicts differ in marker and fill as well as in color."""

    colour: str
    marker: str
    filled: bool


STYLES = {
    BETTER: Style("#009E73", "^", True),
    WORSE: Style("#D55E00", "v", True),
    EVEN: Style("#767676", "o", False),
}


def intervals(table: Table) -> Callable[[Axes], None]:
    """A row per run; the line at zero is the baseline.

    Args:
        table: see `interval_table`.
    """

    def draw(axes: Axes) -> None:
        deltas, lows, highs = (numbers_of(table, column) for column in (1, 2, 3))
        known = [0.0, *filter(isfinite, [*lows, *highs])]
        first, last = min(known), max(known)
        space = MARGIN * ((last - first) or 1.0)
        axes.axvline(0, color="#444444", linewidth=1, linestyle="--")
        for place, row in enumerate(table.rows):
            delta, low, high, style = deltas[place], lows[place], highs[place], STYLES[row[-1]]
            said = f"{delta:+.4f}" if isfinite(delta) else "undefined"
            for text, x, side in ((short(row[0]), 0, "left"), (said, 1, "right")):
                axes.text(
                    x,
                    place - 0.2,
                    text,
                    ha=side,
                    va="bottom",
                    transform=axes.get_yaxis_transform(),
                    bbox=BEHIND,
                )
            if isfinite(delta):
                axes.plot([low, high], [place, place], color=style.colour, linewidth=2.4)
                axes.plot(
                    [delta],
                    [place],
                    style.marker,
                    color=style.colour,
                    markerfacecolor=style.colour if style.filled else "white",
                    markersize=8,
                )
        axes.set(ylim=(len(table.rows) - 0.5, -0.9), xlim=(first - space, last + space), yticks=[])
        axes.spines["left"].set_visible(False)
        axes.set(xlabel="difference")
        axes.xaxis.set_major_locator(MaxNLocator(TICKS))
        set_height(axes, ROW * len(table.rows) + FRAME, WIDTH)

    return draw
