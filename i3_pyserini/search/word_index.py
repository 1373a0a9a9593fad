"""BM25 without Java: SQLite tokenizes, stems and indexes words, NumPy computes scores.

The index is one file, SQLite's full-text index of titles and texts (FTS5), read word by word.
Compared with Lucene's English analysis in Pyserini:

| | here | Lucene |
| --- | --- | --- |
| words | runs of letters and digits; accents are dropped | Unicode's words, without 's |
| stems | Porter's | Porter's |
| stop words | 153, of queries only, unless there are no others | 33, of passages, too |
| length of a passage | exact | one of 256 |

Texts in other languages are analyzed here (see `analysis`), and SQLite gets each term as the
hexadecimal digits of its UTF-8, which its tokenizer leaves as they are.
"""

import re
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.languages import ENGLISH

WORD = re.compile(r"[\w\u0300-\u036f]+")  # an accent of its own is part of a word, as in SQLite
TOKENIZE = "tokenize='porter unicode61 remove_diacritics 2'"
AS_IT_IS = "tokenize='ascii'"
MOST_KEPT = 20_000_000  # cached occurrences of words: 240 MB
Ids = np.ndarray[Any, np.dtype[np.int64]]
Numbers = np.ndarray[Any, np.dtype[np.float32]]


def stop_words() -> frozenset[str]:
    """The stop words of pseudo-queries, read without importing torch."""
    text = resources.files("i3_pyserini.model").joinpath("stop_words.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def content_words(text: str, stops: frozenset[str]) -> list[str]:
    """The words of a query without stop words, or all if there are only stop words."""
    words = WORD.findall(text.lower())
    return [word for word in words if word not in stops] or words


def tokenizer_of(language: str) -> str:
    """The option of SQLite's tokenizer for texts of `text_for`."""
    return TOKENIZE if language == ENGLISH else AS_IT_IS


def text_for(language: str) -> Callable[[str], str]:
    """What makes of a text the one that SQLite indexes.

    Args:
        language: one of `i3_pyserini.search.languages.SQLITE`, or none or pretokenized.
    """
    if language == ENGLISH:
        return str
    from i3_pyserini.search.analysis import Analyzer  # noqa: PLC0415  (not for English)

    analyzer = Analyzer(language)
    return lambda text: " ".join(term.encode().hex() for term in analyzer.terms(text))


def query_for(language: str) -> Callable[[str], list[str]]:
    """What makes of a query its words for SQLite, in English without stop words.

    Args:
        language: see `text_for`.
    """
    if language == ENGLISH:
        stops = stop_words()
        return lambda query: content_words(query, stops)
    prepare = text_for(language)
    return lambda query: prepare(query).split()


def build_word_index(path: Path, texts: Iterable[str], language: str = ENGLISH) -> None:
    """Creates a word index of texts.

    Args:
        path: the file, which does not exist.
        texts: the texts, identified by their positions, starting at 0.
        language: see `text_for`.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    with closing(sqlite3.connect(path)) as connection:
        # The final rename provides durability: an incomplete index is discarded.
        connection.execute("PRAGMA journal_mode = OFF")
        how = f"text, content='', {tokenizer_of(language)}"
        connection.execute(f"CREATE VIRTUAL TABLE word USING fts5({how})")
        with connection:
            rows = enumerate(map(text_for(language), texts), start=1)
            connection.executemany("INSERT INTO word(rowid, text) VALUES (?, ?)", rows)


class WordIndex:
    """A word index, searched with BM25.

    Args:
        path: a file of `build_word_index`.
        language: the one that it was created with.

    Raises:
        I3Error: it is damaged.
    """

    def __init__(self, path: Path, language: str = ENGLISH) -> None:
        self._path, self._words = path, query_for(language)
        self._tokenize = tokenizer_of(language)
        self._kept: OrderedDict[str, tuple[Ids, Numbers]] = OrderedDict()
        self._size = 0  # occurrences that are kept
        uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            self._connection.execute(
                "CREATE VIRTUAL TABLE temp.occurrence USING fts5vocab(main, word, instance)"
            )
            sizes = self._connection.execute("SELECT sz FROM word_docsize ORDER BY id")
            self._lengths = _varints(b"".join(size for (size,) in sizes))
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def __len__(self) -> int:
        return len(self._lengths)

    def search(self, queries: Sequence[str], k1: float, b: float) -> "Iterable[Numbers]":
        """Computes the scores of all texts for each query; 0 for texts without its words.

        A word's weight is Lucene's: ln(1 + (N - n + 0.5) / (n + 0.5)) for n of N texts, times tf /
        (tf + k1 (1 - b + b length / mean length)), times its frequency in the query. Texts without
        words count neither for N nor for the mean.

        Args:
            queries: their texts.
            k1: BM25's k1, the weight of repeated words.
            b: BM25's b, the strength of length normalization, from 0 to 1.

        Yields:
            float32 [N].

        Raises:
            I3Error: the file is damaged.
        """
        filled = self._lengths[self._lengths > 0]
        mean = filled.mean() if len(filled) else 1.0
        norm = (k1 * (1 - b + b * self._lengths / mean)).astype(np.float32)
        for stems in self._stems(queries):
            scores = np.zeros(len(self), dtype=np.float32)
            for stem, times in stems.items():
                rows, counts = self._occurrences(stem)
                n = len(rows)
                weight = times * np.log1p((len(filled) - n + 0.5) / (n + 0.5))
                scores[rows] += np.float32(weight) * counts / (counts + norm[rows])
            yield scores

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def _stems(self, queries: Sequence[str]) -> list[Counter[str]]:
        """The frequency of each stem in each query, as SQLite tokenizes and stems it."""
        found: list[Counter[str]] = [Counter() for _ in queries]
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute(f"CREATE VIRTUAL TABLE query USING fts5(text, {self._tokenize})")
            connection.execute("CREATE VIRTUAL TABLE stem USING fts5vocab(query, instance)")
            texts = (" ".join(self._words(query)) for query in queries)
            rows = enumerate(texts, start=1)
            connection.executemany("INSERT INTO query(rowid, text) VALUES (?, ?)", rows)
            for row, stem in connection.execute("SELECT doc, term FROM stem ORDER BY doc, offset"):
                found[row - 1][stem] += 1
        return found

    def _occurrences(self, stem: str) -> tuple[Ids, Numbers]:
        """Which texts have a stem, and how often; those of the last stems are kept."""
        if stem in self._kept:
            self._kept.move_to_end(stem)
            return self._kept[stem]
        sql = "SELECT doc FROM occurrence WHERE term = ?"
        try:
            every = np.fromiter(
                (row for (row,) in self._connection.execute(sql, (stem,))), np.int64
            )
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        rows, counts = np.unique(every - 1, return_counts=True)
        self._kept[stem] = rows, counts.astype(np.float32)
        self._size += len(rows)
        while len(self._kept) > 1 and self._size > MOST_KEPT:
            self._size -= len(self._kept.popitem(last=False)[1][0])
        return self._kept[stem]

    def _damaged(self, error: sqlite3.Error) -> I3Error:
        return I3Error(
            f"{self._path.parent}: {self._path.name} is damaged ({error}); remove the directory, "
            "and the same command creates it again"
        )


def _varints(data: bytes) -> Ids:
    """Numbers of 7 bits a byte, the highest first, whose last byte has no eighth bit."""
    every = np.frombuffer(data, dtype=np.uint8).astype(np.int64)
    ends = np.flatnonzero(every < 128)  # noqa: PLR2004  (the eighth bit)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    behind = np.repeat(ends, ends - starts + 1) - np.arange(len(every))
    return np.add.reduceat((every & 127) << (7 * behind), starts) if len(ends) else every
