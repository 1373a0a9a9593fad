"""Compares stock Pyserini's dense Lucene search with FAISS Flat on the same vectors.

    python -m benchmarks.lucene_agreement --index INDEX --topics topics.tsv --encoder MODEL

INDEX is a flat one that `i3_pyserini.encode` made. Queries are encoded once. Each Lucene index is
made by `i3-pyserini index lucene` and searched by `pyserini.search.lucene --dense`, 1,000 hits.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.formats.encoded_queries import QUERIES, queries_as_bytes, read_encoded_queries
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.stock.anserini import run_pyserini
from i3_pyserini.stock.lucene_files import index_vectors, write_topics

ROWS: tuple[tuple[str, dict[str, int], int], ...] = (
    ("flat", {}, 0),
    ("hnsw", {"M": 16, "efC": 100}, 1000),
    ("hnsw", {"M": 16, "efC": 100}, 2000),
)


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="Lucene's dense search against FAISS Flat.")
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--topics", required=True)
    parser.add_argument(
        "--encoder", required=True, help="a model with mean pooling and unit length"
    )
    args = parser.parse_args()
    topics = read_topics(args.topics)
    encoder = load_query_encoder(args.encoder, "auto", settings=EncoderSettings("mean", True))
    vectors = encoder.encode(list(topics.values()))
    searcher = Searcher(args.index)
    hits = searcher.search_arrays(vectors, 1000)
    expected = [[searcher.docids[row] for row in rows] for rows in hits.rows.tolist()]
    print("| Lucene | overlap@10 | overlap@1000 | same order in the first 10 | index | search |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        queries = Path(folder) / "queries"
        queries.mkdir()
        (queries / QUERIES).write_bytes(queries_as_bytes(topics, vectors))
        write_topics(read_encoded_queries(queries), Path(folder) / "topics.jsonl")
        for kind, parameters, ef_search in ROWS:
            _row(args.index, Path(folder), (kind, parameters, ef_search), list(topics), expected)


def _row(
    source: Path,
    folder: Path,
    row: tuple[str, dict[str, int], int],
    qids: list[str],
    expected: list[list[str]],
) -> None:
    kind, parameters, ef_search = row
    index, run = folder / f"{kind}-{ef_search}", folder / f"run-{kind}-{ef_search}.txt"
    start = time.perf_counter()
    index_vectors(source, index, kind, parameters, threads=2)
    indexed = time.perf_counter()
    run_pyserini(
        "pyserini.search.lucene",
        *("--dense", f"--{kind}", "--ef-search", str(ef_search), "--index", str(index)),
        *("--topics", str(folder / "topics.jsonl"), "--hits", "1000", "--output", str(run)),
        *("--batch-size", "128", "--threads", "2"),
    )
    searched = time.perf_counter()
    found = dict(read_run(run).hits(qids))
    lists = [(found[qid], own) for qid, own in zip(qids, expected, strict=True)]
    overlaps = [
        sum(len({*got[:k]} & {*own[:k]}) / len(own[:k]) for got, own in lists) / len(lists)
        for k in (10, 1000)
    ]
    same = sum(got[:10] == own[:10] for got, own in lists)
    name = f"{kind}, efSearch {ef_search}" if ef_search else kind
    print(
        f"| {name} | {overlaps[0]:.4f} | {overlaps[1]:.4f} | {same} of {len(lists)} | "
        f"{indexed - start:.0f} s | {searched - indexed:.0f} s |",
        flush=True,
    )
    print(f"{index}: {sum(f.stat().st_size for f in index.iterdir()):,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
