"""Plain readings of files, with which those of the package are compared: short, slow and in memory.

Each says nothing (None) of a file that is too odd for it; the package may then refuse or read it.
"""

import csv
import gzip
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LARGEST = 1 << 22  # bytes that are compared
MARK = b"\xef\xbb\xbf"
BLANKS = " \t\r\x0b\x0c"
IDS = {"id", "_id", "pid", "passage_id", "docid", "doc_id", "docno"}
KNOWN = IDS | {"title", "text", "contents", "passage", "segment", "body"}
Row = tuple[str, str | None, str]  # id, title and text


def content_of(path: Path) -> bytes | None:
    """The content of a file, without compression and byte order mark; None for very large ones."""
    opened: Any = path.open("rb")
    with opened:
        start = opened.peek(4)
        if start.startswith(b"\x1f\x8b"):
            opened = gzip.GzipFile(fileobj=opened)
        elif start.startswith(b"\x28\xb5\x2f\xfd"):
            opened = zstd.ZstdFile(opened)
        found: bytes = opened.read(LARGEST + 1)
    return found.removeprefix(MARK) if len(found) <= LARGEST else None


def text_lines(content: bytes, encoding: str = "utf-8") -> list[str]:
    """The lines that are not blank, without their ends."""
    text = content.decode(encoding).removeprefix("\ufeff")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return [line for line in lines if line.strip()]


def json_records(content: bytes) -> list[dict[str, Any]]:
    """The objects of JSON lines."""
    return [json.loads(line) for line in content.split(b"\n") if line.strip()]


def json_passage(record: dict[str, Any]) -> Row | None:
    """The passage of a record with the usual names; None for others."""
    if not isinstance(record.get("text"), str) or "id" not in record:
        return None
    title = record.get("title")
    if "title" not in record and {name.strip().lower() for name in record} & {"title"}:
        return None
    return str(record["id"]), (title or "").strip() or None, record["text"].strip()


def tsv_rows(content: bytes, declared: bool = False) -> list[list[str]]:
    """Rows of TSV: a line each, literally."""
    rows = [line.split("\t") for line in text_lines(content)]
    first = content.decode("utf-8").partition("\n")[0].removesuffix("\r").lower()
    return rows[1:] if declared and first == "sep=\t" else rows


def csv_rows(content: bytes, delimiter: str = ",", encoding: str = "utf-8") -> list[list[str]]:
    """Rows of CSV that are not blank; without a first one that declares the delimiter."""
    csv.field_size_limit(1 << 24)
    text = io.StringIO(content.decode(encoding).removeprefix("\ufeff"), newline="")
    rows = list(csv.reader(text, delimiter=delimiter, strict=True))
    if rows and delimiter.join(rows[0]).lower() == f"sep={delimiter}":
        rows = rows[1:]
    return [row for row in rows if "".join(row).strip()]


def table_passages(rows: Sequence[Sequence[str]], header: bool | None) -> list[Row | None] | None:
    """The passages of a table; None for one whose header this does not know.

    Args:
        rows: the rows.
        header: whether the first has names; None if it has some of the usual ones.
    """
    names = [name.strip() for name in rows[0]] if rows else []
    if header is None:
        header = bool(set(names) & {"id", "text"})
        others = {name.lower().replace("-", "_").replace(" ", "_") for name in names}
        if not header and others & KNOWN:
            return None
    if not header:
        layouts = {2: ["id", "text"], 3: ["id", "title", "text"]}
        return [_row(dict(zip(layouts[len(row)], row, strict=True))) for row in rows]
    if not set(names) <= {"id", "title", "text"} or not {"id", "text"} <= set(names):
        return [None] * (len(rows) - header)
    return [_row(dict(zip(names, row, strict=True))) for row in rows[header:]]


def _row(cells: dict[str, str]) -> Row:
    clean = {name: cell.strip(" \t\r") for name, cell in cells.items()}
    return clean["id"], clean.get("title", "").strip() or None, clean["text"].strip()


def words(content: bytes) -> list[list[str]]:
    """Words of lines that are not blank, separated as C does; at most one comma, in no quotes."""
    lines = [line.strip(BLANKS) for line in content.decode("utf-8").split("\n")]
    for blank in BLANKS[1:]:
        lines = [line.replace(blank, " ") for line in lines]
    return [[word for word in line.split(" ") if word] for line in lines if line]


def parquet(path: Path) -> pl.DataFrame | None:
    """All of a file; None if a column that the package need not read is damaged."""
    try:
        return pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
