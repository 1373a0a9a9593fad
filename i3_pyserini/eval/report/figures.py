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

# Okabe and Ito's color-blind safe colors; lines and markers differ as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*"  # one more than colors, so that pairs repeat late
SIZE = (5.2, 3.2)  # inches: readable on a phone and in a column of a paper
LINE = 0.19  # inches per line of a legend
NARROW = 26  # maximum name length for two columns in a legend
LONGEST = 40  # maximum name length in a figure
SMALLEST_PART = 0.05  # minimum share of a bar for a number
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
    "text.parse_math": False,  # a $ in a run's name does not start a formula
    "savefig.dpi": 200,
}


@dataclass(frozen=True)
class Part:
    """The style of a part of a bar.

    Attributes:
        colour: fill color, from dark to light with increasing rank.
        ink: color of the number on it.
        hatch: hatch pattern of matplotlib.
    """

    colour: str
    ink: str = "black"
    hatch: str = ""


# One for each bin of ranks: a single scale, also in gray and for color-blind readers.
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
    """A figure with its data.

    Attributes:
        name: file name.
        title: title.
        caption: caption.
        table: its numbers.
        draw: draws it.
    """

    name: str
    title: str
    caption: str
    table: Table
    draw: Callable[[Axes], None]

    def svg(self) -> str:
        """The figure as an HTML element; the same numbers give the same output."""
        image = io.StringIO()
        with self._figure() as figure, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # uses fonts of the browser
            figure.savefig(image, format="svg", metadata={"Date": None})
        text = image.getvalue()
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = text[text.index("<svg") :]
        # These ids are the same in every figure and not referenced.
        text = re.sub(r'<g id="[^"]*"', "<g", text)
        label = html.escape(f"{self.title}: {self.caption}")
        text = text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
        return re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)

    def save(self, folder: Path) -> None:
        """Writes the figure as SVG, PDF and PNG; replaces existing files.

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
        # The salt makes ids unique on the page.
        with mpl.rc_context():
            mpl.rcdefaults()  # independent of the user's matplotlibrc
            mpl.rcParams.update({**SETTINGS, "svg.hashsalt": self.name})
            figure = Figure(figsize=SIZE, layout="constrained")
            self.draw(figure.subplots())
            yield figure


def curves(table: Table, label: str) -> Callable[[Axes], None]:
    """Lines over a logarithmic x axis: the first column is x, the others are y."""

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
    """One bar per run, divided into the rows of the table, with their numbers."""

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
        set_height(axes, 0.5 * runs + 1.3)

    return draw


def scatter(table: Table, measure: str) -> Callable[[Axes], None]:
    """Queries by their values in two runs; above the diagonal the second run is better."""

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
        set_height(axes, SIZE[0])

    return draw


def costs(table: Table, column: int, label: str, unit: str = "") -> Callable[[Axes], None]:
    """Runs by cost, on a logarithmic axis, and by a measure."""

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
        # Powers of ten; within a single power also 2 and 5.
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
    """Writes all figures to a folder, which is created if necessary.

    Raises:
        I3Error: a file cannot be written.
    """
    for drawing in drawings:
        drawing.save(folder)


def short(name: str) -> str:
    """A name shortened for a figure, without the leading underscore that hides it in a legend."""
    half = LONGEST // 2
    name = name if len(name) <= LONGEST else f"{name[:half]}…{name[-half:]}"
    return f" {name}" if name.startswith("_") else name


def _legend(
    axes: Axes, handles: Sequence[Artist], names: Sequence[str], title: str | None = None
) -> None:
    """Adds a legend below the axes and enlarges the figure."""
    most = 3 if title else 2
    columns = most if max(map(len, names)) <= NARROW else 1
    axes.figure.legend(
        handles, names, loc="outside lower center", ncols=columns, title=title, handlelength=2.4
    )
    set_height(axes, SIZE[1] + LINE * -(-len(names) // columns))


def set_height(axes: Axes, inches: float, width: float = SIZE[0]) -> None:
    """Sets the size of the figure."""
    figure = axes.get_figure(root=True)
    if figure:
        figure.set_size_inches(width, inches)
