"""The text store: texts by id on disk, for collections that may not fit in memory.

A store is one SQLite file, built once from the collection and mapped into memory when it is read,
so that a process holds no more than the pages it has lately touched (SQLite maps at most 2 GB; of a
larger file it reads the rest page by page). For what building costs, see
`benchmarks/textstore.py`.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.atomic import replacing
from i3_pyserini.formats.lines import read_tsv
from i3_pyserini.formats.passage_fields import Passage, shortened
from i3_pyserini.formats.passages import Corpus

MAPPED_BYTES = 1 << 31
VERSION = 2  # of the tables in the file
Row = tuple[int, str, str | None, str, str | None]


class TextStore:
    """Passages of a collection, by id or by position.

    It can be handed to other processes: each opens the file for itself.

    Args:
        path: a file that `open_store` wrote.
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

    def get(self, pid: str) -> Passage | None:
        """The passage with this id; None if there is none."""
        found = self._passages("SELECT pid, title, text, extra FROM passage WHERE pid = ?", (pid,))
        return found[0] if found else None

    def slice(self, start: int, stop: int) -> list[Passage]:
        """The passages at positions `start` to `stop - 1` of the collection."""
        return self._passages(
            "SELECT pid, title, text, extra FROM passage WHERE row >= ? AND row < ? ORDER BY row",
            (start, stop),
        )

    def pid(self, row: int) -> str:
        """The id of the passage at a position, from 0 on."""
        rows = self._query("SELECT pid FROM passage WHERE row = ?", (row,))
        with self._failures():
            return _text(rows[0][0])

    def metadata(self) -> Iterator[Mapping[str, Any]]:
        """The kept fields of all passages, in the order of the collection."""
        with self._failures():
            for (extra,) in self._open().execute("SELECT extra FROM passage ORDER BY row"):
                yield _extra(extra)

    def pids(self) -> Iterator[str]:
        """All ids, in the order of the collection."""
        with self._failures():
            for (pid,) in self._open().execute("SELECT pid FROM passage ORDER BY row"):
                yield _text(pid)

    def _query(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._failures():
            return self._open().execute(sql, values).fetchall()

    def _passages(self, sql: str, values: tuple[object, ...]) -> list[Passage]:
        with self._failures():
            return [_passage(*row) for row in self._open().execute(sql, values)]

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, ValueError, RecursionError) as error:
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


def open_store(
    source: Path | Corpus, cache: Path | None = None, keep: tuple[str, ...] = ()
) -> TextStore:
    """The store of a collection, built first if there is none or the collection has changed.

    Args:
        source: a corpus, or its file or folder.
        cache: folder for the store; None for the one that the corpus is in.
        keep: further fields to keep, such as a price, in `Passage.extra`; those of the corpus by
            default.

    Raises:
        I3Error: the collection cannot be read, has an invalid line or an id twice, or no passage
            has a field to keep; or the store cannot be written.
    """
    corpus = Corpus(source) if isinstance(source, Path) else source
    corpus = replace(corpus, keep=keep or corpus.keep)
    stats = [path.stat() for path in corpus.files]
    files = [
        (name, stat.st_size, stat.st_mtime_ns)
        for name, stat in zip(corpus.names, stats, strict=True)
    ]
    identity = f"{corpus.path.resolve()} {files} {corpus.options()} {corpus.keep}"
    path = _path(corpus.path, cache, identity)
    if not path.exists():
        _write(path, corpus.path, lambda partial: _build(partial, corpus))
    return TextStore(path)


def open_query_store(source: Path, cache: Path | None = None) -> TextStore:
    """The same for generated queries, `pid<TAB>query` lines; `get(pid).text` is the query.

    As in the original, a later line for a passage replaces an earlier one, and lines of other
    columns are skipped; notes count both.
    """
    if not source.is_file():
        raise I3Error(f"{source}: no such file of generated queries")
    stat = source.stat()
    identity = f"{source.resolve()} {stat.st_size} {stat.st_mtime_ns} queries"
    path = _path(source, cache, identity)
    if not path.exists():
        _write(path, source, lambda partial: _build_queries(partial, source))
    return TextStore(path)


def _passage(pid: Any, title: Any, text: Any, extra: Any) -> Passage:
    return Passage(_text(pid), None if title is None else _text(title), _text(text), _extra(extra))


def _text(value: Any) -> str:
    """What is a text; SQLite's columns have no types, so that a damaged row may have anything."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is no text")
    return value


def _extra(extra: Any) -> dict[str, Any]:
    """The kept fields of a passage."""
    fields = {} if extra is None else json.loads(_text(extra))
    if not isinstance(fields, dict):
        raise ValueError(f"{extra!r:.40} has no fields")
    return fields


def _path(source: Path, cache: Path | None, identity: str) -> Path:
    name = hashlib.sha256(f"{VERSION} {identity}".encode()).hexdigest()[:12]
    return (cache or source.parent) / f"{source.name}.{name}.store"


def _write(path: Path, source: Path, build: Callable[[Path], None]) -> None:
    """Gives a store its name when it is complete."""
    advice = "choose another folder with --data.cache (in `data` commands --cache)"
    try:
        with replacing(path, sqlite3.OperationalError, advice=advice) as partial:
            build(partial)
    except UnicodeEncodeError as error:
        raise I3Error(
            f"{source}: a lone surrogate, which is not valid Unicode: {error.object!a:.80}"
        ) from error


def _build(path: Path, corpus: Corpus) -> None:
    with _filled(path, _rows(corpus), corpus.path) as connection:
        try:
            connection.execute("CREATE UNIQUE INDEX by_pid ON passage (pid)")
        except sqlite3.IntegrityError as error:
            raise _second(connection, corpus) from error
        if not _has_rows(connection):
            raise I3Error(f"{corpus.path}: no passages in {len(corpus.files)} file(s)")


def _build_queries(path: Path, source: Path) -> None:
    with _filled(path, _generated_rows(source), source) as connection:
        _keep_last(connection, source)
        connection.execute("CREATE UNIQUE INDEX by_pid ON passage (pid)")
        if not _has_rows(connection):
            raise I3Error(f"{source}: no generated queries in this file")


def _keep_last(connection: sqlite3.Connection, source: Path) -> None:
    """Removes the lines that a later one for the same passage replaces; a note counts them."""
    twice = connection.execute(
        "SELECT pid FROM passage GROUP BY pid HAVING count(*) > 1 ORDER BY min(row) LIMIT 1"
    ).fetchone()
    if twice is None:
        return
    replaced = connection.execute(
        "DELETE FROM passage WHERE row NOT IN (SELECT max(row) FROM passage GROUP BY pid)"
    ).rowcount
    note(
        f"{source}: {replaced:,} line(s) are replaced by a later one for the same passage "
        f"({shortened(twice[0])})"
    )


@contextmanager
def _filled(path: Path, rows: Iterator[Row], source: Path) -> Iterator[sqlite3.Connection]:
    """A new table with some rows; committed at the end of the block."""
    with closing(sqlite3.connect(path)) as connection:
        # The final rename provides durability: an incomplete store is discarded.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "CREATE TABLE passage (row INTEGER PRIMARY KEY, pid TEXT NOT NULL, title TEXT, "
            "text TEXT NOT NULL, extra TEXT)"
        )
        shown = tqdm(rows, desc=f"store {source.name}", unit=" lines", unit_scale=True, delay=2)
        connection.executemany("INSERT INTO passage VALUES (?, ?, ?, ?, ?)", shown)
        yield connection
        connection.commit()


def _has_rows(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM passage LIMIT 1").fetchone() is not None


def _second(connection: sqlite3.Connection, corpus: Corpus) -> I3Error:
    (pid,) = connection.execute(
        "SELECT pid FROM passage GROUP BY pid HAVING count(*) > 1 ORDER BY max(row) LIMIT 1"
    ).fetchone()
    places = (where for where, passage in corpus.located() if passage.docid == pid)
    first, second = islice(places, 2)
    return I3Error(
        f"{second}: passage {shortened(pid)} occurs a second time (first in {first}); ids must be "
        "unique"
    )


def _rows(corpus: Corpus) -> Iterator[Row]:
    found: set[str] = set()
    for row, (_, passage) in enumerate(corpus.located()):
        found.update(passage.extra)
        extra = json.dumps(passage.extra, ensure_ascii=False) if passage.extra else None
        yield row, passage.docid, passage.title, passage.text, extra
    if missing := [name for name in corpus.keep if name not in found]:
        raise I3Error(f"{corpus.path}: no passage has a field {missing[0]!r}, which is required")


def _generated_rows(source: Path) -> Iterator[Row]:
    skipped, example = 0, ""
    for number, place, fields in read_tsv(source):
        if len(fields) == 2:  # noqa: PLR2004  (pid and query)
            yield number - 1, fields[0].strip(), None, fields[1].strip(), None
        else:
            skipped, example = skipped + 1, example or place
    if skipped:
        note(f"{source}: {skipped:,} line(s) without exactly one tab are skipped ({example})")
