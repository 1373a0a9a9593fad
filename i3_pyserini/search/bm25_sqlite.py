"""BM25 without Java: a word index with the ids of the passages."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_folder
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.search.bm25_index import contents_of, index_language, new_manifest
from i3_pyserini.search.word_index import WordIndex, build_word_index

Rows = np.ndarray[Any, np.dtype[np.int64]]
Scores = np.ndarray[Any, np.dtype[np.float32]]
WORDS, DOCIDS = "words.sqlite", "docid"


class SqliteBm25:
    """A word index, searched one query at a time in one thread."""

    type: ClassVar[str] = "sqlite-bm25"
    batch: ClassVar[int] = 1

    def __init__(self, index: Path, _: int = 1) -> None:
        self.threads, self.seconds = 1, 0.0
        self._words = WordIndex(index / WORDS, index_language(index))
        self._docids = Docids.read(index / DOCIDS)
        if len(self._words) != len(self._docids):
            raise I3Error(
                f"{index}: is damaged ({len(self._docids):,} ids, {len(self._words):,} texts); "
                "remove the directory, and the same command creates it again"
            )
        ids = self._docids.take(np.arange(len(self._docids)))
        self._places = ids.rank("ordinal").to_numpy().astype(np.int64)  # compared as bytes

    @classmethod
    def check(cls) -> None:
        """Has no requirements."""

    @classmethod
    def make(cls, corpus: Corpus, index: Path, _: int, language: str) -> None:
        """See `Bm25`."""
        known = new_manifest(corpus, cls.type, language)
        with (
            new_folder(index, sqlite3.Error) as partial,
            (partial / DOCIDS).open("w", encoding="utf-8", newline="\n") as ids,
        ):

            def texts() -> Iterator[str]:
                count = 0
                for passage in tqdm(corpus, desc="index words", total=known.passages, delay=2):
                    ids.write(f"{passage.docid}\n")
                    count += 1
                    yield contents_of(passage.title, passage.text)
                if count != known.passages:
                    raise I3Error(
                        f"{corpus.path}: changed while it was read; run the command again"
                    )

            build_word_index(partial / WORDS, texts(), language)
            known.write(partial)

    def rank(self, topics: Mapping[str, str], hits: int, k1: float, b: float) -> pd.DataFrame:
        """See `Bm25`."""
        started = time.perf_counter()
        found = [
            self._best(scores, hits) for scores in self._words.search(list(topics.values()), k1, b)
        ]
        self.seconds += time.perf_counter() - started
        qids = np.repeat(np.array(list(topics), dtype=object), [len(rows) for rows, _ in found])
        return pd.DataFrame(
            {
                "query_id": qids,
                "doc_id": self._docids.take(np.concatenate([rows for rows, _ in found])).to_list(),
                "score": np.concatenate([scores for _, scores in found]),
            }
        )

    def close(self) -> None:
        """See `Bm25`."""
        self._words.close()

    def _best(self, scores: Scores, hits: int) -> tuple[Rows, Scores]:
        """The best rows and their scores; ties by id, descending."""
        rows = np.flatnonzero(scores)
        if len(rows) > hits:
            least = np.partition(scores[rows], -hits)[-hits]
            rows = rows[scores[rows] >= least]
        rows = rows[np.lexsort((-self._places[rows], -scores[rows]))][:hits]
        return rows, scores[rows]
