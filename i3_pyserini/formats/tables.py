"""Streams rows of CSV and TSV files with their line numbers."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import open_bytes

if TYPE_CHECKING:
    from _csv import Reader

LONGEST = 1 << 24  # characters of a field; more are a quote that is never closed
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Table:
    """How to read a CSV or TSV file.

    Attributes:
        delimiter: one character; None for a comma in `.csv`, a tab in `.tsv` and `.txt`.
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
            raise I3Error(f"encoding {self.encoding!a}: no such encoding of text") from error
        delimiter = self.delimiter
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise I3Error(f"column_delimiter {delimiter!r}: expected one character, such as ';'")

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

    Raises:
        I3Error: it cannot be read, is in another encoding, or a quote is not closed.
    """
    delimiter = table.delimiter or {"csv": ",", "tsv": "\t"}[kind]
    quoted = kind == "csv" if table.quoted is None else table.quoted
    with open_bytes(path) as file:
        lines = _decoded(file, path, table.encoding)
        if quoted:
            yield from _quoted_rows(lines, path, delimiter)
        else:
            for number, line in enumerate(lines, start=1):
                text = line.removesuffix("\n").removesuffix("\r")
                if text.strip():
                    yield number, text.split(delimiter)


def _decoded(file: BinaryIO, path: Path, encoding: str) -> Iterator[str]:
    """Lines with their ends; a byte order mark is skipped."""
    number = 0
    try:
        if "\n".encode(encoding) == b"\n":
            for number, raw in enumerate(file, start=1):
                line = raw.decode(encoding)
                yield line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        else:  # an encoding in which a line cannot be found before it is decoded
            for number, line in enumerate(io.TextIOWrapper(file, encoding, newline="\n"), start=1):
                yield line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
            number += 1
    except UnicodeDecodeError as error:
        raise I3Error(
            f"{path}, line {number}: not valid {encoding.upper()} at byte {error.start + 1}; name "
            "the file's encoding (encoding=…), or re-encode it as UTF-8"
        ) from error
    except UnicodeError as error:  # UTF-16 without a byte order mark
        raise I3Error(f"{path}: not valid {encoding.upper()} ({error})") from error


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
            if cells and not (len(cells) == 1 and not cells[0].strip()):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise I3Error(
            f"{path}, line {start}: a quote is not closed or not doubled, or a line end is odd "
            f"({error})"
        ) from error
