"""The rankings of a query: by vectors, by words, and both fused."""

import threading
import time
from dataclasses import dataclass

import pandas as pd

from i3_pyserini.formats.runs import Run
from i3_pyserini.search.fusion import Fusion, fuse
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.bm25 import Bm25

DEPTH = 100  # hits of each ranking, which a page can show, and which are fused
RRF = Fusion("rrf", (1.0, 1.0))  # the default of `fuse_runs`
QUERY = "q"  # its id in runs of one query


@dataclass(frozen=True)
class Ranking:
    """The hits of a query.

    Attributes:
        name: "vectors", "words" or "fused".
        hits: ids and scores, the best first.
        milliseconds: the time taken.
    """

    name: str
    hits: list[tuple[str, float]]
    milliseconds: float

    def ranks(self) -> dict[str, int]:
        """Ranks by id, from 1."""
        return {docid: rank for rank, (docid, _) in enumerate(self.hits, start=1)}


class Rankers:
    """Ranks the passages of an index for a query.

    Args:
        searcher: of vectors, with an encoder.
        bm25: of words; None for vectors only.
    """

    def __init__(self, searcher: Searcher, bm25: Bm25 | None) -> None:
        self._searcher, self._bm25 = searcher, bm25
        self._lock = threading.Lock()

    def rank(self, query: str) -> dict[str, Ranking]:
        """The rankings by name, `DEPTH` hits each.

        Args:
            query: the query.

        Returns:
            "vectors", and if there is BM25 "words" and "fused".

        Raises:
            I3Error: a search failed.
        """
        started = time.perf_counter()
        with self._lock:  # a search sets numbers of threads for the whole process
            (found,) = self._searcher.search([query], DEPTH)
        vectors = _ranking("vectors", [(hit.docid, hit.score) for hit in found], started)
        if self._bm25 is None:
            return {vectors.name: vectors}
        started = time.perf_counter()
        words = _ranking("words", self._bm25.search(query, DEPTH), started)
        started = time.perf_counter()
        fused = _ranking("fused", fused_hits(vectors.hits, words.hits), started)
        return {one.name: one for one in (vectors, words, fused)}


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


def _ranking(name: str, hits: list[tuple[str, float]], started: float) -> Ranking:
    return Ranking(name, hits, 1000 * (time.perf_counter() - started))
