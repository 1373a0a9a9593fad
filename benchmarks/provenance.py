"""Cost of the metadata of runs: writing and reading a run with it and without it.

    python -m benchmarks.provenance [--queries 6980 --hits 1000 --repeat 5] [--record]

A run of random ids and scores is written by `new_run`, which hashes what it writes, and by the same
calls without a hash and without metadata; and read with the file beside it, and without. It is read
as after a copy: size and time do not tell that it is unchanged, so that hashes are compared.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.record import Figure, add_record_option, measured_now, save, spread
from i3_pyserini.errors import run_command
from i3_pyserini.formats.atomic import new_bytes
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import Hits
from i3_pyserini.formats.metadata_files import beside
from i3_pyserini.formats.run_file import _frame, write_run
from i3_pyserini.formats.runs import read_run

PASSAGES = 100_000


def main() -> None:
    """Measures in turns; prints a table."""
    parser = argparse.ArgumentParser(description="Measure the cost of the metadata of runs.")
    parser.add_argument("--queries", type=int, default=6980)
    parser.add_argument("--hits", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    add_record_option(parser, "provenance")
    args = parser.parse_args()
    hits, qids, docids = _world(args.queries, args.hits)
    with tempfile.TemporaryDirectory() as folder:
        run, bare = Path(folder) / "run.txt", Path(folder) / "bare.txt"
        ways: dict[str, Callable[[], object]] = {
            "write, with metadata": lambda: write_run(run, qids, hits, docids, overwrite=True),
            "write, without": lambda: _write_bare(bare, qids, hits, docids),
            "read, with metadata": lambda: read_run(run),
            "read, without": lambda: read_run(bare),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(args.repeat):
            for name, way in ways.items():
                if run.exists():
                    os.utime(run)
                started = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - started)
        size, metadata = run.stat().st_size, beside(run).stat().st_size
    figures: list[Figure] = [spread(name, values, "s", 2) for name, values in seconds.items()]
    print("| | seconds |\n| --- | --- |")
    for figure in figures:
        print(f"| {figure.name} | {figure} |")
    print(f"| run | {size / 1e6:,.0f} MB |\n| metadata | {metadata:,} bytes |")
    if args.record:
        setup = {"queries": args.queries, "hits": args.hits, "run MB": round(size / 1e6)}
        repeated = f"{args.repeat} in turns: median, least and largest"
        about = "writing and reading a run with its metadata and without"
        save(args.record, measured_now(about, "random ids", repeated, setup, figures))


def _world(queries: int, hits: int) -> tuple[Hits, list[str], Docids]:
    random = np.random.default_rng(0)
    scores = -np.sort(-random.random((queries, hits), dtype=np.float32), axis=1)
    starts = random.integers(PASSAGES, size=(queries, 1))
    rows = (starts + 7 * np.arange(hits)) % PASSAGES
    docids = Docids(pl.Series([f"{7 * n}" for n in range(PASSAGES)], dtype=pl.String))
    return Hits(scores, rows), [str(n) for n in range(queries)], docids


def _write_bare(path: Path, qids: list[str], hits: Hits, docids: Docids) -> None:
    with new_bytes(path, overwrite=True) as file:
        frame = _frame(qids, hits, docids, "i3")
        frame.write_csv(file, include_header=False, separator=" ", quote_style="never")


if __name__ == "__main__":
    run_command(main)
