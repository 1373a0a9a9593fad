"""Evaluation speed: our command against ir-measures' own, whole processes in pairs.

    python -m benchmarks.eval_speed [--qrels FILE] [--queries 6980] [--rounds 5] [--record]

Both evaluate the same run of 1,000 passages a query by RR@10, nDCG@10, R@1000 and AP. Unless
`--qrels` names others (those of MS MARCO's dev subset, say), queries have one relevant passage, or
some of them two. The run ranks them at ranks from a geometric distribution, among passages drawn
at random, with scores of six decimals, some of which tie. Ratios are of pairs; the table has their
medians and extremes. Memory is the process's peak. Values are compared to four decimals.
"""

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.command import take
from benchmarks.record import RESULTS, Figure, measured_now, save
from i3_pyserini.formats.qrels import read_qrels

MEASURES = ("RR@10", "nDCG@10", "R@1000", "AP")
PASSAGES, HITS = 8_841_823, 1000
FOUND, SPREAD = 0.9, 0.02  # share of the relevant passages that the run has, and of their ranks
SECOND = 0.05  # share of queries with a second relevant passage
SIDES = ("ir_measures", "i3_pyserini.eval")


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
        run = _write_run(place / "run.txt", qrels)
        queries = len(_relevant(qrels))
        print(f"{run.stat().st_size / 1e6:,.0f} MB, {queries:,} queries")
        pairs = []
        for number in tqdm(range(args.rounds), desc="pairs"):
            order = SIDES if number % 2 == 0 else SIDES[::-1]
            taken = {side: _evaluate(side, qrels, run) for side in order}
            pairs.append((taken[SIDES[0]], taken[SIDES[1]]))
            if taken[SIDES[0]].values != taken[SIDES[1]].values:
                raise SystemExit(f"other values: {taken}")
    _print(pairs)
    if args.record:
        _record(pairs, args.qrels, queries)


def _evaluate(side: str, qrels: Path, run: Path) -> Taken:
    measures = ["--measures", *MEASURES] if side == SIDES[1] else list(MEASURES)
    command = [sys.executable, "-m", side, str(qrels), str(run), *measures]
    one = take(command)
    words = one.output.split()
    values = words[-len(MEASURES) :] if side == SIDES[1] else words[1::2]
    return Taken(one.wall, one.cpu, one.peak, values)


def _print(pairs: list[tuple[Taken, Taken]]) -> None:
    print("| | ir-measures | ours | times |")
    print("| --- | --- | --- | --- |")
    for name, part in (("wall s", "wall"), ("CPU s", "cpu"), ("peak MB", "memory")):
        theirs, ours = (statistics.median(_part(pairs, part, side)) for side in (0, 1))
        ratios = _ratios(pairs, part)
        print(
            f"| {name} | {theirs:,.2f} | {ours:,.2f} | {statistics.median(ratios):.1f} "
            f"({min(ratios):.1f}–{max(ratios):.1f}) |"
        )


def _record(pairs: list[tuple[Taken, Taken]], qrels: Path | None, queries: int) -> None:
    figures = []
    for name, part, unit, digits in (
        ("wall", "wall", "s", 2),
        ("CPU", "cpu", "s", 2),
        ("peak memory", "memory", "MB", 0),
    ):
        for side, label in enumerate(("ir-measures", "ours")):
            median = round(statistics.median(_part(pairs, part, side)), digits)
            figures.append(Figure(name=f"{label}, {name}", value=median, unit=unit, digits=digits))
        ratios = [round(ratio, 1) for ratio in _ratios(pairs, part)]
        figures.append(
            Figure(
                name=f"{name}: ir-measures over ours",
                value=round(statistics.median(_ratios(pairs, part)), 1),
                low=min(ratios),
                high=max(ratios),
                unit="times",
                digits=1,
            )
        )
    record = measured_now(
        "evaluation of one run file: our command against ir-measures' own",
        qrels.name if qrels else "made-up qrels",
        f"{len(pairs)} pairs; medians, ratios of pairs",
        {"queries": queries, "hits": HITS, "measures": len(MEASURES)},
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
