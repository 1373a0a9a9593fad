"""Texts by id, on disk: what training needs of a collection that may not fit in memory.

A store is one SQLite file, built once from the collection and mapped into memory when it is read,
so that a process holds no more than the pages it has lately touched (SQLite maps at most 2 GB; of a
larger file it reads the rest page by page). For what building costs, see
`benchmarks/textstore.py`.
"""

import glob
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.tsv import read_tsv

MAPPED_BYTES = 1 << 31
Row = tuple[int, str, str | None, str]


@dataclass(frozen=True)
class Text:
    """A passage's texts.

    Attributes:
        title: its title; None if it has none.
        text: its text.
    """

    title: str | None
    text: str


class TextStore:
    """Passages of a collection, by id or by position.

    It can be handed to other processes: each opens the file for itself.

    Args:
        path: a file that `build_store` wrote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        self.size: int = self._query("SELECT count(*) FROM passage", ())[0][0]

    def __len__(self) -> int:
        return self.size

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_connection": None, "_owner": 0}

    def get(self, pid: str) -> Text | None:
        """The passage with this id; None if there is none."""
        rows = self._query("SELECT title, text FROM passage WHERE pid = ?", (pid,))
        return Text(*rows[0]) if rows else None

    def slice(self, start: int, stop: int) -> list[tuple[str, Text]]:
        """Ids and passages at positions `start` to `stop - 1` of the collection."""
        rows = self._query(
            "SELECT pid, title, text FROM passage WHERE row >= ? AND row < ? ORDER BY row",
            (start, stop),
        )
        return [(pid, Text(title, text)) for pid, title, text in rows]

    def pid(self, row: int) -> str:
        """The id of the passage at a position, from 0 on."""
        pid: str = self._query("SELECT pid FROM passage WHERE row = ?", (row,))[0][0]
        return pid

    def pids(self) -> Iterator[str]:
        """All ids, in the order of the collection."""
        with self._failures():
            for (pid,) in self._open().execute("SELECT pid FROM passage ORDER BY row"):
                yield pid

    def _query(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._failures():
            return self._open().execute(sql, values).fetchall()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise I3Error(
                f"{self.path}: the text store is damaged ({error}); delete it, and the next "
                "command builds it again"
            ) from error

    def _open(self) -> sqlite3.Connection:
        # A connection must not cross a fork.
        if self._connection is None or self._owner != os.getpid():
            # Threads may share it: SQLite takes one call after the other, and nobody writes.
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
            self._connection, self._owner = connection, os.getpid()
        return self._connection


def open_store(source: Path, cache: Path | None = None) -> TextStore:
    """The store of a collection, built first if there is none or the collection has changed.

    Args:
        source: `pid<TAB>title<TAB>text` or `pid<TAB>text` lines (`.tsv`, `.txt`), or a JSONL file
            or folder as `i3_pyserini.encode` takes it.
        cache: folder for the store; None for the one that `source` is in.

    Raises:
        I3Error: the collection cannot be read, or has a bad line or an id twice; or the store
            cannot be written.
    """
    if not source.exists():
        raise I3Error(f"{source}: no such collection")
    rows = _tsv_rows if _is_tsv(source) else _jsonl_rows
    return TextStore(_cached(source, cache, rows, keep_last=False))


def open_query_store(source: Path, cache: Path | None = None) -> TextStore:
    """The same for generated queries, `pid<TAB>query` lines; `get(pid).text` is the query.

    As in the original, a later line for the same passage wins and lines of another form are left
    out; how many is said.
    """
    if not source.is_file():
        raise I3Error(f"{source}: no such file of generated queries")
    return TextStore(_cached(source, cache, _generated_rows, keep_last=True))


def _cached(
    source: Path, cache: Path | None, rows: Callable[[Path], Iterator[Row]], keep_last: bool
) -> Path:
    directory = cache or source.parent
    content = f"{source.resolve()} {_state(source)} {keep_last}"
    identity = hashlib.sha256(content.encode()).hexdigest()[:12]
    path = directory / f"{source.name}.{identity}.store"
    if path.exists():
        return path
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _build(partial, rows(source), source, keep_last)
        partial.replace(path)
    except UnicodeEncodeError as error:
        raise I3Error(
            f"{source}: a passage has half a character (a lone surrogate): {error.object!r:.80}"
        ) from error
    except (OSError, sqlite3.OperationalError) as error:
        raise I3Error(
            f"{path}: the text store cannot be written ({error}); name another folder with "
            "--data.cache (in `data` commands --cache)"
        ) from error
    finally:
        for leftover in directory.glob(f"{glob.escape(partial.name)}*"):
            leftover.unlink()
    return path


def _state(source: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of each of the collection's files."""
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    stats = [(file.name, file.stat()) for file in files if ".store" not in file.name]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _build(path: Path, rows: Iterator[Row], source: Path, keep_last: bool) -> None:
    connection = sqlite3.connect(path)
    try:
        # Durability is the final rename's: a store that is not complete is thrown away.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "CREATE TABLE passage (row INTEGER PRIMARY KEY, pid TEXT NOT NULL, title TEXT, "
            "text TEXT NOT NULL)"
        )
        shown = tqdm(rows, desc=f"store {source.name}", unit=" lines", unit_scale=True, delay=2)
        connection.executemany("INSERT INTO passage VALUES (?, ?, ?, ?)", shown)
        if keep_last:
            connection.execute(
                "DELETE FROM passage WHERE row NOT IN (SELECT max(row) FROM passage GROUP BY pid)"
            )
        try:
            connection.execute("CREATE UNIQUE INDEX by_pid ON passage (pid)")
        except sqlite3.IntegrityError as error:
            raise _second(connection, source) from error
        if not connection.execute("SELECT 1 FROM passage LIMIT 1").fetchone():
            raise I3Error(f"{source}: empty")
        connection.commit()
    finally:
        connection.close()
    with path.open("rb+") as written:
        os.fsync(written.fileno())


def _second(connection: sqlite3.Connection, source: Path) -> I3Error:
    pid, first, second = connection.execute(
        "SELECT pid, min(row), max(row) FROM passage GROUP BY pid HAVING count(*) > 1 "
        "ORDER BY max(row) LIMIT 1"
    ).fetchone()
    if _is_tsv(source):  # positions are not lines where some are blank
        lines = (number for number, _, fields in read_tsv(source) if fields[0].strip() == pid)
        first, second = islice(lines, 2)
        where = (
            f"{source}, line {second}: passage {pid!r} occurs a second time (first on line {first})"
        )
    else:
        where = f"{source}: passage {pid!r} occurs twice, as passages {first + 1} and {second + 1}"
    return I3Error(f"{where}; ids must be unique")


def _is_tsv(source: Path) -> bool:
    return source.is_file() and source.suffix in (".tsv", ".txt")


def _tsv_rows(source: Path) -> Iterator[Row]:
    for row, (_, place, fields) in enumerate(read_tsv(source)):  # blank lines have no row
        if len(fields) not in (2, 3):
            raise I3Error(
                f"{place}: {len(fields)} tab-separated fields; expected pid, title and text, or "
                "pid and text"
            )
        pid, *title, text = fields
        if not pid.strip():
            raise I3Error(f"{place}: the passage id is empty")
        yield row, pid.strip(), title[0] if title else None, text


def _jsonl_rows(source: Path) -> Iterator[Row]:
    for number, passage in enumerate(Corpus(source)):
        yield number, passage.docid, passage.title, passage.text


def _generated_rows(source: Path) -> Iterator[Row]:
    skipped, example = 0, ""
    for number, place, fields in read_tsv(source):
        if len(fields) == 2:  # noqa: PLR2004  (pid and query)
            yield number - 1, fields[0].strip(), None, fields[1].strip()
        else:
            skipped, example = skipped + 1, example or place
    if skipped:
        tqdm.write(f"{source}: {skipped} line(s) without exactly one tab left out ({example})")
