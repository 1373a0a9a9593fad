"""Near-duplicates between training and test queries: our exact join against MinHash libraries.

    pip install datasketch rensa
    python -m benchmarks.leakage --corpus CORPUS [--train 500000 --test 7000] [--record]

Queries are runs of 5 to 12 words of CORPUS's passages. A tenth of the test queries are training
queries of which one word was taken out, put in or moved. All ways look for pairs that share 0.8 of
their trigrams; the libraries get the same trigrams, 128 permutations and a threshold of 0.8, and
their candidates are compared exactly, so that none finds a wrong pair. Each runs in a process of
its own, with the import of its library.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.record import Figure, add_record_option, measured_now, save, single
from i3_pyserini.data.near_text import NearTexts, trigrams
from i3_pyserini.errors import run_command
from i3_pyserini.formats.passages import Corpus

OVERLAP = 0.8
PERMUTATIONS = 128
LEAKED = 0.1
Pairs = set[tuple[int, int]]


def main() -> None:
    """Measures each way in a process of its own; prints a table."""
    parser = argparse.ArgumentParser(description="Measure the search for near-duplicates.")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--train", type=int, default=500_000)
    parser.add_argument("--test", type=int, default=7000)
    parser.add_argument("--way", choices=WAYS, help="measure one way here; used by this program")
    parser.add_argument("--queries", type=Path, help="file of queries; used by this program")
    add_record_option(parser, "leakage")
    args = parser.parse_args()
    if args.way:
        _measure(args.way, args.queries)
        return
    known = [way for way in WAYS if way == "trigrams" or find_spec(way)]
    print("| | pairs | seconds | peak memory |\n| --- | --- | --- | --- |")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        queries = Path(folder) / "queries.json"
        train = list(islice(_queries(args.corpus), args.train))
        queries.write_text(json.dumps([train, _tests(train, args.test)]), encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.leakage", "--corpus", str(args.corpus)]
        for way in known:
            more = ["--way", way, "--queries", str(queries)]
            done = subprocess.run(  # noqa: S603  (this module)
                command + more, check=True, stdout=subprocess.PIPE, encoding="utf-8"
            )
            pairs, seconds, memory = json.loads(done.stdout)
            figures += [
                single(f"{way}, pairs", pairs, "pairs", 0),
                single(f"{way}, time", seconds, "s", 1),
                single(f"{way}, memory", memory, "GB", 2),
            ]
            name = way if way == "trigrams" else f"{way} {version(way)}"
            print(f"| {name} | {pairs:,} | {seconds:,.1f} | {memory:.2f} GB |", flush=True)
    if args.record:
        setup = {"training queries": len(train), "test queries": args.test, "overlap": OVERLAP}
        about = "near-duplicates of test queries: an exact join and MinHash libraries"
        data = f"runs of words of {args.corpus.resolve().parent.name}"
        save(args.record, measured_now(about, data, "once", setup, figures))


def _queries(corpus: Path) -> Iterator[str]:
    """Runs of words, round and round, from random places."""
    random.seed(0)
    texts = [passage.text.split() for passage in Corpus(corpus)]
    while True:
        words = random.choice(texts)
        length = random.randint(5, 12)
        start = random.randint(0, max(0, len(words) - length))
        yield " ".join(words[start : start + length])


def _tests(train: list[str], number: int) -> list[str]:
    """Test queries: words of two training queries, or nearly one of them."""
    tests = []
    for place in range(number):
        words, other = (random.choice(train).split() for _ in range(2))
        at = random.randrange(len(words))
        if place < LEAKED * number:
            word = words.pop(at)
            words.insert(random.randrange(len(words) + 1), random.choice([word, other[0], ""]))
        else:
            words = words[: len(words) // 2] + other[len(other) // 2 :]
        tests.append(" ".join(words))
    return tests


def _measure(way: str, queries: Path) -> None:
    train, tests = json.loads(queries.read_text(encoding="utf-8"))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    pairs = WAYS[way](train, tests)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([len(pairs), time.perf_counter() - started, memory * 1024 / 1e9]))


def _join(train: list[str], tests: list[str]) -> Pairs:
    return {(near.text, near.other) for near in NearTexts(tests, OVERLAP).near(train)}


def _datasketch(train: list[str], tests: list[str]) -> Pairs:
    from datasketch import MinHash, MinHashLSH

    def sketch(text: str) -> Any:
        made = MinHash(num_perm=PERMUTATIONS)
        made.update_batch([gram.encode() for gram in trigrams(text)])
        return made

    index = MinHashLSH(threshold=OVERLAP, num_perm=PERMUTATIONS)
    for row, text in enumerate(tests):
        index.insert(row, sketch(text))
    return _alike(train, tests, lambda text: index.query(sketch(text)))


def _rensa(train: list[str], tests: list[str]) -> Pairs:
    from rensa import RMinHash, RMinHashLSH

    def sketch(text: str) -> Any:
        made = RMinHash(num_perm=PERMUTATIONS, seed=1)
        made.update(sorted(trigrams(text)))
        return made

    index = RMinHashLSH(threshold=OVERLAP, num_perm=PERMUTATIONS, num_bands=16)
    for row, text in enumerate(tests):
        index.insert(row, sketch(text))
    return _alike(train, tests, lambda text: index.query(sketch(text)))


def _alike(train: list[str], tests: list[str], find: Callable[[str], Any]) -> Pairs:
    """The candidates that share enough trigrams."""
    found: Pairs = set()
    grams = [trigrams(text) for text in tests]
    for row, text in enumerate(train):
        for other in find(text):
            own = trigrams(text)
            if len(own & grams[other]) >= OVERLAP * len(own | grams[other]):
                found.add((other, row))
    return found


WAYS: dict[str, Callable[[list[str], list[str]], Pairs]] = {
    "trigrams": _join,
    "datasketch": _datasketch,
    "rensa": _rensa,
}


if __name__ == "__main__":
    run_command(main)
