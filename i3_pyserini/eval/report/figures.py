"""Figures as SVG for the page, and as SVG, PDF and PNG for papers."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from i3_pyserini.eval.report.data import bubbles, numbers_of
from i3_pyserini.eval.tables import Table
from i3_pyserini.files import new_file

# Okabe and Ito's colours, which the colour-blind can tell apart; lines and markers differ as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX"
SIZE = (5.2, 3.5)  # inches: letters are readable on a phone, and in a column of a paper
PAPER = ("svg", "pdf", "png")
SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "savefig.dpi": 200,
}


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
        with self._figure() as figure:
            figure.savefig(image, format="svg", metadata={"Date": None})
        text = image.getvalue()
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = text[text.index("<svg") :]
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
        with mpl.rc_context({**SETTINGS, "svg.hashsalt": self.name}):
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
                label=plain(name),
                color=COLOURS[number % len(COLOURS)],
                linestyle=LINES[number % len(LINES)],
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel=table.header[0], ylabel=label, ylim=(0, 1.02))
        _legend(axes, len(table.header) - 1)

    return draw


def bars(table: Table, label: str) -> Callable[[Axes], None]:
    """Groups of bars: a row a group, a column a colour."""

    def draw(axes: Axes) -> None:
        runs = len(table.header) - 1
        width = 0.8 / runs
        for number, name in enumerate(table.header[1:]):
            places = [row + (number - (runs - 1) / 2) * width for row in range(len(table.rows))]
            axes.bar(
                places,
                numbers_of(table, number + 1),
                width,
                label=plain(name),
                color=COLOURS[number % len(COLOURS)],
            )
        axes.set_xticks(range(len(table.rows)), [row[0] for row in table.rows])
        axes.grid(visible=False, axis="x")
        axes.set(xlabel="rank of the first relevant passage", ylabel=label)
        _legend(axes, runs)

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
            s=[16 + 180 * (number - 1) / max(1, most - 1) for _, _, number in points],
            color=COLOURS[0],
            alpha=0.45,
            linewidths=0,
        )
        top = max(1.0, *(max(x, y) for x, y, _ in points))
        axes.set(xlim=(-0.03 * top, 1.03 * top), ylim=(-0.03 * top, 1.03 * top))
        axes.set_aspect("equal")
        first, second = table.header[1:]
        axes.set(xlabel=f"{plain(first)}, {measure}", ylabel=f"{plain(second)}, {measure}")

    return draw


def costs(table: Table, column: int, label: str) -> Callable[[Axes], None]:
    """Runs by what they cost, on a logarithmic axis, and by a measure."""

    def draw(axes: Axes) -> None:
        values = numbers_of(table, 1)
        for number, (cost, value) in enumerate(zip(numbers_of(table, column), values, strict=True)):
            axes.scatter(
                [cost],
                [value],
                label=plain(table.rows[number][0]),
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
            )
        axes.set_xscale("log")
        axes.set(xlabel=label, ylabel=table.header[1])
        axes.margins(0.15)
        _legend(axes, len(values))

    return draw


def save_all(drawings: Sequence[Drawing], folder: Path) -> None:
    """Writes all figures into a folder, which is made if need be.

    Raises:
        I3Error: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for drawing in drawings:
        drawing.save(folder)


def plain(name: str) -> str:
    """A name of which matplotlib makes no formula, and hides no label."""
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def _legend(axes: Axes, entries: int) -> None:
    """Below the axes, where it hides nothing."""
    columns = 1 if entries <= 2 else 2  # noqa: PLR2004  (names of runs are long)
    handles = axes.get_legend_handles_labels()
    axes.figure.legend(*handles, loc="outside lower center", ncols=columns)
