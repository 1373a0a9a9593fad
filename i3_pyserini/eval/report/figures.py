"""Figures as SVG for the page, and as SVG, PDF and PNG for papers."""

import html
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from i3_pyserini.eval.report.data import bubbles, numbers_of
from i3_pyserini.eval.tables import Table
from i3_pyserini.formats.atomic import new_file

# Okabe and Ito's colours, which the colour-blind can tell apart; lines and markers differ as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*"  # one more than colours, so that pairs repeat late
SIZE = (5.2, 3.2)  # inches: letters are readable on a phone, and in a column of a paper
LINE = 0.19  # inches that a line of a legend takes
NARROW = 26  # letters of the longest name that leaves room for two columns in a legend
LONGEST = 40  # letters of a name that have room in a figure
SMALLEST_PART = 0.05  # of a bar: a number has room there
PAPER = ("svg", "pdf", "png")
SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a $ in a run's name is no formula
    "savefig.dpi": 200,
}


@dataclass(frozen=True)
class Part:
    """How a part of a bar looks.

    Attributes:
        colour: from dark to light, as ranks grow.
        ink: of the number on it.
        hatch: matplotlib's.
    """

    colour: str
    ink: str = "black"
    hatch: str = ""


# One for each bin of ranks: a single scale that the colour-blind and grey prints keep.
PARTS = (
    Part("#08306b", "white"),
    Part("#2171b5", "white"),
    Part("#6baed6"),
    Part("#b3d3e8"),
    Part("#deebf7"),
    Part("#c8c8c8", hatch="////"),
)


@dataclass(frozen=True)
class Drawing:
    """A figure and what belongs to it.

    Attributes:
        name: for files.
        title: above it.
        caption: what is drawn, of how many queries.
        table: its numbers.
        draw: draws it.
    """

    name: str
    title: str
    caption: str
    table: Table
    draw: Callable[[Axes], None]

    def svg(self) -> str:
        """The figure as an element of HTML; the same numbers give the same characters."""
        image = io.StringIO()
        with self._figure() as figure, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # the browser has fonts of its own
            figure.savefig(image, format="svg", metadata={"Date": None})
        text = image.getvalue()
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = text[text.index("<svg") :]
        # These ids are the same in every figure, and nothing names them.
        text = re.sub(r'<g id="[^"]*">', "<g>", text)
        label = html.escape(f"{self.title}: {self.caption}")
        text = text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
        return re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)

    def save(self, folder: Path) -> None:
        """Writes the figure in every form that papers take, over older ones.

        Raises:
            I3Error: a file cannot be written.
        """
        with self._figure() as figure:
            for form in PAPER:
                image = io.BytesIO()
                metadata = {"png": None, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
                figure.savefig(image, format=form, metadata=metadata[form])
                with new_file(folder / f"{self.name}.{form}", overwrite=True) as file:
                    file.buffer.write(image.getvalue())

    @contextmanager
    def _figure(self) -> Iterator[Figure]:
        # The salt makes ids that no other figure of the page has.
        with mpl.rc_context():
            mpl.rcdefaults()  # whatever the user's matplotlibrc says
            mpl.rcParams.update({**SETTINGS, "svg.hashsalt": self.name})
            figure = Figure(figsize=SIZE, layout="constrained")
            self.draw(figure.subplots())
            yield figure


def curves(table: Table, label: str) -> Callable[[Axes], None]:
    """Lines over a logarithmic axis: the first column across, the others upwards."""

    def draw(axes: Axes) -> None:
        depths = numbers_of(table, 0)
        for number, name in enumerate(table.header[1:]):
            axes.plot(
                depths,
                numbers_of(table, number + 1),
                label=short(name),
                color=COLOURS[number % len(COLOURS)],
                linestyle=LINES[number % len(LINES)],
                linewidth=1.8,
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel=table.header[0], ylabel=label, ylim=(0, 1.02))
        _legend(axes, *axes.get_legend_handles_labels())

    return draw


def bars(table: Table, label: str) -> Callable[[Axes], None]:
    """A bar a run, divided into the rows of the table; each part says how many it is."""

    def draw(axes: Axes) -> None:
        runs = len(table.header) - 1
        columns = [numbers_of(table, number + 1) for number in range(runs)]
        whole = max(1.0, *(sum(column) for column in columns))
        for place, (name, column) in enumerate(zip(table.header[1:], columns, strict=True)):
            axes.text(0, place - 0.3, short(name), va="bottom")
            left = 0.0
            for part, number in zip(PARTS, column, strict=True):
                axes.barh(place, number, 0.5, left, color=part.colour, hatch=part.hatch, ec="white")
                if number >= SMALLEST_PART * whole:
                    middle = left + number / 2
                    axes.text(
                        middle, place, f"{number:g}", color=part.ink, ha="center", va="center"
                    )
                left += number
        axes.set(ylim=(runs - 0.6, -0.8), xlim=(0, whole), yticks=[], xlabel=label)
        axes.spines["left"].set_visible(False)
        patches = [Patch(fc=part.colour, hatch=part.hatch, ec="white") for part in PARTS]
        names = [row[0] for row in table.rows]
        _legend(axes, patches, names, "rank of the first relevant passage")
        _height(axes, 0.5 * runs + 1.3)

    return draw


def scatter(table: Table, measure: str) -> Callable[[Axes], None]:
    """Queries by two runs' values: above the diagonal the second is better."""

    def draw(axes: Axes) -> None:
        points = bubbles(table)
        most = max(number for _, _, number in points)
        axes.axline((0, 0), slope=1, color="#888888", linewidth=0.8)
        axes.scatter(
            [x for x, _, _ in points],
            [y for _, y, _ in points],
            s=[26 + 180 * (number - 1) / max(1, most - 1) for _, _, number in points],
            color=COLOURS[0],
            alpha=0.6,
            edgecolors="white",
            linewidths=0.4,
        )
        top = max(1.0, *(max(x, y) for x, y, _ in points))
        axes.set(xlim=(-0.03 * top, 1.03 * top), ylim=(-0.03 * top, 1.03 * top))
        axes.set_aspect("equal")
        first, second = table.header[1:]
        axes.set(xlabel=short(first), ylabel=short(second))
        axes.set_title(measure, fontsize="medium")
        _height(axes, SIZE[0])

    return draw


def costs(table: Table, column: int, label: str, unit: str = "") -> Callable[[Axes], None]:
    """Runs by what they cost, on a logarithmic axis, and by a measure."""

    def draw(axes: Axes) -> None:
        values = numbers_of(table, 1)
        for number, (cost, value) in enumerate(zip(numbers_of(table, column), values, strict=True)):
            axes.scatter(
                [cost],
                [value],
                s=60,
                label=short(table.rows[number][0]),
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
            )
        axes.set_xscale("log")
        # Powers of ten; within one of them, which has too few, also 2 and 5 of each.
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(
            EngFormatter(unit=unit, sep="\N{NO-BREAK SPACE}" if unit else "")
        )
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel=label, ylabel=table.header[1])
        axes.margins(0.15)
        _legend(axes, *axes.get_legend_handles_labels())

    return draw


def save_all(drawings: Sequence[Drawing], folder: Path) -> None:
    """Writes all figures into a folder, which is made if need be.

    Raises:
        I3Error: a file cannot be written.
    """
    for drawing in drawings:
        drawing.save(folder)


def short(name: str) -> str:
    """A name that has room in a figure, and that a legend does not hide for its low line."""
    half = LONGEST // 2
    name = name if len(name) <= LONGEST else f"{name[:half]}…{name[-half:]}"
    return f" {name}" if name.startswith("_") else name


def _legend(
    axes: Axes, handles: Sequence[Artist], names: Sequence[str], title: str | None = None
) -> None:
    """Below the axes, where it hides nothing; the figure grows by it."""
    most = 3 if title else 2
    columns = most if max(map(len, names)) <= NARROW else 1
    axes.figure.legend(
        handles, names, loc="outside lower center", ncols=columns, title=title, handlelength=2.4
    )
    _height(axes, SIZE[1] + LINE * -(-len(names) // columns))


def _height(axes: Axes, inches: float) -> None:
    figure = axes.get_figure(root=True)
    if figure:
        figure.set_figheight(inches)
