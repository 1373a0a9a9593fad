"""Kills the encode command at random, and compares its index with that of an uninterrupted run.

    python -m benchmarks.encode_soak [--minutes 30] [--seed 1]

The corpus and the small random model are those of `benchmarks.encode_memory`. An attempt ends by
SIGKILL or SIGTERM at a random moment, or by finishing; after some, the newest part loses its end,
as after a power cut. When an attempt finishes, its files must be those of the undisturbed run,
byte for byte; then the next index begins.
"""

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from benchmarks.encode_memory import make_corpus, make_model

PASSAGES = 60_000  # 15 parts
SAME, DIFFER = "indexes of the same bytes", "indexes that differ"
ENDS = {
    0: "attempts that finished",
    -signal.SIGKILL: "attempts killed",
    -signal.SIGTERM: "attempts stopped before they listened",
    128 + signal.SIGTERM: "attempts stopped",
}


def main() -> None:
    """Runs for so many minutes and prints what happened; exits with 1 where bytes differ."""
    parser = argparse.ArgumentParser(description="Kills the encode command at random.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), args.seed)
        end = time.monotonic() + 60 * args.minutes
        with tqdm(unit=" indexes") as bar:
            while time.monotonic() < end:
                soak.index()
                bar.update()
    print(f"{PASSAGES:,} passages, {soak.seconds:.0f} s undisturbed, seed {args.seed}")
    for what, number in sorted(soak.seen.items()):
        print(f"{what}: {number}")
    sys.exit(soak.seen[DIFFER] > 0)


class Soak:
    """Makes one index after the other and counts what happens."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seen: Counter[str] = Counter()
        self._draw = random.Random(seed)  # noqa: S311  (no secret)
        self._corpus = make_corpus(folder / "corpus.jsonl", PASSAGES, 56)
        self._model = make_model(folder / "model")
        self._index = folder / "index"
        start = time.perf_counter()
        if self._start().wait():
            raise SystemExit("the undisturbed command failed")
        self.seconds = time.perf_counter() - start
        self._expected = self._hashes()

    def index(self) -> None:
        """Attempts until the index is there, and compares it."""
        shutil.rmtree(self._index)
        while not self._index.exists():
            self._attempt()
            if self._draw.random() < 1 / 3:
                self._cut_newest_part()
        self.seen[SAME if self._hashes() == self._expected else DIFFER] += 1

    def _attempt(self) -> None:
        process = self._start()
        number = self._draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
        try:
            status = process.wait(self._draw.uniform(0, self.seconds))
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            status = process.wait()
        self.seen[ENDS.get(status, f"attempts with exit code {status}")] += 1

    def _cut_newest_part(self) -> None:
        parts = self._index.with_name(f".{self._index.name}.partial").glob("part-*")
        newest = max(parts, key=lambda part: part.stat().st_mtime_ns, default=None)
        if newest is not None:
            with newest.open("r+b") as file:
                file.truncate(self._draw.randrange(newest.stat().st_size))
            self.seen["newest part cut off"] += 1

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-m", "i3_pyserini.encode"),
                *("input", "--corpus", str(self._corpus)),
                *("output", "--embeddings", str(self._index), "--to-faiss"),
                *("encoder", "--encoder", self._model, "--encoder-class", "auto"),
                *("--device", "cpu"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _hashes(self) -> list[str]:
        return [
            hashlib.sha256((self._index / name).read_bytes()).hexdigest()
            for name in ("index", "docid")
        ]


if __name__ == "__main__":
    main()
