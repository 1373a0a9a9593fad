"""The rankings of a query: by vectors, by words, and both fused.

Of an index of windows, documents are ranked by their best windows.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import polars as pl

from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.documents import WindowDocuments, best_windows
from i3_pyserini.formats.hits import NO_HIT, Hits
from i3_pyserini.formats.runs import Run
from i3_pyserini.search.documents import DEEPER, DocumentSearch
from i3_pyserini.search.fusion import Fusion, fuse
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.bm25 import Bm25
from i3_pyserini.serve.lanes import Lanes

DEPTH = 100  # hits of each ranking, which a page can show, and which are fused
BATCH, WAITING = 64, 1024  # queries searched at once, and those that wait for it
RRF = Fusion("rrf", (1.0, 1.0))  # the default of `fuse_runs`
QUERY = "q"  # its id in runs of one query
Found = tuple[list[tuple[str, float]], dict[str, str]]  # hits, and best windows of documents


@dataclass(frozen=True)
class Ranking:
    """The hits of a query.

    Attributes:
        name: "vectors", "words" or "fused".
        hits: ids and scores, the best first.
        milliseconds: the time taken.
        best: of documents, the id of each one's best window; empty for passages.
    """

    name: str
    hits: list[tuple[str, float]]
    milliseconds: float
    best: Mapping[str, str] = field(default_factory=dict)

    def ranks(self) -> dict[str, int]:
        """Ranks by id, from 1."""
        return {docid: rank for rank, (docid, _) in enumerate(self.hits, start=1)}

    def first(self, hits: int) -> "Ranking":
        """The same with the best hits only."""
        return replace(self, hits=self.hits[:hits])


class Rankers:
    """Ranks the passages of an index for a query, or the documents of its windows.

    Args:
        searcher: of vectors, with an encoder.
        bm25: of words; None for vectors only.
        documents: searches for documents; None for passages.
        lanes: searches vectors, several queries at once.
    """

    def __init__(
        self,
        searcher: Searcher,
        bm25: Bm25 | None,
        documents: DocumentSearch | None,
        lanes: Lanes,
    ) -> None:
        self._searcher, self._bm25, self._documents = searcher, bm25, documents
        # A search sets numbers of threads for the whole process: never two at once.
        self._vectors = lanes.lane(self._search, BATCH, WAITING)

    def rank(self, query: str) -> dict[str, Ranking]:
        """The rankings by name, `DEPTH` hits each.

        Args:
            query: the query.

        Returns:
            "vectors", and if there is BM25 "words" and "fused".

        Raises:
            I3Error: a search failed.
            Refused: too many are waiting.
        """
        vectors = self.ranking("vectors", query, DEPTH)
        if self._bm25 is None:
            return {vectors.name: vectors}
        words = self.ranking("words", query, DEPTH)
        started = time.perf_counter()
        both = fused_hits(vectors.hits, words.hits)
        fused = _ranking("fused", both, {**words.best, **vectors.best}, started)
        return {one.name: one for one in (vectors, words, fused)}

    def ranking(self, name: Literal["vectors", "words"], query: str, hits: int) -> Ranking:
        """One ranking of a query.

        Args:
            name: which; "words" only if there is BM25.
            query: the query.
            hits: at most.

        Raises:
            I3Error: a search failed.
            Refused: too many are waiting.
        """
        started = time.perf_counter()
        if name == "vectors":
            ((found, best),) = self._vectors([(query, hits)])
        else:
            assert self._bm25 is not None  # noqa: S101  (or there is no such view)
            found, best = self._by_words(self._bm25, query, hits)
        return _ranking(name, found, best, started)

    def _search(self, asked: list[tuple[str, int]]) -> list[Found]:
        """The hits of a batch; an approximate index finds others if more are asked for."""
        results: dict[int, Found] = {}
        for hits in {hits for _, hits in asked}:
            rows = [row for row, (_, wanted) in enumerate(asked) if wanted == hits]
            found = self._by_vectors([asked[row][0] for row in rows], hits)
            results |= zip(rows, found, strict=True)
        return [results[row] for row in range(len(asked))]

    def _by_vectors(self, queries: list[str], hits: int) -> list[Found]:
        if self._documents is None:
            found = self._searcher.search(queries, hits)
            return [([(hit.docid, hit.score) for hit in one], {}) for one in found]
        best, windows = self._documents.search(self._searcher.vectors_of(queries), hits)
        return [_found(best, windows, row) for row in range(len(queries))]

    def _by_words(self, bm25: Bm25, query: str, most: int) -> Found:
        if self._documents is None:
            return bm25.search(query, most), {}
        depth = most
        while True:
            depth *= DEEPER
            hits = bm25.search(query, depth)
            docids = Docids(pl.Series([docid for docid, _ in hits], dtype=pl.String))
            windows = self._documents.of(docids)
            scores = np.array([[score for _, score in hits]], dtype=np.float32)
            best = best_windows(Hits(scores, np.arange(len(hits))[None]), windows, most)
            if best.rows.shape[1] == most or len(hits) < depth:
                return _found(best, windows)


def fused_hits(*rankings: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Fuses the hits of one query as `fuse_runs` does by default; a ranking may have no hits."""
    runs = [
        Run.of(str(number), pd.DataFrame(hits, columns=["doc_id", "score"]).assign(query_id=QUERY))
        for number, hits in enumerate(rankings)
        if hits
    ]
    if not runs:
        return []
    fused = fuse(runs, Fusion(RRF.method, RRF.weights[: len(runs)], RRF.k), DEPTH)
    return list(zip(fused["doc_id"].tolist(), fused["score"].tolist(), strict=True))


def _found(best: Hits, windows: WindowDocuments, query: int = 0) -> Found:
    """Documents and their scores, and their best windows, of one of the queries."""
    pairs = zip(best.rows[query].tolist(), best.scores[query].tolist(), strict=True)
    found = [(row, score) for row, score in pairs if row != NO_HIT]
    names = [windows[row] for row, _ in found]
    hits = [(name, score) for name, (_, score) in zip(names, found, strict=True)]
    return hits, {name: windows.docids[row] for name, (row, _) in zip(names, found, strict=True)}


def _ranking(
    name: str, hits: list[tuple[str, float]], best: Mapping[str, str], started: float
) -> Ranking:
    return Ranking(name, hits, 1000 * (time.perf_counter() - started), best)
