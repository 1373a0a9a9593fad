"""BM25 with Lucene: stock Pyserini creates and searches the index."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from sys import intern
from typing import ClassVar, TextIO

import numpy as np
import pandas as pd

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.search.bm25_index import contents_of, new_manifest
from i3_pyserini.stock import lucene_bm25
from i3_pyserini.stock.anserini import count_indexed, new_lucene_index, run_pyserini

GENERATOR = ("--collection", "JsonCollection", "--generator", "DefaultLuceneDocumentGenerator")


class LuceneBm25(lucene_bm25.LuceneBm25):
    """A Lucene index, searched by stock Pyserini."""

    type: ClassVar[str] = "lucene-bm25"
    batch: ClassVar[int] = 256

    @classmethod
    def check(cls) -> None:
        """Raises if Pyserini or Java is missing.

        Raises:
            I3Error: names what is missing.
        """
        if reason := lucene_bm25.why_no_lucene():
            raise I3Error(f"{reason} (BM25 by SQLite needs neither)")

    @classmethod
    def make(cls, corpus: Corpus, index: Path, threads: int, language: str) -> None:
        """See `Bm25`."""
        known = new_manifest(corpus, cls.type, language)
        with new_lucene_index(index, known) as (texts, target):
            empty = _write_contents(corpus, texts, threads)
            paths = ("--input", str(texts), "--index", str(target), "--threads", str(threads))
            how = lucene_bm25.analyzer_options(language)
            output = run_pyserini("pyserini.index.lucene", *GENERATOR, *paths, *how)
            indexed = count_indexed(output)
            if indexed + empty != known.passages:
                raise I3Error(f"{index}: Lucene indexed {indexed:,} of {known.passages:,} passages")

    def rank(self, topics: Mapping[str, str], hits: int, k1: float, b: float) -> pd.DataFrame:
        """See `Bm25`."""
        qids, texts = list(topics), list(topics.values())
        counts, docids, scores = [], [], []
        for start in range(0, len(qids), self.batch):
            for ranked in self.search_batch(texts[start : start + self.batch], hits, k1, b):
                counts.append(len(ranked))
                docids += [intern(docid) for docid, _ in ranked]  # most ids come often
                scores += [score for _, score in ranked]
        queries = np.repeat(np.array(qids, dtype=object), counts)
        return pd.DataFrame({"query_id": queries, "doc_id": docids, "score": scores})


def _write_contents(corpus: Corpus, folder: Path, files: int) -> int:
    """Writes files for Anserini's JsonCollection, which uses one thread per file.

    Returns:
        The number of passages without text, which it skips.
    """
    empty = 0
    with _open_all([folder / f"{number}.jsonl" for number in range(files)]) as writers:
        for number, passage in enumerate(corpus):
            contents = contents_of(passage.title, passage.text)
            empty += not contents.strip()
            record = {"id": passage.docid, "contents": contents}
            writers[number % files].write(json.dumps(record) + "\n")
    return empty


@contextmanager
def _open_all(paths: list[Path]) -> Iterator[list[TextIO]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(path.open("w", encoding="utf-8", newline="\n")) for path in paths
        ]
