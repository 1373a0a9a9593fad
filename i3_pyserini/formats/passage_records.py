"""Reads the passages of a file of any format as JSON lines."""

import json
from collections.abc import Iterator, Sequence
from typing import Literal

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import open_bytes
from i3_pyserini.formats.corpus_files import PassageFile
from i3_pyserini.formats.parquet import read_parquet
from i3_pyserini.formats.passage_fields import PassageFields, known_names, listed, shortened
from i3_pyserini.formats.tables import OTHERS, Table, read_rows

# The columns of a table without a header, by their number.
LAYOUTS = {2: ["id", "text"], 3: ["id", "title", "text"]}
WITHOUT_IDS = {1: ["text"], 2: ["title", "text"]}
BLANKS = " \t\r"  # around a cell; a line end stands for an empty field in `contents`
SEPARATORS = f"{OTHERS},"


def json_lines(
    file: PassageFile, fields: PassageFields, table: Table
) -> Iterator[tuple[int, bytes]]:
    """Yields `(number, line)` for each line or row: its number in the file, and a JSON line.

    Of JSONL the lines as they are, blank ones too; of a table an object with the columns that
    `fields` needs, under their own names.

    Raises:
        I3Error: the file cannot be read, or a row is invalid; names file and line.
    """
    if file.format == "jsonl":
        with open_bytes(file.path) as lines:
            yield from enumerate(lines, start=1)
        return
    records = _parquet_records if file.format == "parquet" else _table_records
    for number, record in records(file, fields, table):
        yield number, (json.dumps(record, ensure_ascii=False, default=str) + "\n").encode()


def place(file: PassageFile, number: int) -> str:
    """A line or row of a file, for messages."""
    return f"{file.path}, {'row' if file.format == 'parquet' else 'line'} {number}"


def header_of(file: PassageFile, fields: PassageFields, table: Table) -> list[str] | None:
    """The names that the first row of a CSV or TSV file has for its columns; None if none.

    Raises:
        I3Error: it should have names, and lacks those of an id or a text.
    """
    kind = _kind(file)
    number, first = next(read_rows(file.path, kind, table), (1, []))
    return _header(file, number, first, fields, table)


def _header(
    file: PassageFile, number: int, first: list[str], fields: PassageFields, table: Table
) -> list[str] | None:
    names = [name.strip() for name in first]
    if table.header is False or not first:
        return None
    try:
        fields.columns(names)
    except I3Error as error:
        required = file.format == "csv" or table.header
        if not required and not known_names(names):
            return None
        raise I3Error(
            f"{place(file, number)}: {error}{_advice(fields, names, required)}"
        ) from error
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise I3Error(
            f"{place(file, number)}: two columns are named {shortened(twice)}; rename one"
        )
    return names


def _advice(fields: PassageFields, names: list[str], required: bool | None) -> str:
    """Advice for a first row that is not a valid header."""
    if len(names) == 1 and (found := next((one for one in SEPARATORS if one in names[0]), None)):
        option = f"--delimiter '{found}' (in pyserini's command line --column-delimiter)"
        return f"; are columns separated by {found!r}? Name it: {option}"
    if fields.absent(names):
        return "; --keep expects names of columns"
    what = (
        "name the columns (--docid-field, --title-field, --text-field)"
        if required
        else "rename the columns"
    )
    if required and not fields.has_id(names):
        what += ", make ids from the content (data import --make-ids)"
    return f"; {what}, or say --no-header (header=False) if this is a passage"


def _table_records(
    file: PassageFile, fields: PassageFields, table: Table
) -> Iterator[tuple[int, dict[str, str]]]:
    header: list[str] | None = None
    layouts: dict[int, list[tuple[int, str]]] = {}  # by the number of columns of a row
    literal = file.format == "tsv" and not table.quoted
    for row, (number, cells) in enumerate(read_rows(file.path, _kind(file), table)):
        if row == 0 and (header := _header(file, number, cells, fields, table)):
            continue
        if len(cells) not in layouts:
            try:
                layouts[len(cells)] = _layout(fields, header, len(cells))
            except I3Error as error:
                raise I3Error(f"{place(file, number)}: {error}") from error
        record = {name: cells[column].strip(BLANKS) for column, name in layouts[len(cells)]}
        if header and literal:
            record = {name: _unquoted(cell) for name, cell in record.items()}
        yield number, record


def _layout(fields: PassageFields, header: list[str] | None, width: int) -> list[tuple[int, str]]:
    """The columns to read from a row with this number of columns, and their names.

    Raises:
        I3Error: rows have more or fewer, or it lacks one that is needed.
    """
    names = header or (LAYOUTS if fields.ids else WITHOUT_IDS).get(width, [])
    if len(names) != width:
        raise I3Error(f"{width} fields{_expected(header, fields.ids)}")
    return [(names.index(name), name) for name in fields.columns(names)]


def _expected(header: list[str] | None, ids: bool) -> str:
    if header:
        return f", but the header has {len(header)} ({listed(header)})"
    columns = "pid, title and text, or pid and text" if ids else "title and text, or text"
    return f"; expected {columns} (is there a tab in a text?)"


def _unquoted(cell: str) -> str:
    """A cell of TSV as DPR publishes it: in quotes, those inside it doubled, if it has any."""
    inner = cell[1:-1]
    in_quotes = len(cell) > 1 and cell[0] == cell[-1] == '"' and '""' in inner
    return inner.replace('""', '"') if in_quotes and '"' not in inner.replace('""', "") else cell


def _parquet_records(
    file: PassageFile, fields: PassageFields, table: Table
) -> Iterator[tuple[int, dict[str, object]]]:
    def choose(names: Sequence[str]) -> list[str]:
        try:
            return fields.columns(names)
        except I3Error as error:
            raise I3Error(f"{file.path}: {error}") from error

    return read_parquet(file.path, choose)


def _kind(file: PassageFile) -> Literal["csv", "tsv"]:
    return "csv" if file.format == "csv" else "tsv"
