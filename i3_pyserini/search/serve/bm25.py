"""BM25 over a text store: SQLite's full-text index, on disk, made once."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from tqdm import tqdm

from i3_pyserini.data.textstore import TextStore
from i3_pyserini.errors import I3Error

BLOCK = 4096
K1, B = 1.2, 0.75  # which SQLite's bm25() has built in
TABLE = "CREATE VIRTUAL TABLE word USING fts5(text, content='', tokenize='porter unicode61')"
SEARCH = "SELECT rowid, -bm25(word) FROM word WHERE word MATCH ? ORDER BY rank LIMIT ?"


class Bm25:
    """Ranks the passages of a text store by their words (k1 1.2, b 0.75, Porter's stems).

    Args:
        store: the passages.

    Raises:
        I3Error: the index cannot be written beside the store.
    """

    def __init__(self, store: TextStore) -> None:
        self._store = store
        self._path = store.path.with_name(f"{store.path.stem}.words.sqlite")
        if not self._path.is_file():
            _build(store, self._path)
        # Threads may share it: SQLite takes one call after the other, and nobody writes.
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)

    def search(self, query: str, hits: int) -> list[tuple[str, float]]:
        """Ids and scores of the passages that have any of a query's words, the best first."""
        words = dict.fromkeys(re.findall(r"\w+", query.lower()))
        if not words:
            return []
        # Words in quotation marks are no operators of SQLite's query language.
        match = " OR ".join(f'"{word}"' for word in words)
        found = self._connection.execute(SEARCH, (match, hits)).fetchall()
        return [(self._store.pid(row - 1), score) for row, score in found]


def _build(store: TextStore, path: Path) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with closing(sqlite3.connect(partial)) as connection:
            connection.execute(TABLE)
            bar = tqdm(total=len(store), desc="index words", unit=" passages", delay=2)
            with bar, connection:
                for start in range(0, len(store), BLOCK):
                    block = store.slice(start, start + BLOCK)
                    rows = (
                        (start + number, f"{text.title or ''} {text.text}")
                        for number, (_, text) in enumerate(block, start=1)
                    )
                    connection.executemany("INSERT INTO word(rowid, text) VALUES (?, ?)", rows)
                    bar.update(len(block))
        partial.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise I3Error(f"{path}: cannot be written ({error}); or use --no-bm25") from error
    finally:
        partial.unlink(missing_ok=True)
