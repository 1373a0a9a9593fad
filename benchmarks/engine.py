"""Loading vectors into Milvus Lite and searching them there, by the engine's index type.

    python -m benchmarks.engine [--passages 100000] [--types FLAT HNSW IVF_FLAT IVF_SQ8]

Vectors and queries are drawn from a normal distribution, the hardest case for approximate indexes:
recall on real vectors is higher. Every type is loaded into an engine of its own, by the calls that
the commands make, until the engine has built its index; recall is measured against our exact
search.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import Hits, Scores
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.vector_files import Shape, write_files
from i3_pyserini.integrations.copying import copy_index
from i3_pyserini.integrations.milvus import Milvus
from i3_pyserini.search.engine import search_engine
from i3_pyserini.search.searcher import Searcher

DEPTHS = (10, 100, 1000)
PARAMETERS: dict[str, tuple[dict[str, int], ...]] = {  # that are searched with
    "IVF_FLAT": ({}, {"nprobe": 64}),
    "IVF_SQ8": ({}, {"nprobe": 64}),
}


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="Loading and searching a vector engine.")
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--types", nargs="+", default=["FLAT", "HNSW", "IVF_FLAT", "IVF_SQ8"])
    args = parser.parse_args()
    heads = [f"queries/s, k={k:,} | recall@{k:,}" for k in DEPTHS]
    print(f"| type | passages/s loaded | load s | MB on disk | {' | '.join(heads)} |")
    print("| --- " * (4 + 2 * len(DEPTHS)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        place, random = Path(folder), np.random.default_rng(0)
        vectors = random.standard_normal((args.passages, args.dimension), dtype=np.float32)
        queries = random.standard_normal((args.queries, args.dimension), dtype=np.float32)
        index = place / "index"
        index.mkdir()
        block = Block([f"d{row}" for row in range(args.passages)], vectors)
        write_files("faiss", index, [block], Shape(*vectors.shape))
        exact = Searcher(index).search_arrays(queries, max(DEPTHS))
        for kind in args.types:
            for row in _rows(index, place / f"{kind}.db", kind, queries, exact):
                print(row, flush=True)


def _rows(index: Path, data: Path, kind: str, queries: Scores, exact: Hits) -> Iterator[str]:
    engine = Milvus(f"milvus:{data}", create=True)
    start = time.perf_counter()
    loaded = copy_index(engine, index, "passages", kind=kind)
    engine.close()  # waits for the engine's index
    seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    load = [f"{loaded.passages / seconds:,.0f}", f"{seconds:,.0f}", f"{size / 1e6:,.0f}"]
    engine = Milvus(f"milvus:{data}")
    search_engine(engine, "passages", queries[:1], 1)  # what only the first search has to read
    for parameters in PARAMETERS.get(kind, ({},)):
        cells = list(load)
        for k in DEPTHS:
            start = time.perf_counter()
            hits, docids = search_engine(engine, "passages", queries, k, parameters)
            cells.append(f"{len(queries) / (time.perf_counter() - start):,.1f}")
            cells.append(f"{_recall(hits, docids, exact.rows[:, :k].tolist()):.4f}")
        said = "".join(f", {name} {value}" for name, value in parameters.items())
        yield f"| `{kind}`{said} | {' | '.join(cells)} |"
    engine.close()


def _recall(hits: Hits, docids: Docids, expected: Sequence[Sequence[int]]) -> float:
    found = [
        {docids[row] for row in rows if row >= 0} & {f"d{row}" for row in right}
        for rows, right in zip(hits.rows.tolist(), expected, strict=True)
    ]
    return sum(map(len, found)) / sum(map(len, expected))


if __name__ == "__main__":
    main()
