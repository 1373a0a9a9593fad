"""BM25 over a text store: SQLite's full-text index, on disk, made once."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import replacing
from i3_pyserini.formats.hits import SPARE, TIES
from i3_pyserini.formats.languages import ENGLISH, analysis_of
from i3_pyserini.formats.textstore import TextStore
from i3_pyserini.search.word_index import build_word_index, query_for

BLOCK = 4096
SEARCH = "SELECT rowid, -bm25(word) FROM word WHERE word MATCH ? ORDER BY rank LIMIT ?"


class Bm25(Protocol):
    """What the page needs of a search by words.

    Attributes:
        name: which BM25 it is.
        language: of its analyzer, as in `i3_pyserini.search.languages`.
    """

    name: str
    language: str

    def search(self, query: str, hits: int) -> list[tuple[str, float]]:
        """The passages that have any of a query's words, the best first.

        Args:
            query: the query.
            hits: at most.

        Returns:
            Ids and scores; passages of equal scores by id, descending, as in a run.
        """
        ...


class SqliteBm25:
    """Ranks the passages of a text store by their words.

    k1 and b are what SQLite has built in. Stop words of a query are left out, unless it has no
    others: of a million passages, most have one, and to score them all takes seconds.

    Args:
        store: the passages.
        language: see `i3_pyserini.search.word_index.text_for`.

    Raises:
        I3Error: the index cannot be written beside the store, or is damaged.
    """

    def __init__(self, store: TextStore, language: str = ENGLISH) -> None:
        self._store, self.language, self._words = store, language, query_for(language)
        english = language == ENGLISH
        of = "" if english else f", {analysis_of(language)}"
        self.name = f"BM25 (SQLite{of}, k1 1.2, b 0.75)"
        own = "words" if english else f"words-{language}"
        path = store.path.with_name(f"{store.path.stem}.{own}.sqlite")
        if not path.is_file():
            _build(store, path, language)
        # Threads may share it: SQLite takes one call after the other, and nobody writes.
        uri = f"{path.absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        try:
            self.search("water", 1)
        except sqlite3.Error as error:
            raise I3Error(f"{path}: damaged ({error}); remove it to create it again") from error

    def search(self, query: str, hits: int) -> list[tuple[str, float]]:
        """See `Bm25`."""
        words = dict.fromkeys(self._words(query))
        if not words:
            return []
        # Words in quotation marks are no operators of SQLite's query language.
        match = " OR ".join(f'"{word}"' for word in words)
        found = self._found(match, hits + SPARE)
        if len(found) > hits and _single(found[hits - 1]) == _single(found[-1]):
            found = self._found(match, hits + TIES)  # more may have the score of the last hit
        named = [(self._store.pid(row - 1), score) for row, score in found]
        # As in a run, whose scores are in single precision.
        named.sort(key=lambda hit: hit[0], reverse=True)
        named.sort(key=lambda hit: -_single(hit))
        return named[:hits]

    def _found(self, match: str, limit: int) -> list[tuple[int, float]]:
        return self._connection.execute(SEARCH, (match, limit)).fetchall()


def _single(hit: tuple[object, float]) -> float:
    return float(np.float32(hit[1]))


def _build(store: TextStore, path: Path, language: str) -> None:
    advice = "choose another folder as cache, or disable bm25"
    with replacing(path, sqlite3.Error, advice=advice) as partial:
        build_word_index(partial, _texts(store), language)


def _texts(store: TextStore) -> Iterator[str]:
    bar = tqdm(total=len(store), desc="index words", unit=" passages", delay=2)
    with bar:
        for start in range(0, len(store), BLOCK):
            block = store.slice(start, start + BLOCK)
            yield from (f"{passage.title or ''} {passage.text}" for passage in block)
            bar.update(len(block))
