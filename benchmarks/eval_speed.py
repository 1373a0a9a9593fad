"""Evaluation speed: our command against ir-measures' own, whole processes in pairs.

    python -m benchmarks.eval_speed [--qrels FILE] [--queries 6980] [--rounds 5] [--record]

Both evaluate the same run of 1,000 passages a query by RR@10, nDCG@10, R@1000 and AP: plain, in
gzip, in zstd (which ir-measures does not read: it gets the plain one); and 100 runs of 200 of the
queries, ours in one command, ir-measures, which takes one run, in one for each (a pair less than of
the others). Unless `--qrels` names others (those of MS
MARCO's dev subset, say), queries have one relevant passage, or some of them two. The run ranks them
at ranks from a geometric distribution, among passages drawn at random, with scores of six decimals,
some of which tie. Ratios are of pairs; the table has their medians and extremes. Memory is the
process's peak. Values are compared to four decimals.
"""

import argparse
import gzip
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from backports import zstd
from tqdm import tqdm

from benchmarks.command import take
from benchmarks.record import RESULTS, Figure, measured_now, save
from i3_pyserini.formats.qrels import read_qrels

MEASURES = ("RR@10", "nDCG@10", "R@1000", "AP")
PASSAGES, HITS = 8_841_823, 1000
FOUND, SPREAD = 0.9, 0.02  # share of the relevant passages that the run has, and of their ranks
SECOND = 0.05  # share of queries with a second relevant passage
SIDES = ("ir_measures", "i3_pyserini.eval")
Case = tuple[Sequence[Path], Sequence[Path]]  # the runs of each side
MANY, OF_MANY = 100, 200  # runs, and queries of each
PLAIN = "one run"
PARTS = (("wall", "wall", "s", 2), ("CPU", "cpu", "s", 2), ("peak memory", "memory", "MB", 0))


@dataclass(frozen=True)
class Taken:
    """What a process took: wall and CPU seconds, peak memory in MB; and what it printed."""

    wall: float
    cpu: float
    memory: float
    values: list[str]


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="Our evaluation against ir-measures' command.")
    parser.add_argument("--qrels", type=Path)
    parser.add_argument("--queries", type=int, default=6980, help="without --qrels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--record", action="store_true", help="write benchmarks/results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        qrels = args.qrels or _write_qrels(place / "qrels.txt", args.queries)
        cases = _write_cases(place, qrels)
        size, queries = cases[PLAIN][0][0].stat().st_size, len(_relevant(qrels))
        print(f"{size / 1e6:,.0f} MB, {queries:,} queries")
        pairs = {
            name: _pairs(qrels, runs, args.rounds - (len(runs[0]) > 1), name)
            for name, runs in cases.items()
        }
    _print(pairs)
    if args.record:
        _record(pairs, args.qrels, queries)


def _pairs(qrels: Path, runs: Case, rounds: int, name: str) -> list[tuple[Taken, Taken]]:
    pairs = []
    for number in tqdm(range(rounds), desc=name):
        order = SIDES if number % 2 == 0 else SIDES[::-1]
        taken = {side: _evaluate(side, qrels, runs[SIDES.index(side)]) for side in order}
        theirs, ours = (taken[side] for side in SIDES)
        pairs.append((theirs, ours))
        if theirs.values != ours.values:
            raise SystemExit(f"other values: {taken}")
    return pairs


def _evaluate(side: str, qrels: Path, runs: Sequence[Path]) -> Taken:
    """Evaluates all runs: with ir-measures in a command for each."""
    program = [sys.executable, "-m", side, str(qrels)]
    if side == SIDES[1]:
        one = take([*program, *map(str, runs), "--measures", *MEASURES])
        rows = [line.split() for line in one.output.splitlines()[1:]]
        values = [word for row in rows for word in row[1 : 1 + len(MEASURES)]]
        return Taken(one.wall, one.cpu, one.peak, values)
    each = [take([*program, str(run), *MEASURES]) for run in runs]
    return Taken(
        sum(one.wall for one in each),
        sum(one.cpu for one in each),
        max(one.peak for one in each),
        [word for one in each for word in one.output.split()[1::2]],
    )


def _print(pairs: dict[str, list[tuple[Taken, Taken]]]) -> None:
    print("| | | ir-measures | ours | times |")
    print("| --- | --- | --- | --- | --- |")
    for case, some in pairs.items():
        for name, part, unit, _ in PARTS:
            theirs, ours = (statistics.median(_part(some, part, side)) for side in (0, 1))
            ratios = _ratios(some, part)
            print(
                f"| {case} | {name}, {unit} | {theirs:,.2f} | {ours:,.2f} | "
                f"{statistics.median(ratios):.1f} ({min(ratios):.1f}–{max(ratios):.1f}) |"
            )


def _record(pairs: dict[str, list[tuple[Taken, Taken]]], qrels: Path | None, queries: int) -> None:
    figures = []
    for case, some in pairs.items():
        for name, part, unit, digits in PARTS:
            for side, label in enumerate(("ir-measures", "ours")):
                median = round(statistics.median(_part(some, part, side)), digits)
                about = f"{case}: {label}, {name}"
                figures.append(Figure(name=about, value=median, unit=unit, digits=digits))
            ratios = [round(ratio, 1) for ratio in _ratios(some, part)]
            figures.append(
                Figure(
                    name=f"{case}: {name}, ir-measures over ours",
                    value=round(statistics.median(_ratios(some, part)), 1),
                    low=min(ratios),
                    high=max(ratios),
                    unit="times",
                    digits=1,
                )
            )
    rounds = len(pairs[PLAIN])
    record = measured_now(
        "evaluation of run files: our command against ir-measures' own",
        qrels.name if qrels else "made-up qrels",
        f"{rounds} pairs, {rounds - 1} of many runs; medians, ratios of pairs",
        {
            "queries": queries,
            "hits": HITS,
            "measures": len(MEASURES),
            "runs": MANY,
            "queries of many": OF_MANY,
        },
        figures,
    )
    save(RESULTS / "eval_speed.json", record)


def _part(pairs: list[tuple[Taken, Taken]], part: str, side: int) -> list[float]:
    return [getattr(pair[side], part) for pair in pairs]


def _ratios(pairs: list[tuple[Taken, Taken]], part: str) -> list[float]:
    return [
        one / other for one, other in zip(_part(pairs, part, 0), _part(pairs, part, 1), strict=True)
    ]


def _write_qrels(path: Path, queries: int) -> Path:
    random = np.random.default_rng(7)
    with path.open("w", encoding="utf-8") as file:
        for query in range(queries):
            for docid in random.integers(0, PASSAGES, 2 if random.random() < SECOND else 1):
                file.write(f"{1_000_000 + query} 0 {docid} 1\n")
    return path


def _relevant(qrels: Path) -> dict[str, list[str]]:
    relevant: dict[str, list[str]] = {}
    for query, docid, _ in read_qrels(str(qrels)).iter_rows():
        relevant.setdefault(query, []).append(docid)
    return relevant


def _write_cases(folder: Path, qrels: Path) -> dict[str, Case]:
    """The run files of each case."""
    run = _write_run(folder / "run.txt", qrels)
    packed = {"gzip": folder / "run.gz", "zstd": folder / "run.zst"}
    with run.open("rb") as source, gzip.open(packed["gzip"], "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target)
    with run.open("rb") as source, zstd.open(packed["zstd"], "wb") as target:
        shutil.copyfileobj(source, target)
    many = [folder / f"run.{number}.txt" for number in range(MANY)]
    with run.open(encoding="utf-8") as source:
        first = list(islice(source, OF_MANY * HITS))
    for path in many:
        path.write_text("".join(first), encoding="utf-8")
    return {
        PLAIN: ([run], [run]),
        f"{PLAIN}, gzip": ([packed["gzip"]], [packed["gzip"]]),
        f"{PLAIN}, zstd": ([run], [packed["zstd"]]),
        f"{MANY} runs of {OF_MANY} queries": (many, many),
    }


def _write_run(path: Path, qrels: Path) -> Path:
    random = np.random.default_rng(8)
    with path.open("w", encoding="utf-8") as file:
        for query, relevant in _relevant(qrels).items():
            docids = [str(docid) for docid in random.choice(PASSAGES, HITS, replace=False)]
            for docid in relevant:
                if random.random() < FOUND:
                    docids[min(HITS - 1, int(random.geometric(SPREAD)))] = docid
            docids = list(dict.fromkeys(docids))
            scores = np.sort(random.gamma(3, 2, len(docids)))[::-1]
            for rank, (docid, score) in enumerate(zip(docids, scores, strict=True), start=1):
                file.write(f"{query} Q0 {docid} {rank} {score:.6f} run\n")
    return path


if __name__ == "__main__":
    main()
