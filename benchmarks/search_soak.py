"""Searches for a long time in one process, in all ways that Python has, and watches the process.

    python -m benchmarks.search_soak [--minutes 10] [--passages 5000] [--record]

A flat index and an approximate one (HNSW) of random vectors, with MiniLM's tokenizer and a small
random model for queries. In turn, queries are searched with indexes that stay open, with indexes
that are opened for them and closed again, and with `search_topics`, which writes a run. Every
answer has to be the first one again. Memory and descriptors: see `benchmarks.soaking`.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

import i3_pyserini as i3
from benchmarks.encode_memory import make_corpus, make_model
from benchmarks.record import add_record_option, measured_now, save, single
from benchmarks.soaking import figures_of, finish, show, watching, without_notes
from i3_pyserini.errors import run_command
from i3_pyserini.search import build_index

PASSAGES, QUERIES, HITS = 5000, 64, 100
WORDS = ["boil", "an", "egg", "in", "hot", "water", "for", "nine", "minutes", "and", "peel"]
Answer = list[tuple[str, float]]


def main() -> None:
    """Searches for so many minutes; exits with 1 if an answer was another, or something grows."""
    parser = argparse.ArgumentParser(description="Searches in one process for a long time.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--passages", type=int, default=PASSAGES)
    add_record_option(parser, "search_soak")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, without_notes():
        soak = Soak(Path(folder), args.passages)
        end = time.monotonic() + 60 * args.minutes
        with watching() as watched:
            while time.monotonic() < end:
                soak.round()
    figures = [single(name, count, "", 0) for name, count in sorted(soak.seen.items())]
    figures += figures_of(watched)
    show(figures)
    if args.record:
        record = measured_now(
            "search in one process: memory, descriptors, answers",
            "a random model of one small layer, generated passages",
            "one run; slopes with 95% intervals",
            {"minutes": args.minutes, "passages": args.passages, "queries": QUERIES, "hits": HITS},
            figures,
        )
        save(args.record, record)
    finish(watched, wrong=bool(soak.seen["wrong"]))


class Soak:
    """Searches again and again, and counts what happens."""

    def __init__(self, folder: Path, passages: int) -> None:
        self.seen: Counter[str] = Counter(wrong=0)
        self._folder = folder
        corpus, model = make_corpus(folder / "corpus.jsonl", passages, 56), folder / "model"
        make_model(model)
        i3.encode_corpus(corpus, model=model, output=folder / "flat")
        build_index(folder / "flat", output=folder / "hnsw", type="hnsw")
        draw = random.Random(1)  # noqa: S311  (no secret)
        self._queries = [" ".join(draw.choices(WORDS, k=5)) for _ in range(QUERIES)]
        lines = [f"q{row}\t{query}\n" for row, query in enumerate(self._queries)]
        (folder / "topics.tsv").write_text("".join(lines), encoding="utf-8")
        self._open = {name: i3.open_index(folder / name) for name in ("flat", "hnsw")}
        self._right: dict[str, list[Answer]] = {}
        self._run: bytes | None = None

    def round(self) -> None:
        """Every way once."""
        ways: dict[str, Callable[[str], list[Answer]]] = {
            "searches of an open index": self._kept,
            "indexes opened": self._opened,
        }
        for way, search in ways.items():
            for name in ("flat", "hnsw"):
                found = search(name)
                right = self._right.setdefault(name, found)
                self.seen["wrong"] += not _same(found, right)
                self.seen[way] += 1
        run = self._folder / "run.txt"
        i3.search_topics(
            self._folder / "flat",
            self._folder / "topics.tsv",
            output=run,
            hits=HITS,
            overwrite=True,
        )
        written = run.read_bytes()
        self._run = self._run or written
        self.seen["wrong"] += written != self._run
        self.seen["runs written"] += 1

    def _kept(self, name: str) -> list[Answer]:
        return _answers(self._open[name], self._queries)

    def _opened(self, name: str) -> list[Answer]:
        return _answers(i3.open_index(self._folder / name), self._queries)


def _answers(index: i3.Index, queries: list[str]) -> list[Answer]:
    return [[(hit.docid, hit.score) for hit in own] for own in index.search(queries, HITS)]


def _same(found: list[Answer], right: list[Answer]) -> bool:
    """Whether scores are the same; passages of equal scores may be others in a graph."""
    return all(
        len(one) == len(two)
        and np.allclose([score for _, score in one], [score for _, score in two], atol=1e-6)
        for one, two in zip(found, right, strict=True)
    )


if __name__ == "__main__":
    run_command(main)
