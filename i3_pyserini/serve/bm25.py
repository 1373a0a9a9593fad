"""BM25 over a text store: SQLite's full-text index, on disk, made once."""

import re
import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import replacing
from i3_pyserini.formats.textstore import TextStore

BLOCK = 4096
WORD = re.compile(r"\w+")
TABLE = "CREATE VIRTUAL TABLE word USING fts5(text, content='', tokenize='porter unicode61')"
SEARCH = "SELECT rowid, -bm25(word) FROM word WHERE word MATCH ? ORDER BY rank LIMIT ?"


class Bm25(Protocol):
    """What the page needs of a search by words.

    Attributes:
        name: which BM25 it is.
    """

    name: str

    def search(self, query: str, hits: int) -> list[tuple[str, float]]:
        """Ids and scores of the passages that have any of a query's words, the best first."""
        ...


class SqliteBm25:
    """Ranks the passages of a text store by their words.

    k1 and b are what SQLite has built in. Stop words of a query are left out, unless it has no
    others: of a million passages, most have one, and to score them all takes seconds.

    Args:
        store: the passages.

    Raises:
        I3Error: the index cannot be written beside the store, or is damaged.
    """

    name = "BM25 (SQLite, k1 1.2, b 0.75)"

    def __init__(self, store: TextStore) -> None:
        self._store, self._stop_words = store, stop_words()
        path = store.path.with_name(f"{store.path.stem}.words.sqlite")
        if not path.is_file():
            _build(store, path)
        # Threads may share it: SQLite takes one call after the other, and nobody writes.
        uri = f"{path.absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        try:
            self.search("water", 1)
        except sqlite3.Error as error:
            raise I3Error(f"{path}: damaged ({error}); remove it, and it is made again") from error

    def search(self, query: str, hits: int) -> list[tuple[str, float]]:
        """See `Bm25`."""
        words = dict.fromkeys(WORD.findall(query.lower()))
        words = {word: None for word in words if word not in self._stop_words} or words
        if not words:
            return []
        # Words in quotation marks are no operators of SQLite's query language.
        match = " OR ".join(f'"{word}"' for word in words)
        found = self._connection.execute(SEARCH, (match, hits)).fetchall()
        return [(self._store.pid(row - 1), score) for row, score in found]


def stop_words() -> frozenset[str]:
    """The words that pseudo-queries leave out; read here without importing torch."""
    text = resources.files("i3_pyserini.model").joinpath("stop_words.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _build(store: TextStore, path: Path) -> None:
    advice = "name another folder as cache, or leave bm25 out"
    with replacing(path, sqlite3.Error, advice=advice) as partial:
        _fill(store, partial)


def _fill(store: TextStore, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        # Durability is the final rename's: an index that is not complete is thrown away.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(TABLE)
        bar = tqdm(total=len(store), desc="index words", unit=" passages", delay=2)
        with bar, connection:
            for start in range(0, len(store), BLOCK):
                block = store.slice(start, start + BLOCK)
                rows = (
                    (start + number, f"{passage.title or ''} {passage.text}")
                    for number, passage in enumerate(block, start=1)
                )
                connection.executemany("INSERT INTO word(rowid, text) VALUES (?, ?)", rows)
                bar.update(len(block))
