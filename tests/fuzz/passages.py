"""Readers of passages: JSON lines, tables, Parquet, folders, and stores of texts."""

import gzip
import io
import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from unittest.mock import patch

import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats import compression
from i3_pyserini.formats.compression import open_bytes
from i3_pyserini.formats.passages import Corpus, Place
from i3_pyserini.formats.tables import AS_NAMED, Table
from i3_pyserini.formats.textstore import TextStore, open_query_store, open_store
from tests.formats.damage import compressed
from tests.fuzz import plain
from tests.fuzz.target import Target, counted, fixed, notes

LINES = (
    b'{"id": 1, "title": " t", "text": "a \\u00e9"}\n\n{"id": "d2", "title": null, "text": "b"}\n'
)
CSV = b'id,title,text\n1,t,"a ""b"""\n\n2,,"c\nd"\n'
TSV = b"1\tt\ta text\n\n2\t\tof two\n"
HEADED = b'id\ttext\ttitle\n1\ta\tt\n2\t"b ""c"""\t\n'
BOUND = 1 << 16  # bytes that a compressed file may always have, here
ENCODINGS = ("utf-8", "cp1252", "utf-16", "utf-16-le", "latin-1", "utf-32")
DELIMITERS = (None, ";", "|", "\t", ",")


def _json_lines(path: Path) -> object:
    """Passages are those of a plain reading, in any way in which they can be read."""
    corpus = Corpus(path)
    found = list(corpus)
    located = list(corpus.located())
    assert [one for _, one in located] == found, "located"
    content = plain.content_of(path)
    if content is None:
        return found
    records = plain.json_records(content)
    assert len(found) == len(records), f"{len(found)} passages of {len(records)} lines"
    for passage, record in zip(found, records, strict=True):
        expected = plain.json_passage(record)
        own = (passage.docid, passage.title, passage.text)
        assert expected in (None, own), f"{own} for {record}"
        assert passage.docid.split() == [passage.docid], "an id that no run can hold"
    _places(corpus, path, content)
    return found


def _places(corpus: Corpus, path: Path, content: bytes) -> None:
    """From any place on, the lines that begin there or later; and each has its number."""
    start = len(plain.MARK) if path.read_bytes().startswith(plain.MARK) else 0
    numbers, offsets, offset = [], [], start
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            numbers.append(number)
            offsets.append(offset if number > 1 else 0)
        offset += len(line) + 1
    wheres = [where for where, _ in corpus.located()]
    assert wheres == [f"{path}, line {number}" for number in numbers], "numbers of lines"
    for place in {0, len(content) // 2, *offsets[-1:], *(one + 1 for one in offsets[:1])}:
        ids = [one.docid for one in corpus.read(Place(0, place))]
        left = sum(offset >= place for offset in offsets)
        assert ids == [one.docid for one in corpus][len(offsets) - left :], f"from {place} on"


def _table(path: Path, table: Table = AS_NAMED, header: bool | None = None) -> object:
    with notes():
        corpus = Corpus(path, table=table)
        found = list(corpus)
    staged = corpus.staged(path.parent / "copy")
    assert list(staged) == found, "a copy has other passages"
    assert sum(staged.sizes) == sum(len(line) for _, line in corpus.lines(Place())), "sizes"
    content = plain.content_of(path)
    expected = None if content is None else _rows(content, path, table, header)
    if expected is not None:
        assert len(found) == len(expected), f"{len(found)} passages of {len(expected)} rows"
        for passage, row in zip(found, expected, strict=True):
            own = (passage.docid, passage.title, passage.text)
            assert row in (None, own), f"{own} for {row}"
    return found


def _rows(
    content: bytes, path: Path, table: Table, header: bool | None
) -> list[plain.Row | None] | None:
    if ".tsv" in path.name:
        rows = plain.tsv_rows(content, declared=True)
        if any('""' in cell for row in rows for cell in row):  # may be as DPR quotes
            return None
    else:
        first = content.decode(table.encoding).removeprefix("\ufeff").split("\n")[0]
        delimiter = table.delimiter or ("," if "," in first else None)
        if delimiter is None or first.lower().startswith(("sep=", '"sep=')):
            return None
        rows = plain.csv_rows(content, delimiter, table.encoding)
    return plain.table_passages(rows, header) if rows else []


def _with_options(path: Path) -> object:
    """The first two bytes choose encoding and delimiter."""
    content = path.read_bytes()
    first, second = (*content[:2], 0, 0)[:2]
    encoding = ENCODINGS[first % len(ENCODINGS)]
    path.write_bytes(content[2:])
    delimiter = DELIMITERS[second % len(DELIMITERS)]
    try:
        return _table(path, Table(delimiter, encoding), header=True)
    except I3Error as error:
        _right_line(str(error), path, encoding)
        raise


def _right_line(message: str, path: Path, encoding: str) -> None:
    """What is no text in an encoding is named with its line."""
    named = re.search(r"line (\d+): not valid", message)
    content = plain.content_of(path) if named else None
    if named is None or content is None:
        return
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-16" and content[:2] not in (BOM_UTF16_LE, BOM_UTF16_BE):
            return  # refused at its first byte
        line = content[: error.start].decode(encoding, "ignore").count("\n") + 1
        assert int(named[1]) == line, f"line {named[1]} is named, and line {line} is wrong"


def _optional(text: str) -> list[bytes]:
    return [
        bytes([number, 1]) + text.encode(name)
        for number, name in enumerate(ENCODINGS)
        if name != "utf-16"
    ] + [bytes([2, 1]) + text.encode("utf-16")]


def _parquet(path: Path) -> object:
    found = list(Corpus(path))
    frame = None if compression.is_compressed(path) else plain.parquet(path)
    if frame is not None:
        assert len(frame) == len(found), f"{len(found)} passages of {len(frame)} rows"
        if {"id", "text"} <= set(frame.columns) and frame["text"].dtype == pl.String:
            own = [(passage.docid, passage.text) for passage in found]
            texts = [(text or "").strip() for text in frame["text"].to_list()]
            assert own == list(zip(map(str, frame["id"].to_list()), texts, strict=True))
    return found


def _parquet_files() -> list[bytes]:
    files = []
    for frame in (
        pl.DataFrame({"id": ["1", "2"], "text": ["a text", "of two"]}),
        pl.DataFrame({"_id": [1, 2], "title": [None, "t"], "text": [" a", "b"], "x": [0.5, 1]}),
        pl.DataFrame({"id": [b"1"], "contents": [b"a"], "v": [[1.0, 2.0]]}),
    ):
        target = io.BytesIO()
        frame.write_parquet(target)
        files.append(target.getvalue())
    return files


def _folder(path: Path) -> object:
    """A folder with the file and others: what is not read is named."""
    folder = path.parent / "corpus"
    (folder / "below").mkdir(parents=True)
    path.rename(folder / "below" / path.name)
    (folder / "a.jsonl").write_bytes(b'{"id": "first", "text": "x"}\n')
    (folder / "LICENSE").write_bytes(b"free")
    (folder / "topics.tsv").write_bytes(b"q\tx\n")
    with notes() as said:
        corpus = Corpus(folder)
        found = list(corpus)
    assert corpus.names == ["a.jsonl", f"below/{path.name}"], corpus.names
    assert "LICENSE" in said.getvalue() and "topics.tsv" in said.getvalue(), said.getvalue()
    own = list(Corpus(folder / "below" / path.name))
    assert found[1:] == own and found[0].docid == "first", "other passages in a folder"
    return found


def _store(path: Path) -> object:
    passages = list(Corpus(path))
    store = open_store(path)
    assert len(store) == len(passages), f"{len(store)} texts of {len(passages)} passages"
    assert list(store.pids()) == [one.docid for one in passages], "ids"
    assert store.slice(0, len(passages)) == passages, "texts by position"
    assert all(store.get(one.docid) == one for one in passages), "texts by id"
    assert list(store.metadata()) == [dict(one.extra) for one in passages], "metadata"
    return store.size


def _damaged_store(path: Path) -> object:
    store = TextStore(path)
    ids = list(store.pids())
    return [store.slice(0, 9), list(map(store.get, ids)), list(store.metadata()), store.pid(0)]


def _stores() -> list[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.jsonl"
        path.write_bytes(b'{"id": 1, "text": "a", "x": 2}\n{"id": 2, "text": "b"}\n')
        return [open_store(path, keep=("x",)).path.read_bytes()]


def _generated(path: Path) -> object:
    """Every line is a query of the store, or was counted in a note."""
    with notes() as said:
        store = open_query_store(path)
    content = plain.content_of(path)
    if content is None:
        return store.size
    rows = plain.tsv_rows(content)
    pairs = [row for row in rows if len(row) == 2]
    skipped = counted(said, r"N line\(s\) without")
    replaced = counted(said, r"N line\(s\) are replaced")
    assert len(rows) == store.size + skipped + replaced, f"{store.size} of {len(rows)} lines"
    last = {pid.strip(): query.strip() for pid, query in pairs}
    for pid, query in last.items():
        passage = store.get(pid)
        assert passage is not None and passage.text == query, f"{passage} for {query!r}"
    return store.size


def _bounded(path: Path) -> object:
    """Compressed content is as it was, or refused: it does not fill the memory."""
    size = 0
    with patch.object(compression, "ALLOWED", BOUND), open_bytes(path) as file:
        while block := file.read(1 << 16):
            size += len(block)
            most = max(BOUND, compression.MOST * path.stat().st_size) + (1 << 21)
            assert size <= most, f"{size} bytes of {path.stat().st_size}"
    content = plain.content_of(path)
    assert content is None or content.removeprefix(plain.MARK) is not None
    if content is not None:
        with open_bytes(path) as file:
            assert file.read().removeprefix(plain.MARK) == content, "other content"
    return size


def _compressed() -> list[bytes]:
    return [
        TSV,
        gzip.compress(TSV * 50, mtime=0),
        gzip.compress(TSV, mtime=0) + gzip.compress(TSV, mtime=0),
        compressed(TSV * 50, "zstd"),
        compressed(TSV, "zstd") + compressed(TSV, "zstd"),
    ]


def _bombs() -> list[bytes]:
    return [
        gzip.compress(bytes(1 << 24), mtime=0),
        compressed(bytes(1 << 25), "zstd"),
        gzip.compress(compressed(TSV, "zstd"), mtime=0),
        compressed(gzip.compress(TSV, mtime=0), "zstd"),
        gzip.compress(TSV, mtime=0)[:-4],
        compressed(TSV * 9, "zstd")[:-2],
    ]


def _json(*records: object) -> bytes:
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()


TARGETS = [
    Target(
        "jsonl-passages",
        "corpus.jsonl",
        _json_lines,
        fixed(
            LINES, b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n").rstrip(), gzip.compress(LINES)
        ),
        fixed(
            b'{"id": true, "text": ""}',
            b'{"id": "a b", "text": ""}',
            b'{"id": 1}',
            b'{"id": 1, "text": 2}',
            b'{"id": 1, "text": "\\ud800"}',
            b'{"id": "\\udc00", "text": ""}',
            b'{"text": "a"}',
            b"[1]",
            b"\xff",
            b"[" * 9999,
        ),
    ),
    Target(
        "tsv-passages", "corpus.tsv", _table, fixed(TSV, b"1\ta\n"), fixed(b"1\n", b"1\t\t\t\n")
    ),
    Target(
        "tsv-headed-passages",
        "corpus.tsv",
        _table,
        fixed(HEADED, b"\xef\xbb\xbf" + HEADED),
        fixed(HEADED + b"3\n", b"id\tid\ttext\n1\t2\t3\n"),
    ),
    Target(
        "csv-passages",
        "corpus.csv",
        lambda path: _table(path, header=True),
        fixed(CSV, b"id;text\n1;a\n2;b\n", b"sep=|\nid|text\n1|a\n", compressed(CSV, "zstd")),
        fixed(CSV + b'4,"', CSV + b"4,5\n", b"a,b\n1,2\n", "id,text\n1,é\n".encode("latin-1")),
    ),
    Target(
        "csv-options",
        "corpus.csv",
        _with_options,
        lambda: _optional('id;title;text\n1;é;"a\nb"\n2;;c\n'),
        fixed(
            b"\x00\x01id;text\n1;\xff\n", b"\x03\x01" + "id;text\n1;a\n\n".encode("utf-16-le")[:-1]
        ),
    ),
    Target("parquet-passages", "corpus.parquet", _parquet, _parquet_files, fixed(b"PAR1PAR1", b"")),
    Target("folder-passages", "more.jsonl", _folder, fixed(LINES)),
    Target(
        "store",
        "corpus.jsonl",
        _store,
        fixed(LINES, _json({"_id": "a", "contents": "b\nc"})),
        fixed(_json(*[{"id": 1, "text": "a"}] * 2), b"\n"),
    ),
    Target("store-damaged", "a.store", _damaged_store, _stores, fixed(b"SQLite format 3\0", b"")),
    Target(
        "generated-queries",
        "queries.tsv",
        _generated,
        fixed(b"1\ta query\n2\ttwo\n", b"1\ta\n1\tb\nno\n2\tc\td\n"),
        fixed(b"no\n", b"1\t\xff\n"),
    ),
    Target("compression", "file.bin", _bounded, _compressed, _bombs),
]
