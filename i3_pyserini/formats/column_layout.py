"""Finds the columns of a file of columns (a run, qrels) by its first line."""

import csv
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import open_bytes
from i3_pyserini.formats.names import roles_of
from i3_pyserini.formats.tables import csv_rows

Source = Path | bytes
SHOWN = 60  # characters of a line that a message quotes
BLANKS = " \t\r\x0b\x0c"  # as C has them: others may be part of an id
NO_BYTE = "\x01"  # a separator that no text has, so that a line is one column
LINE = "line"


@dataclass(frozen=True)
class Columns:
    """A kind of column file.

    Attributes:
        what: name of the kind, for messages.
        layouts: names of the columns, by their number, of files without a header; those that
            begin with "_" are not returned.
        numbers: names of numeric columns, if present.
        roles: what a header calls a column, by its name here; a header has the first two of them.
    """

    what: str
    layouts: Mapping[int, Sequence[str]]
    numbers: Sequence[str]
    roles: Mapping[str, Sequence[str]]

    def __str__(self) -> str:
        layouts = " or ".join(f"{n} ({shown(names)})" for n, names in self.layouts.items())
        return f"a {self.what} has {layouts}, separated by blanks, tabs or commas"


@dataclass(frozen=True)
class Layout:
    """What the first line that is not blank says of a file.

    Attributes:
        names: its columns.
        separator: what is between them: a tab, a blank (or any white space), or a comma.
        skip: lines before the first one with values: blank ones, and a header.
        numbers: names of the columns that hold numbers.
        header: the cells of a header; None if there is none.
    """

    names: Sequence[str]
    separator: str
    skip: int
    numbers: Sequence[str]
    header: Sequence[str] | None = None


def layout_of(path: Path, source: Source, columns: Columns) -> Layout:
    """What the first line of a file, or of the beginning of one, says.

    Raises:
        I3Error: it has neither the columns of a layout nor their names, or there is none.
    """
    blank, first = _first_line(path, source)
    if not first:
        raise I3Error(f"{path}: empty; expected a {columns.what}: {columns}")
    place = f"{path}, line {blank + 1}"
    commas = _cells(first) if "," in first else []
    words = re.split(f"[{BLANKS}]+", first)
    separator = "\t" if "\t" in first else " "
    for cells, between in ((words, separator), (first.split("\t"), "\t"), (commas, ",")):
        header = _header(place, [cell.strip(BLANKS) for cell in cells], columns)
        if header is not None:
            return Layout(header, between, blank + 1, _numbers(header, columns), cells)
    if len(words) == 1 and len(commas) in columns.layouts:
        words, separator = commas, ","
    names = columns.layouts.get(len(words))
    if names is None:
        raise I3Error(f"{place}: {len(words)} column(s): {first[:SHOWN]!r}; {columns}, or a header")
    return Layout(names, separator, blank, _numbers(names, columns))


def _first_line(path: Path, source: Source) -> tuple[int, str]:
    """The first line that is not blank, and how many blank ones are before it; "" for none."""
    for rows in (1, None):
        for number, line in enumerate(lines_of(path, source, rows)):
            if line and line.strip(BLANKS):
                return number, str(line).strip(BLANKS)
    return 0, ""


def _cells(line: str) -> list[str]:
    """A line's cells as CSV has them; none if it has a quote or line end that CSV has not."""
    try:
        return next(csv_rows([line]))
    except csv.Error:
        return []


def _numbers(names: Sequence[str], columns: Columns) -> list[str]:
    return [name for name in columns.numbers if name in names]


def _header(place: str, cells: Sequence[str], columns: Columns) -> list[str] | None:
    """The names of columns that a header stands for; None for a line that is no header.

    Raises:
        I3Error: it is one, but does not name the column of numbers.
    """
    names = roles_of(cells, columns.roles)
    needed = list(columns.roles)[:2]
    if not set(needed) <= set(names):
        return None
    numbers = _numbers(names, columns)
    alone = any(set(columns.numbers).isdisjoint(names) for names in columns.layouts.values())
    if not numbers and (len(names) > len(needed) or not alone):
        known = [name for role in columns.numbers for name in columns.roles[role]]
        raise I3Error(
            f"{place}: is a header, and none of its columns ({', '.join(cells)}) is called "
            f"{' or '.join(known)}; rename the one that is meant"
        )
    return [f"_{name}" if name in numbers[1:] else name for name in names]


def lines_of(path: Path, source: Source, rows: int | None = None, skip: int = 0) -> pl.Series:
    """The file's lines; null for those without a character."""
    try:
        return pl.read_csv(
            source,
            separator=NO_BYTE,
            has_header=False,
            quote_char=None,
            schema={LINE: pl.String},
            n_rows=rows,
            skip_lines=skip,
            raise_if_empty=False,
            glob=False,
        )[LINE]
    except pl.exceptions.SchemaError as error:
        raise I3Error(f"{path}: cannot be read: not a text file") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        where = f"{path}{_undecodable(path, source)}"
        raise I3Error(f"{where}: cannot be read: {str(error).splitlines()[0]}") from error


def _undecodable(path: Path, source: Source) -> str:
    """Names the first line that is no UTF-8; nothing if there is none."""
    with ExitStack() as opened:
        content: BinaryIO
        if isinstance(source, bytes):
            content = BytesIO(source)
        else:
            content = opened.enter_context(open_bytes(path))
        for number, line in enumerate(content, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f", line {number}"
    return ""


def shown(names: Sequence[str]) -> str:
    """Names of columns as messages have them."""
    return " ".join(name.removeprefix("_") for name in names)
