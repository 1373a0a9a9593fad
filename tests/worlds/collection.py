"""Writes a world's collection, topics and judgements, in its file formats."""

import bz2
import csv
import gzip
import io
import json
import lzma
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tests.worlds.world import Files, Record, World

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MARK = b"\xef\xbb\xbf"
SUFFIXES = {"": "", "gzip": ".gz", "zstd": ".zst", "members": ".gzip", "frames": ".zstd"}
# In a folder of passages, but none; with what a reader of them would find.
DECOYS = {
    "notes.pdf": b"%PDF-1.4",
    ".hidden.jsonl": b'{"id": "hidden", "text": "hidden"}\n',
    "z-queries.jsonl.bak": b'{"_id": "q", "text": "a query"}\n',
    "README": b"read me\n",
    "old.jsonl.xz": lzma.compress(b'{"id": "old", "text": "old"}\n'),
    "old.jsonl.bz2": bz2.compress(b'{"id": "old", "text": "old"}\n'),
}


def write_collection(world: World, folder: Path) -> Path:
    """Writes the passages; returns the file or folder that `--corpus` names."""
    files = world.files
    count = max(1, files.files)
    size = -(-len(world.records) // count)
    root = folder / "corpus" if files.files else folder
    root.mkdir(exist_ok=True)
    for number in range(count):
        some = world.records[number * size : (number + 1) * size]
        form = files.formats[number]
        name = f"{form}{SUFFIXES[files.compression[0]] if files.suffixes else ''}"
        path = root / f"part-{number}.{name.upper() if files.upper else name}"
        if files.nested and number:
            path = root / f"part-{number}" / ("deep" if files.deep else "") / f"more.{name}"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(_compressed(_passages(world, some, form), files.compression[0]))
    if not files.files:
        return path
    for name, content in DECOYS.items() if files.decoys else ():
        (root / name).write_bytes(content)
    return root


def write_topics(world: World, folder: Path) -> Path:
    """Writes the topics."""
    files, header = world.files, world.files.headers
    if files.topics == ".jsonl":
        lines = [json.dumps({"_id": q, "text": text}) for q, text in world.topics.items()]
        content = _lines(lines, files)
    elif files.topics == ".csv":
        rows = [["qid", "text"], *world.topics.items()] if header else [*world.topics.items()]
        content = _csv(rows, files)
    else:
        lines = [f"{qid}\t{text}" for qid, text in world.topics.items()]
        content = _lines([*(["query_id\tquery"] if header else []), *lines], files)
    how = files.compression[1]
    path = folder / f"topics{files.topics}{SUFFIXES[how] if files.suffixes else ''}"
    path.write_bytes(_compressed(content, how))
    return path


def write_judgements(world: World, folder: Path) -> Path:
    """Writes the judgements in TREC's four columns or BEIR's three; one of them twice."""
    judged = [*world.judgements, world.judgements[0]]
    if world.files.headers:
        lines = ["query-id\tcorpus-id\tscore", *(f"{q}\t{d}\t{n}" for q, d, n in judged)]
    else:
        between = "\t" if world.seed % 2 else " "
        level = "{}.0" if world.seed % 5 == 0 else "{}"
        lines = [between.join((q, "0", d, level.format(n))) for q, d, n in judged]
    how = world.files.compression[1]
    path = folder / f"qrels.txt{SUFFIXES[how] if world.files.suffixes else ''}"
    path.write_bytes(_compressed(("\n".join(lines) + "\n").encode("utf-8"), how))
    return path


def _passages(world: World, records: Sequence[Record], form: str) -> bytes:
    """The content of a file of passages."""
    files = world.files
    rows = [_fields(record, world) for record in records]
    if form == "jsonl":
        return _lines(
            [json.dumps(row, ensure_ascii=bool(n % 2)) for n, row in enumerate(rows)], files
        )
    names = list(rows[0])
    cells = [[row[name] if row[name] is not None else "" for name in names] for row in rows]
    if form == "csv":
        return _csv([names, *cells], files)
    if form == "tsv":
        header = ["\t".join(names)] if files.headers else []
        columns = [names.index(files.id_field), *range(names.index(files.id_field) + 1, len(names))]
        columns = list(range(len(names))) if header else columns[:3]
        return _lines([*header, *("\t".join(str(row[c]) for c in columns) for row in cells)], files)
    table = pl.DataFrame({name: [row[name] for row in rows] for name in names}, strict=False)
    file = io.BytesIO()
    table.write_parquet(file)
    return file.getvalue()


def _fields(record: Record, world: World) -> dict[str, Any]:
    """A record's fields; ids that are numbers as numbers, in JSON lines alone."""
    files, docid = world.files, record.docid
    number = set(files.formats) == {"jsonl"} and docid.isascii() and docid.isdigit()
    value: str | int = int(docid) if number and str(int(docid)) == docid else docid
    fields: dict[str, Any] = {"docid": "parent"} if files.id_field == "pid" else {}
    fields[files.id_field] = value
    if files.style == "contents":
        return {**fields, "contents": f"{record.title or ''}\n{record.text}"}
    if files.style == "bare":
        return {**fields, "contents": record.text}
    fields["title"] = record.title
    blank = "  " if world.seed % 3 == 0 else ""
    return {**fields, "text": f"{blank}{record.text}{blank}", "url": "https://example.org/?id=1"}


def _csv(rows: Sequence[Sequence[Any]], files: Files) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=files.line_end).writerows(rows)
    return (MARK if files.mark else b"") + text.getvalue().encode("utf-8")


def _lines(lines: Sequence[str], files: Files) -> bytes:
    if files.blank_lines and lines:
        lines = [lines[0], "", *lines[1:], ""]
    text = files.line_end.join(lines) + (files.line_end if files.last_end else "")
    return (MARK if files.mark else b"") + text.encode("utf-8")


def _compressed(content: bytes, how: str) -> bytes:
    if how in ("members", "frames"):
        half = len(content) // 2
        how = "gzip" if how == "members" else "zstd"
        return _compressed(content[:half], how) + _compressed(content[half:], how)
    if how == "gzip":
        return gzip.compress(content)
    return zstd.compress(content) if how == "zstd" else content
