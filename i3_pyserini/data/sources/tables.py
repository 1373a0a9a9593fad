"""Passages in plain files: TSV, CSV and JSONL."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from i3_pyserini.data.sources.base import Document
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.jsonl import read_jsonl
from i3_pyserini.formats.tsv import read_tsv

ID_NAMES = ("id", "_id", "pid", "docid", "docno", "doc_id", "qid", "query_id", "query-id")
LONGEST = 1 << 30  # characters of a CSV field
TEXT_NAMES = ("text", "contents", "passage", "query", "body")
TITLE_NAMES = ("title",)
NAMES = {"id": ID_NAMES, "title": TITLE_NAMES, "text": TEXT_NAMES}
Row = tuple[str, dict[str, str | None]]


def read_documents(path: Path, fields: Mapping[str, str]) -> Iterator[Document]:
    """Passages of a file.

    Args:
        path: `.jsonl`; `.csv` with a header; or `.tsv` or `.txt`, read literally, with the columns
            id, title, text or id, text, or with a header whose first name is that of an id.
        fields: names of the fields `id`, `title` and `text`, where they are not the usual ones.

    Raises:
        I3Error: it cannot be read, a line is not as it should be, or a field is not there.
    """
    for place, row in _rows(path, fields, (("id", "title", "text"), ("id", "text"))):
        yield Document(place, _need(row, "id", place), row.get("title"), row.get("text") or "")


def _rows(
    path: Path, fields: Mapping[str, str], columns: tuple[tuple[str, ...], ...]
) -> Iterator[Row]:
    """Rows with the keys id, title and text, whatever their names in the file."""
    if path.suffix in (".jsonl", ".json"):
        return _json_rows(path, fields)
    if path.suffix == ".csv":
        return _csv_rows(path, fields)
    if path.suffix in (".tsv", ".txt"):
        return _tsv_rows(path, fields, columns)
    raise I3Error(f"{path}: not .jsonl, .csv, .tsv or .txt, so that its form is not known")


def _json_rows(path: Path, fields: Mapping[str, str]) -> Iterator[Row]:
    for number, record in read_jsonl(path):
        place = f"{path}, line {number}"
        names = _names(list(record), fields, place)
        row: dict[str, str | None] = {}
        for key, name in names.items():
            value = record[name]
            if key == "id" and isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if value is not None and not isinstance(value, str):
                raise I3Error(f"{place}: field {name!r} is a {type(value).__name__}, not a string")
            row[key] = value
        yield place, row


def _csv_rows(path: Path, fields: Mapping[str, str]) -> Iterator[Row]:
    start = 1
    usual_limit = csv.field_size_limit(LONGEST)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = next(reader, [])
            names = _names(header, fields, f"{path}, line 1")
            start = reader.line_num + 1
            for cells in reader:
                place = f"{path}, line {start}"
                if cells and len(cells) != len(header):
                    raise I3Error(f"{place}: {len(cells)} fields, but the header has {len(header)}")
                if cells:
                    record = dict(zip(header, cells, strict=True))
                    yield place, {key: record[name] for key, name in names.items()}
                start = reader.line_num + 1
    except csv.Error as error:
        raise I3Error(f"{path}, line {start}: a quote is not closed or not doubled") from error
    except UnicodeDecodeError as error:
        raise I3Error(f"{path}: not valid UTF-8 near line {start}; re-encode the file") from error
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror})") from error
    finally:
        csv.field_size_limit(usual_limit)


def _tsv_rows(
    path: Path, fields: Mapping[str, str], columns: tuple[tuple[str, ...], ...]
) -> Iterator[Row]:
    header: list[str] = []
    names: dict[str, str] = {}
    for number, place, cells in read_tsv(path):
        if number == 1 and (fields or cells[0].lower() in ID_NAMES):
            header, names = cells, _names(cells, fields, place)
        elif header:
            if len(cells) != len(header):
                raise I3Error(f"{place}: {len(cells)} fields, but the header has {len(header)}")
            record = dict(zip(header, cells, strict=True))
            yield place, {key: record[name] for key, name in names.items()}
        else:
            layout = next((keys for keys in columns if len(keys) == len(cells)), None)
            if layout is None:
                expected = " or ".join(", ".join(keys) for keys in columns)
                raise I3Error(
                    f"{place}: {len(cells)} tab-separated fields; expected {expected} (is there a "
                    "tab in a text?)"
                )
            yield place, dict(zip(layout, cells, strict=True))


def _names(have: list[str], fields: Mapping[str, str], place: str) -> dict[str, str]:
    """Which of the file's fields are id, title and text."""
    names = {}
    lowered = {name.lower(): name for name in reversed(have)}
    for key, usual in NAMES.items():
        if key in fields:
            wanted, found = fields[key], fields[key] if fields[key] in have else None
        else:
            wanted = " or ".join(usual)
            found = next((lowered[name] for name in usual if name in lowered), None)
        if found is not None:
            names[key] = found
        elif key in fields or key != "title":
            raise I3Error(
                f"{place}: no field {wanted} for the {key}; it has "
                f"{', '.join(map(repr, have)) or 'nothing'} (--fields names those of a corpus)"
            )
    return names


def _need(row: dict[str, str | None], key: str, place: str) -> str:
    value = (row.get(key) or "").strip()
    if not value:
        raise I3Error(f"{place}: the {key} is empty")
    return value
