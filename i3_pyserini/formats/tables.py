"""Streams rows of CSV and TSV files with their line numbers."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import open_bytes
from i3_pyserini.formats.decoded import decoded_lines

if TYPE_CHECKING:
    from _csv import Reader

LONGEST = 1 << 24  # characters of a field; more are a quote that is never closed
EXCEL = "sep="  # a first line that declares the delimiter, as Excel reads and some tools write it
OTHERS = ";\t|"  # delimiters of `.csv` files that have no comma in their header
SNIFFED = 20  # rows that are looked at for such a delimiter


@dataclass(frozen=True)
class Table:
    """How to read a CSV or TSV file.

    Attributes:
        delimiter: one character; None for a tab in `.tsv` and `.txt`, and in `.csv` for the one
            that the file shows: see `found_delimiter`.
        encoding: of the file, such as "cp1252" or "utf-16".
        header: whether the first row has the columns' names. None: always in `.csv`; in `.tsv` and
            `.txt` if names of an id and of a text are in it.
        quoted: whether a field may stand in quotes, with delimiters and line ends inside. None:
            yes in `.csv`; no in `.tsv` and `.txt`, where every line is a row.

    Raises:
        I3Error: the encoding is unknown, or the delimiter is not one character.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    header: bool | None = None
    quoted: bool | None = None

    def __post_init__(self) -> None:
        try:
            "\n".encode(self.encoding)
        except (LookupError, ValueError) as error:  # unknown, not of text, or no name at all
            raise I3Error(
                f"encoding {self.encoding!a}: no such encoding of text; Windows' ANSI is cp1252 in "
                "Western Europe and America"
            ) from error
        delimiter = self.delimiter
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise I3Error(f"delimiter {delimiter!r}: expected one character, such as ';'")

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> "Table":
        """The table whose `options` are known.

        Raises:
            I3Error: one is unknown, as of a newer version, or its value has another type.
        """
        try:
            return cls(**options)
        except TypeError as error:
            raise I3Error(f"options of a table cannot be read ({error})") from error

    def options(self) -> dict[str, Any]:
        """What differs from the default, for manifests."""
        usual = vars(AS_NAMED)
        return {name: value for name, value in vars(self).items() if value != usual[name]}


AS_NAMED = Table()


def read_rows(
    path: Path, kind: Literal["csv", "tsv"], table: Table
) -> Iterator[tuple[int, list[str]]]:
    """Yields `(line number, cells)` for every row that is not blank.

    Args:
        path: the file; plain, gzip or zstd.
        kind: its format by name.
        table: how to read it.

    A first line that declares the delimiter (`sep=;`) is no row, if it is the one that is used.

    Raises:
        I3Error: it cannot be read, is in another encoding, or a quote is not closed.
    """
    delimiter = table.delimiter or (
        "\t" if kind == "tsv" else found_delimiter(path, table.encoding)
    )
    quoted = kind == "csv" if table.quoted is None else table.quoted
    with open_bytes(path) as file:
        lines = decoded_lines(file, path, table.encoding)
        if quoted:
            yield from _quoted_rows(lines, path, delimiter)
        else:
            for number, line in enumerate(lines, start=1):
                text = line.removesuffix("\n").removesuffix("\r")
                if text.strip() and not (number == 1 and _declared(text) == delimiter):
                    yield number, text.split(delimiter)


def found_delimiter(path: Path, encoding: str = "utf-8") -> str:
    """The delimiter of a `.csv` file.

    The one in a first line `sep=;`, as Excel has it; or a semicolon, tab or bar if the first row
    has no comma and most of the first rows have as many of them; or else a comma.

    Args:
        path: the file; plain, gzip or zstd.
        encoding: of the file.

    Raises:
        I3Error: it cannot be read, or is in another encoding.
    """
    with open_bytes(path) as file:
        lines = list(islice(decoded_lines(file, path, encoding), 10 * SNIFFED))
    if lines and (declared := _declared(lines[0])):
        return declared
    first = next(iter(_widths(lines, ",")), 0)
    for other in OTHERS if first == 1 else "":
        widths = _widths(lines, other)
        if widths and widths[0] > 1 and 2 * widths.count(widths[0]) > len(widths):
            return other
    return ","


def _declared(line: str) -> str | None:
    """The delimiter that a first line declares; None if it is another line."""
    text = line.rstrip("\r\n")
    return text[-1] if len(text) == len(EXCEL) + 1 and text.lower().startswith(EXCEL) else None


def _widths(lines: Iterable[str], delimiter: str) -> list[int]:
    """Numbers of columns of the first rows that are not blank."""
    widths: list[int] = []
    try:
        for cells in csv_rows(lines, delimiter):
            if len(widths) == SNIFFED:
                break
            widths += [len(cells)] * bool(cells)
    except csv.Error:  # such as a quoted field that goes on behind these lines
        pass
    return widths


def csv_rows(lines: Iterable[str], delimiter: str = ",", strict: bool = True) -> "Reader":
    """A `csv.reader` that takes fields of up to `LONGEST` characters, whoever read before it."""
    csv.field_size_limit(LONGEST)  # the process has only one
    return csv.reader(lines, delimiter=delimiter, strict=strict)


def _quoted_rows(
    lines: Iterator[str], path: Path, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    reader = csv_rows(lines, delimiter)
    start = 1
    try:
        for cells in reader:
            is_blank = not "".join(cells).strip()  # also `;;;`, which Excel writes below a table
            if not is_blank and not (start == 1 and _declared(delimiter.join(cells)) == delimiter):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise I3Error(
            f"{path}, line {start}: a quote is not closed or not doubled, or a line end is odd "
            f"({error})"
        ) from error
