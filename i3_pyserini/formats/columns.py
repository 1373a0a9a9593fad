"""Files of columns, which runs and qrels are: read by polars, and what is odd told by its line."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from io import BytesIO
from mmap import ACCESS_READ, mmap
from pathlib import Path

import polars as pl

from i3_pyserini.errors import I3Error

Layouts = Mapping[int, Sequence[str]]
Source = Path | bytes
COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
LINE, MORE = "line", "more"
SHOWN = 60  # characters of a line that a message quotes
BLANKS = " \t\r\x0b\x0c"  # as C has them: others may be part of an id
NO_BYTE = "\x01"  # a separator that no text has, so that a line is one column


def read_columns(path: Path, layouts: Layouts, what: str, numbers: Sequence[str]) -> pl.DataFrame:
    """Reads columns that white space separates; plain, gzip or zstd.

    Args:
        path: the file.
        layouts: names of the columns, by their number; those that begin with "_" are not returned.
        what: what such a file is called, for messages.
        numbers: names of columns that hold numbers, if they are there.

    Returns:
        The columns of the layout that the first line has: strings, and float64 for `numbers`.
        With the column `line`, the lines' numbers from 1 on, unless row and line agree.

    Raises:
        I3Error: the file cannot be read, is empty, a line has another number of columns than the
            first, or a number is none or not finite.
    """
    source = _source(path)
    first = _first_line(path, source, what, layouts)
    words = re.split(f"[{BLANKS}]+", first) if first else []
    names = layouts.get(len(words))
    if names is None:
        if words[:2] == ["query-id", "corpus-id"]:
            raise I3Error(
                f"{path}: BEIR's columns; bring its folder in by python -m i3_pyserini.data import"
            )
        raise I3Error(
            f"{path}, line 1: {len(words)} column(s): {first[:SHOWN]!r}; {_expected(what, layouts)}"
        )
    numbers = [name for name in numbers if name in names]
    table = _read_plainly(source, names, "\t" if "\t" in first else " ", numbers)
    if table is None:
        table = _read_carefully(path, source, names, what, numbers)
    return table.select(name for name in table.columns if not name.startswith("_"))


def line_of(table: pl.DataFrame, row: int) -> int:
    """The line that a row comes from, from 1 on."""
    return int(table[LINE][row]) if LINE in table.columns else row + 1


def _expected(what: str, layouts: Layouts) -> str:
    columns = " or ".join(f"{number} ({_shown(names)})" for number, names in layouts.items())
    return f"a {what} has {columns}, separated by blanks or tabs"


def _shown(names: Sequence[str]) -> str:
    return " ".join(name.removeprefix("_") for name in names)


def _source(path: Path) -> Source:
    """The file itself; of a pipe, which can be read but once, what comes out of it."""
    if path.is_dir():
        raise I3Error(f"{path}: cannot be read: it is a folder")
    if not path.exists():
        raise I3Error(f"{path}: no such file")
    try:
        return path if path.is_file() else path.read_bytes()
    except OSError as error:
        raise I3Error(f"{path}: cannot be read: {error.strerror or error}") from error


def _first_line(path: Path, source: Source, what: str, layouts: Layouts) -> str:
    lines = _lines(path, source, rows=1)
    if lines.is_empty():
        raise I3Error(f"{path}: empty; expected a {what}: {_expected(what, layouts)}")
    return str(lines[0] or "").strip(BLANKS)


def _lines(path: Path, source: Source, rows: int | None = None) -> pl.Series:
    """The file's lines; null for those without a character."""
    try:
        return pl.read_csv(
            source,
            separator=NO_BYTE,
            has_header=False,
            quote_char=None,
            schema={LINE: pl.String},
            n_rows=rows,
            raise_if_empty=False,
            glob=False,
        )[LINE]
    except pl.exceptions.SchemaError as error:
        raise I3Error(f"{path}: cannot be read: it is no text file") from error
    except pl.exceptions.PolarsError as error:
        where = f"{path}{_undecodable(source)}"
        raise I3Error(f"{where}: cannot be read: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise I3Error(f"{path}: cannot be read: {error.strerror or error}") from error


def _undecodable(source: Source) -> str:
    """Names the first line that is no UTF-8; nothing if all are, or the file is compressed."""
    content = BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with content:
        for number, line in enumerate(content, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return "" if line.startswith(COMPRESSED) and number == 1 else f", line {number}"
    return ""


def _read_plainly(
    source: Source, names: Sequence[str], separator: str, numbers: Sequence[str]
) -> pl.DataFrame | None:
    """The columns of a file with one separator throughout and nothing odd; None for others."""
    schema: dict[str, type[pl.DataType]] = dict.fromkeys([*names, MORE], pl.String)
    schema |= dict.fromkeys(numbers, pl.Float64)
    last = len(names) - 1  # a short line lacks this one, a long one has the next as well
    kept = [place for place, name in enumerate(names) if not name.startswith("_")]
    try:
        table = pl.read_csv(
            source,
            separator=separator,
            has_header=False,
            quote_char=None,
            schema=schema,
            columns=sorted({*kept, last, last + 1}),
            missing_columns="insert",
            glob=False,
        )
    except (pl.exceptions.PolarsError, OSError):
        return None
    nulls = table.null_count().row(0, named=True)
    more = nulls.pop(MORE)
    finite = all(bool(table[name].is_finite().all()) for name in numbers)
    if any(nulls.values()) or more < len(table) or not finite:
        return None
    table = table.drop(MORE)
    return None if _mixed(source, table, " " if separator == "\t" else "\t") else table


def _mixed(source: Source, table: pl.DataFrame, other: str) -> bool:
    """Whether the other separator is there, too, where it may part words."""
    with ExitStack() as opened:
        content: bytes | mmap = b""
        if isinstance(source, bytes):
            content = source
        else:
            file = opened.enter_context(source.open("rb"))
            content = opened.enter_context(mmap(file.fileno(), 0, access=ACCESS_READ))
        if not content[:4].startswith(COMPRESSED):
            return content.find(other.encode()) >= 0
    words = table.select(pl.col(pl.String).str.contains(other, literal=True).any())
    return any(words.row(0))


def _read_carefully(
    path: Path, source: Source, names: Sequence[str], what: str, numbers: Sequence[str]
) -> pl.DataFrame:
    """The same for any white space and blank lines; tells the first line that is wrong."""
    words = (
        pl.col(LINE)
        .str.strip_chars(BLANKS)
        .str.replace_all(f"[{BLANKS}]+", " ")
        .str.splitn(" ", len(names) + 1)
    )
    fields = [*names, MORE]
    table = (
        _lines(path, source)
        .to_frame()
        .with_row_index("number", offset=1)
        .filter(pl.col(LINE).str.strip_chars(BLANKS) != "")
        .select(words.struct.rename_fields(fields).alias("words"), pl.col("number").alias(LINE))
        .unnest("words")
    )
    for row in (
        table.filter(pl.col(MORE).is_not_null() | pl.col(names[-1]).is_null())
        .head(1)
        .iter_rows(named=True)
    ):
        found = [row[name] for name in fields if row[name] is not None]
        raise I3Error(
            f"{path}, line {row[LINE]}: {len(' '.join(found).split(' '))} columns: "
            f"{' '.join(found)[:SHOWN]!r}; this {what} has {len(names)} "
            f"({_shown(names)})"
        )
    for name in numbers:
        values = table[name].str.strip_chars().cast(pl.Float64, strict=False)
        wrong = ~values.is_finite().fill_null(value=False)
        if wrong.any():
            row_number = int(wrong.arg_max() or 0)
            raise I3Error(
                f"{path}, line {line_of(table, row_number)}: {name} {table[name][row_number]!r} "
                "is not a finite number"
            )
        table = table.with_columns(values.alias(name))
    return table.drop(MORE)
