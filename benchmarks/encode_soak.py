"""Encodes for a long time: a command that is killed at random, and one process that lasts.

    python -m benchmarks.encode_soak [--minutes 30] [--seed 1] [--passages 60000] [--record]

The corpus and the small random model are those of `benchmarks.encode_memory`. An attempt ends by
SIGKILL or SIGTERM at a random moment, or by finishing; after some, the newest part loses its end,
as after a power cut. When an attempt finishes, its files must be those of the undisturbed run,
byte for byte; then the next index begins. Between two of them this process encodes a few thousand
passages with `encode_corpus`, to the same bytes each time, so that memory that is not given back,
or files that stay open, would add up: see `benchmarks.soaking`.
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

import i3_pyserini as i3
from benchmarks.encode_memory import make_corpus, make_model
from benchmarks.record import add_record_option, measured_now, save, single
from benchmarks.soaking import figures_of, finish, show, watching, without_notes
from i3_pyserini.errors import run_command

PASSAGES = 60_000  # 15 parts
HERE = 5000  # passages that this process encodes at a time
SAME, DIFFER = "indexes of the same bytes", "indexes that differ"
SAME_HERE, DIFFER_HERE = "encoded in this process, of the same bytes", "and that differ"
ENDS = {
    0: "attempts that finished",
    -signal.SIGKILL: "attempts killed",
    -signal.SIGTERM: "attempts stopped before they listened",
    128 + signal.SIGTERM: "attempts stopped",
}


def main() -> None:
    """Runs for so many minutes; exits with 1 where bytes differ, or something grows."""
    parser = argparse.ArgumentParser(description="Kills the encode command at random.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--passages", type=int, default=PASSAGES)
    add_record_option(parser, "encode_soak")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), args.seed, args.passages)
        end = time.monotonic() + 60 * args.minutes
        with watching() as watched, tqdm(unit=" indexes") as bar:
            while time.monotonic() < end:
                soak.index()
                soak.stay()
                bar.update()
    print(f"{args.passages:,} passages, {soak.seconds:.0f} s undisturbed, seed {args.seed}")
    figures = [single(name, number, "", 0) for name, number in sorted(soak.seen.items())]
    figures += figures_of(watched)
    show(figures)
    if args.record:
        record = measured_now(
            "encoding that is killed at random, against an undisturbed run, and one process",
            f"{args.passages:,} passages an index",
            "one run; slopes with 95% intervals",
            {"minutes": args.minutes, "passages": args.passages},
            figures,
        )
        save(args.record, record)
    finish(watched, wrong=bool(soak.seen[DIFFER] or soak.seen[DIFFER_HERE]))


class Soak:
    """Makes one index after the other and counts what happens."""

    def __init__(self, folder: Path, seed: int, passages: int) -> None:
        self.seen: Counter[str] = Counter()
        self._draw = random.Random(seed)  # noqa: S311  (no secret)
        self._corpus = make_corpus(folder / "corpus.jsonl", passages, 56)
        self._few = make_corpus(folder / "few.jsonl", HERE, 56)
        self._model = make_model(folder / "model")
        self._index, self._here = folder / "index", folder / "here"
        start = time.perf_counter()
        if self._start().wait():
            raise SystemExit("the undisturbed command failed")
        self.seconds = time.perf_counter() - start
        self._expected = _hashes(self._index)
        self._expected_here: list[str] = []

    def index(self) -> None:
        """Attempts until the index is there, and compares it."""
        shutil.rmtree(self._index)
        while not self._index.exists():
            self._attempt()
            if self._draw.random() < 1 / 3:
                self._cut_newest_part()
        self.seen[SAME if _hashes(self._index) == self._expected else DIFFER] += 1

    def stay(self) -> None:
        """Encodes in this process."""
        with without_notes():
            i3.encode_corpus(self._few, model=self._model, output=self._here, overwrite=True)
        found = _hashes(self._here)
        self._expected_here = self._expected_here or found
        self.seen[SAME_HERE if found == self._expected_here else DIFFER_HERE] += 1

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


def _hashes(index: Path) -> list[str]:
    return [hashlib.sha256((index / name).read_bytes()).hexdigest() for name in ("index", "docid")]


if __name__ == "__main__":
    run_command(main)
