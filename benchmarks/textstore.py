"""Cost of a text store: build time, size on disk, memory, and look-up time.

    python -m benchmarks.textstore

Collections of growing size are made of random words, 56 a passage as in MS MARCO. Each is built
and read in a process of its own, so that peak memory is that of one size.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from i3_pyserini.formats.textstore import open_store

SIZES = (10_000, 100_000, 1_000_000)
LOOKUPS = 20_000
WORDS = 56


def write_collection(path: Path, size: int) -> None:
    """Writes `pid<TAB>title<TAB>text` lines."""
    rng = random.Random(size)  # noqa: S311  (no secret)
    words = [f"word{number}" for number in range(5000)]
    with path.open("w", encoding="utf-8") as lines:
        for pid in range(size):
            lines.write(f"{pid}\t{rng.choice(words)}\t{' '.join(rng.choices(words, k=WORDS))}\n")


def measure(path: Path, size: int) -> None:
    """Builds and reads one store; prints its row of the table."""
    started = time.perf_counter()
    store = open_store(path)
    built = time.perf_counter() - started
    building = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rng = random.Random(0)  # noqa: S311  (no secret)
    pids = [str(rng.randrange(size)) for _ in range(LOOKUPS)]
    started = time.perf_counter()
    for pid in pids:
        store.get(pid)
    looked_up = (time.perf_counter() - started) / LOOKUPS
    megabytes = store.path.stat().st_size / 1e6
    print(
        f"| {size:,} | {path.stat().st_size / 1e6:,.0f} MB | {megabytes:,.0f} MB | {built:.1f} s "
        f"| {building:,.0f} MB | {looked_up * 1e6:.0f} µs |",
        flush=True,
    )


def main() -> None:
    """Measures every size in a process of its own."""
    parser = argparse.ArgumentParser(description="Measure text stores.")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args.one, args.size)
        return
    print("| passages | collection | store | built in | peak memory building | a look-up |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "collection.tsv"
            write_collection(path, size)
            command = [sys.executable, "-m", "benchmarks.textstore", "--one", str(path)]
            command += ["--size", str(size)]
            subprocess.run(command, check=True)  # noqa: S603  (our own command)


if __name__ == "__main__":
    main()
