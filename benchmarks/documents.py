"""What ranking documents costs: windows, MaxP and the mean of the best three, on one index.

    python -m benchmarks.documents [--documents 20000] [--windows 5] [--queries 300] [--record]

Vectors are random directions, those of a document around its own. Times are of the search, for
1,000 hits a query, without encoding queries and writing runs.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.record import Figure, add_record_option, measured_now, save, spread
from i3_pyserini.formats.documents import By
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.vector_files import Shape, write_files
from i3_pyserini.search.documents import DocumentSearch
from i3_pyserini.search.searchable import SearchedIndex
from i3_pyserini.search.searcher import Searcher

DIMENSION, HITS, NEAR = 384, 1000, 0.5
WAYS: tuple[tuple[str, By | None], ...] = (("none", None), ("max", "max"), ("mean3", "mean3"))


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="What ranking documents costs per query.")
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    add_record_option(parser, "documents")
    args = parser.parse_args()
    random = np.random.default_rng(0)
    about = random.standard_normal((args.documents, 1, DIMENSION), dtype=np.float32)
    own = random.standard_normal((args.documents, args.windows, DIMENSION), dtype=np.float32)
    vectors = (about + NEAR * own).reshape(-1, DIMENSION)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"d{row // args.windows}#{row % args.windows}" for row in range(len(vectors))]
    queries = random.standard_normal((args.queries, DIMENSION), dtype=np.float32)
    figures: list[Figure] = []
    print("| --documents | ms per query |\n| --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        write_files("faiss", Path(folder), [Block(ids, vectors)], Shape(*vectors.shape))
        source = SearchedIndex(Searcher(folder))
        for name, by in WAYS:
            documents = DocumentSearch(source, by, None, "index") if by else None
            taken = []
            for _ in range(args.rounds):
                started = time.perf_counter()
                (documents or source).search(queries, HITS)
                taken.append(1000 * (time.perf_counter() - started) / args.queries)
            figures.append(spread(f"documents {name}", taken, "ms per query", 2))
            print(f"| {name} | {figures[-1]} |", flush=True)
    if args.record:
        setup = {"documents": args.documents, "windows of each": args.windows}
        setup |= {"queries": args.queries, "hits": HITS, "dimensions": DIMENSION}
        record = measured_now(
            "windows, MaxP and the mean of the best three windows, in one flat index",
            "random directions, those of a document around its own",
            f"{args.rounds} times; medians and extremes",
            setup,
            figures,
        )
        save(args.record, record)


if __name__ == "__main__":
    main()
