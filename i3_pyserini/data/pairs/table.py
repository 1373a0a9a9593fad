"""Queries, passages and pairs on disk, each once, while rows are read.

One SQLite file without a name of its own: memory does not grow with the number of rows.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from i3_pyserini.data.pairs.rows import Candidate
from i3_pyserini.data.same_text import words_of
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus

CACHE = 128 << 10  # KiB of pages in memory
MASK = (1 << 64) - 1
POSITIVE, NEGATIVE, CLICKED = 1, 2, 4
DIFFERS = 1e-6  # between two scores of a pair

SCHEMA = """
CREATE TABLE query (n INTEGER PRIMARY KEY, key INTEGER, text TEXT, source INTEGER, part TEXT);
CREATE TABLE query_key (key INTEGER PRIMARY KEY, n INTEGER);
CREATE TABLE passage (n INTEGER PRIMARY KEY, id TEXT, title TEXT, text TEXT, extra TEXT);
CREATE TABLE passage_key (key INTEGER PRIMARY KEY, n INTEGER);
CREATE TABLE text_key (key INTEGER PRIMARY KEY, n INTEGER);
CREATE TABLE pair (
    n INTEGER PRIMARY KEY, query INTEGER, passage INTEGER, flags INTEGER, level INTEGER,
    score REAL, clicks INTEGER, impressions INTEGER, shown_clicks INTEGER, times INTEGER DEFAULT 1,
    differs INTEGER DEFAULT 0
);
CREATE UNIQUE INDEX by_pair ON pair (query, passage);
"""
ADD_PAIR = """
INSERT INTO pair (query, passage, flags, level, score, clicks, impressions, shown_clicks)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (query, passage) DO UPDATE SET
    differs = differs OR coalesce(abs(score - excluded.score) > ?, 0),
    flags = flags | excluded.flags, level = max(level, excluded.level),
    score = coalesce(score, excluded.score), clicks = clicks + excluded.clicks,
    impressions = impressions + excluded.impressions,
    shown_clicks = shown_clicks + excluded.shown_clicks, times = times + 1
RETURNING times
"""


class PairTable:
    """Everything that rows name; see `open_table`.

    Args:
        connection: to an empty database.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.executescript(SCHEMA)
        self._has_corpus = False

    def load_corpus(self, corpus: Corpus) -> int:
        """Takes the passages that rows are matched with; returns their number.

        Raises:
            I3Error: the corpus cannot be read, or has an id twice.
        """
        add = self.connection.execute
        number = 0
        shown = tqdm(corpus, "read corpus", unit=" passages", unit_scale=True, delay=2)
        for number, passage in enumerate(shown, start=1):
            extra = json.dumps(passage.extra, ensure_ascii=False) if passage.extra else None
            row = (number, passage.docid, passage.title, passage.text, extra)
            add("INSERT INTO passage VALUES (?, ?, ?, ?, ?)", row)
            full, text = key_of(passage), key_of(Passage("", None, passage.text))
            add("INSERT OR IGNORE INTO passage_key VALUES (?, ?)", (full, number))
            add("INSERT OR IGNORE INTO text_key VALUES (?, ?)", (text, number))
        if not number:
            raise I3Error(f"{corpus.path}: no passages")
        try:
            add("CREATE UNIQUE INDEX by_id ON passage (id)")
        except sqlite3.IntegrityError as error:
            (twice,) = add(
                "SELECT id FROM passage GROUP BY id HAVING count(*) > 1 LIMIT 1"
            ).fetchone()
            raise I3Error(f"{corpus.path}: passage {twice!r} occurs twice") from error
        self._has_corpus = True
        return number

    def query(self, text: str, key: int, source: int) -> tuple[int, int]:
        """The number of a query, added if it is new, and of the source it was first in."""
        known = self._one("SELECT n FROM query_key WHERE key = ?", key)
        if known is None:
            values = (key, text, source)
            added = self.connection.execute(
                "INSERT INTO query (key, text, source) VALUES (?, ?, ?)", values
            )
            number = added.lastrowid or 0
            self.connection.execute("INSERT INTO query_key VALUES (?, ?)", (key, number))
            return number, source
        return known, self._one("SELECT source FROM query WHERE n = ?", known) or 0

    def find_passage(self, passage: Passage, key: int) -> int | None:
        """The number of a passage, whose `key_of` is known; None if it is new.

        With a corpus, a passage without a title is also found by its text alone, and one without
        a text by its id.
        """
        if not (passage.text or passage.title):
            if not self._has_corpus:
                return None
            return self._one("SELECT n FROM passage WHERE id = ?", passage.docid)
        found = self._one("SELECT n FROM passage_key WHERE key = ?", key)
        if found is None and self._has_corpus and not passage.title:
            found = self._one("SELECT n FROM text_key WHERE key = ?", key)
        return found

    def add_passage(self, passage: Passage, key: int) -> int:
        """Adds a new passage under an id of its content; returns its number."""
        values = (id_of_key(key), passage.title, passage.text)
        try:
            added = self.connection.execute(
                "INSERT INTO passage (id, title, text) VALUES (?, ?, ?)", values
            )
        except sqlite3.IntegrityError as error:
            raise I3Error(
                f"the corpus has another passage with id {values[0]!r}, which is made of this text"
            ) from error
        number = added.lastrowid or 0
        self.connection.execute("INSERT INTO passage_key VALUES (?, ?)", (key, number))
        return number

    def add_pair(self, query: int, passage: int, one: Candidate) -> bool:
        """Adds a pair, or to what is known of it; returns whether it is new."""
        flags = {True: POSITIVE, False: NEGATIVE, None: CLICKED}[one.positive]
        values = (query, passage, flags, int(one.positive is True), one.score)
        shown_clicks = one.clicks if one.impressions else 0
        counts = (one.clicks, one.impressions, shown_clicks, DIFFERS)
        times: int = self.connection.execute(ADD_PAIR, (*values, *counts)).fetchone()[0]
        return times == 1

    def rows(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a question, as a stream."""
        return self.connection.execute(sql, values)

    def count(self, sql: str, *values: object) -> int:
        """The single number that answers a question; 0 for none."""
        return self._one(sql, *values) or 0

    def _one(self, sql: str, *values: object) -> int | None:
        row = self.connection.execute(sql, values).fetchone()
        return None if row is None else row[0]


@contextmanager
def open_table(folder: Path) -> Iterator[PairTable]:
    """An empty table in a file of a folder, which is removed at the end of the block.

    Raises:
        I3Error: the disk is full.
    """
    path = folder / ".pairs.sqlite"
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute(f"PRAGMA cache_size = -{CACHE}")
            connection.execute("BEGIN")
            yield PairTable(connection)
    except sqlite3.OperationalError as error:
        raise I3Error(f"{folder}: cannot be written ({error})") from error
    finally:
        path.unlink(missing_ok=True)


def key_of(passage: Passage) -> int:
    """64 bits of a hash of title and text, equal where case and white space alone differ."""
    digest = hashlib.sha256(words_of(passage).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def id_of_key(key: int) -> str:
    """The id that is made of a passage's content: 16 hexadecimal digits."""
    return f"{key & MASK:016x}"
