"""Tunes k1 and b of BM25 on dev queries."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from tqdm import tqdm

from i3_pyserini.search.bm25_documents import DocumentBm25
from i3_pyserini.search.bm25_index import Bm25
from i3_pyserini.search.dev_measure import DevMeasure

K1, B = 0.9, 0.4  # Pyserini's
# The defaults come first: they win ties.
K1S = (K1, 0.5, 0.7, 1.2, 1.6, 2.2)
BS = (B, 0.2, 0.3, 0.6, 0.75, 0.9)


class Tried(NamedTuple):
    """A pair of values and its result.

    Attributes:
        k1: BM25's k1.
        b: BM25's b.
        value: the measure's mean over the judged dev queries.
    """

    k1: float
    b: float
    value: float


@dataclass(frozen=True)
class TunedBm25:
    """The chosen k1 and b.

    Attributes:
        best: the best of the grid; the first among equal ones, so that the defaults win ties.
        measure: the measure that was maximized.
        grid: all pairs, the defaults first.
        queries: the judged dev queries.
    """

    best: Tried
    measure: str
    grid: tuple[Tried, ...]
    queries: int

    def to_json(self) -> dict[str, Any]:
        """The result as JSON, to store beside a run."""
        grid = [one._asdict() for one in self.grid]
        return {**asdict(self), "best": self.best._asdict(), "grid": grid}

    def __str__(self) -> str:
        usual = next(one for one in self.grid if one[:2] == (K1, B))
        return (
            f"tuned on {self.queries:,} dev queries: {self.measure} {self.best.value:.4f} "
            f"(k1 {K1:g} and b {B:g}: {usual.value:.4f})"
        )


def tune_bm25(
    searcher: Bm25 | DocumentBm25, topics: Mapping[str, str], value_of: DevMeasure, hits: int
) -> TunedBm25:
    """Tries all pairs of `K1S` and `BS`.

    Args:
        searcher: the index.
        topics: dev queries.
        value_of: the measure to maximize.
        hits: hits per query, if the measure uses all.

    Raises:
        I3Error: a search failed.
    """
    judged = {qid: text for qid, text in topics.items() if qid in value_of.queries}
    depth = value_of.depth(hits)
    pairs = [(k1, b) for k1 in K1S for b in BS]
    grid = tuple(
        Tried(k1, b, value_of(searcher.rank(judged, depth, k1, b)))
        for k1, b in tqdm(pairs, desc="tune BM25", unit=" pairs", delay=2)
    )
    best = max(grid, key=lambda one: one.value)  # the first among equal ones
    return TunedBm25(best, value_of.name, grid, len(judged))
