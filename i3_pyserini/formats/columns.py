"""Reads files of columns (runs and qrels) with polars; errors name the line."""

import csv
import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from io import StringIO
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
import polars as pl

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.column_layout import (
    BLANKS,
    LINE,
    SHOWN,
    Columns,
    Layout,
    Source,
    layout_of,
    lines_of,
    shown,
)
from i3_pyserini.formats.compression import is_compressed, open_bytes
from i3_pyserini.formats.tables import csv_rows

MORE = "more"
CACHED = 1 << 18  # characters, which stay in a processor's cache
ZLIB, ZLIB_START = (b"x\x01", b"x\x9c", b"x\xda"), 2


def read_columns(path: Path, columns: Columns, source: Source | None = None) -> pl.DataFrame:
    """Reads columns that white space or commas separate; plain, gzip or zstd, by content.

    Args:
        path: the file, or a pipe.
        columns: see `Columns`.
        source: its content, if it is known; see `source_of`.

    Returns:
        The columns of the layout that the first line has, or that a header names: strings, and
        float64 for numbers. With the column `line`, the lines' numbers from 1 on, unless row and
        line agree. A header is named on stderr.

    Raises:
        I3Error: the file cannot be read, is empty, a line has another number of columns than the
            first, or a number is none or not finite.
    """
    source = source_of(path) if source is None else source
    found = layout_of(path, source, columns)
    if found.header is not None:
        note(f"{path}, line {found.skip}: is a header: {', '.join(found.header)}")
    if found.separator == ",":
        table = _read_commas(path, source, found, columns.what)
    else:
        read = read_plainly(source, found)
        table = _read_carefully(path, source, found, columns.what) if read is None else read
    return table.select(name for name in table.columns if not name.startswith("_"))


def line_of(table: pl.DataFrame, row: int) -> int:
    """The line that a row comes from, from 1 on."""
    return int(table[LINE][row]) if LINE in table.columns else row + 1


def source_of(path: Path) -> Source:
    """The file itself; of a pipe, which can be read but once, or compressed content, all of it.

    Raises:
        I3Error: it cannot be read.
    """
    if path.is_dir():
        raise I3Error(f"{path}: cannot be read: it is a folder")
    if not path.exists():
        raise I3Error(f"{path}: no such file")
    if path.is_file() and not is_compressed(path):
        with open_bytes(path) as file:
            _refuse_zlib(path, file.read(ZLIB_START))
        return path
    with open_bytes(path) as content:
        found = content.read()
    _refuse_zlib(path, found)
    return found


def _refuse_zlib(path: Path, start: bytes) -> None:
    """Raises for what polars would decompress, whatever comes of it."""
    if start.startswith(ZLIB):
        raise I3Error(
            f"{path}: begins as content does that is compressed by zlib, which is not read; "
            "decompress it, or use gzip or zstd"
        )


def read_plainly(source: Source, found: Layout) -> pl.DataFrame | None:
    """The columns of a file with one separator throughout and nothing odd; None for others."""
    names = found.names
    with ExitStack() as opened:
        separators = _separators(_content(source, opened), found)
    if separators is None:
        return None
    schema: dict[str, type[pl.DataType]] = dict.fromkeys(names, pl.String)
    schema |= dict.fromkeys(found.numbers, pl.Float64)
    last = len(names) - 1  # a short line lacks this one
    kept = [place for place, name in enumerate(names) if not name.startswith("_")]
    try:
        table = pl.read_csv(
            source,
            separator=found.separator,
            has_header=False,
            skip_lines=found.skip,
            quote_char=None,
            schema=schema,
            columns=sorted({0, *kept, last}),  # none of these may be empty
            missing_columns="insert",
            raise_if_empty=False,
            truncate_ragged_lines=True,  # those with more words have more separators
            glob=False,
        )
    except (pl.exceptions.PolarsError, OSError):
        return None
    finite = all(bool(table[name].is_finite().all()) for name in found.numbers)
    if any(table.null_count().row(0)) or separators != last * len(table) or not finite:
        return None
    return table.with_row_index(LINE, offset=found.skip + 1) if found.skip else table


def _content(source: Source, opened: ExitStack) -> bytes | mmap:
    if isinstance(source, bytes):
        return source
    file = opened.enter_context(source.open("rb"))
    if not os.fstat(file.fileno()).st_size:  # cannot be mapped
        return b""
    return opened.enter_context(mmap(file.fileno(), 0, access=ACCESS_READ))


def _separators(content: bytes | mmap, found: Layout) -> int | None:
    """How many separators there are; None with another one, or with two in a row."""
    others = BLANKS.replace(found.separator, "").replace("\r", "")
    if any(content.find(other.encode()) >= 0 for other in others):
        return None
    if content.find(b"\r") >= 0 and re.search(rb"\r(?!\n)", content):
        return None
    start = 0
    for _ in range(found.skip):
        start = content.find(b"\n", start) + 1
    count = 0
    for place in range(start, len(content), CACHED):
        part = content[place : place + CACHED + 1]  # a copy: what is mapped can be closed
        is_one = np.frombuffer(part, dtype=np.uint8) == ord(found.separator)
        if (is_one[1:] & is_one[:-1]).any():
            return None
        count += int(np.count_nonzero(is_one[:CACHED]))
    return count


def _read_carefully(path: Path, source: Source, found: Layout, what: str) -> pl.DataFrame:
    """The same for any white space and blank lines; names the first line that is wrong."""
    names = found.names
    words = (
        pl.col(LINE)
        .str.strip_chars(BLANKS)
        .str.replace_all(f"[{BLANKS}]+", " ")
        .str.splitn(" ", len(names) + 1)
    )
    fields = [*names, MORE]
    table = (
        lines_of(path, source, skip=found.skip)
        .to_frame()
        .with_row_index("number", offset=found.skip + 1)
        .filter(pl.col(LINE).str.strip_chars(BLANKS) != "")
        .select(words.struct.rename_fields(fields).alias("words"), pl.col("number").alias(LINE))
        .unnest("words")
    )
    for row in (
        table.filter(pl.col(MORE).is_not_null() | pl.col(names[-1]).is_null())
        .head(1)
        .iter_rows(named=True)
    ):
        parts = [row[name] for name in fields if row[name] is not None]
        _refuse_width(path, row[LINE], " ".join(parts).split(" "), found, what)
    return _with_numbers(path, table.drop(MORE), found)


def _read_commas(path: Path, source: Source, found: Layout, what: str) -> pl.DataFrame:
    """The same for commas, with quotes as usual in CSV."""
    text = "\n".join(lines_of(path, source).fill_null("").to_list())
    rows: list[list[str | int]] = []
    start, reader = 1, csv_rows(StringIO(text))
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells) or line <= found.skip:
                continue
            if len(cells) != len(found.names):
                _refuse_width(path, line, cells, found, what)
            rows.append([*(cell.strip() for cell in cells), line])
    except csv.Error as error:
        raise I3Error(f"{path}, line {start}: a quote is not closed or not doubled") from error
    schema: dict[str, type[pl.DataType]] = dict.fromkeys(found.names, pl.String)
    table = pl.DataFrame(rows, schema=schema | {LINE: pl.UInt32}, orient="row")
    return _with_numbers(path, table, found)


def _refuse_width(path: Path, line: int, cells: Sequence[str], found: Layout, what: str) -> None:
    raise I3Error(
        f"{path}, line {line}: {len(cells)} columns: {' '.join(cells)[:SHOWN]!r}; this {what} has "
        f"{len(found.names)} ({shown(found.names)})"
    )


def _with_numbers(path: Path, table: pl.DataFrame, found: Layout) -> pl.DataFrame:
    """Turns columns into numbers.

    Raises:
        I3Error: one of them is none, or not finite.
    """
    for name in found.numbers:
        values = table[name].str.strip_chars().cast(pl.Float64, strict=False)
        wrong = ~values.is_finite().fill_null(value=False)
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            shown = repr(table[name][row])[:SHOWN]
            raise I3Error(
                f"{path}, line {line_of(table, row)}: {name} {shown} is not a finite number"
            )
        table = table.with_columns(values.alias(name))
    return table
