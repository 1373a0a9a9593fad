"""Recall of a graph with inner products, for vectors of different lengths.

    python -m benchmarks.hnsw_norms

Vectors in clusters, the same directions with lengths of several distributions: recall of `hnsw` and
of `ivf-flat` against exact search. docs/how-to/approximate-indexes.md has the table, and `SKEWED`
of `i3_pyserini.search.index.norms` its conclusion.
"""

from typing import Any

import numpy as np

from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.hits import Scores
from i3_pyserini.search.faiss_index import search_exactly
from i3_pyserini.search.index.tune import recall

VECTORS, DIMENSION, QUERIES, CLUSTERS = 20_000, 96, 100, 400
SPREADS = {"clusters apart": 0.7, "clusters that overlap": 1.5}
SIGMAS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
LONGER = ((0.01, 2), (0.1, 2), (0.01, 5))  # share of the vectors, times as long


def main() -> None:
    """Prints the table."""
    random = np.random.default_rng(0)
    print("| directions | lengths | variation | hnsw@10 | hnsw@1000 | ivf-flat@1000 |")
    print("| --- | --- | --- | --- | --- | --- |")
    for words, spread in SPREADS.items():
        directions, queries = _directions(random, spread)
        for name, lengths in _lengths(random).items():
            vectors = (directions * lengths[:, None]).astype(np.float32)
            variation = float(lengths.std() / lengths.mean())
            cells = [f"{value:.3f}" for value in (variation, *_recalls(vectors, queries))]
            print(f"| {words} | {name} | {' | '.join(cells)} |", flush=True)


def _directions(random: np.random.Generator, spread: float) -> tuple[Scores, Scores]:
    centres = random.standard_normal((CLUSTERS, DIMENSION))

    def draw(count: int) -> Scores:
        noise = spread * random.standard_normal((count, DIMENSION))
        vectors = centres[random.integers(0, CLUSTERS, count)] + noise
        unit: Scores = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        return unit

    return draw(VECTORS), draw(QUERIES)


def _lengths(random: np.random.Generator) -> dict[str, Any]:
    lengths: dict[str, Any] = {"equal": np.ones(VECTORS)}
    for sigma in SIGMAS:
        lengths[f"lognormal, {sigma}"] = np.exp(sigma * random.standard_normal(VECTORS))
    for share, times in LONGER:
        longer = random.random(VECTORS) < share
        lengths[f"{share:.0%} are {times} times as long"] = np.where(longer, float(times), 1.0)
    return lengths


def _recalls(vectors: Scores, queries: Scores) -> tuple[float, float, float]:
    """Of hnsw at 10 and 1,000, and of ivf-flat at 1,000, with the parameters of a new index."""
    graph: Any = faiss.index_factory(DIMENSION, "HNSW32", faiss.METRIC_INNER_PRODUCT)
    graph.add(vectors)
    graph.hnsw.efSearch = 1024
    lists: Any = faiss.index_factory(DIMENSION, "IVF512,Flat", faiss.METRIC_INNER_PRODUCT)
    lists.train(vectors)
    lists.add(vectors)
    lists.nprobe = 256
    ten, thousand = (search_exactly(queries, vectors, k)[1] for k in (10, 1000))
    return (
        recall(graph.search(queries, 10)[1], ten),
        recall(graph.search(queries, 1000)[1], thousand),
        recall(lists.search(queries, 1000)[1], thousand),
    )


if __name__ == "__main__":
    main()
