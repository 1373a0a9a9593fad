"""`python -m i3_pyserini.search.index build|tune|advise`: approximate indexes."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, run_command

if TYPE_CHECKING:
    from i3_pyserini.formats.hits import Scores

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.search.index", description="Approximate indexes."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build an index of another type")
    build.add_argument("source", type=Path, help="a directory of encoded vectors")
    build.add_argument("--output", type=Path, required=True, help="the directory to write")
    build.add_argument(
        "--type",
        required=True,
        help="flat, fp16, sq8, hnsw, ivf-flat, ivf-sq8, ivf-pq or rabitq, or a string of FAISS's "
        "index_factory",
    )
    build.add_argument("--training", type=int, metavar="N", help="vectors to train with")
    build.add_argument("--seed", type=int, default=0, help="of their choice (default 0)")
    build.add_argument("--overwrite", action="store_true")
    tune = commands.add_parser("tune", help="find the cheapest parameters for a recall")
    tune.add_argument("index", type=Path)
    queries = tune.add_mutually_exclusive_group(required=True)
    queries.add_argument("--topics", help="queries, not those to be reported: a file or a name")
    queries.add_argument("--queries", type=Path, help="the same, from i3_pyserini.encode.query")
    tune.add_argument("--target-recall", type=float, required=True, metavar="R")
    tune.add_argument("--k", type=int, default=1000, help="of recall@k (default 1000)")
    tune.add_argument("--against", type=Path, help="flat index (default: what it was built from)")
    advise = commands.add_parser("advise", help="recommend a type, from measurements")
    advise.add_argument("--passages", type=int, required=True)
    advise.add_argument("--dim", type=int, required=True)
    advise.add_argument("--memory", required=True, help="such as 32G")
    advise.add_argument("--k", type=int, choices=(10, 1000), default=1000)
    advise.add_argument("--recall", type=float, default=0.95, help="at least (default 0.95)")
    return parser


def main() -> None:
    """Parses the command line, does one thing, and prints."""
    args = _parser().parse_args(sys.argv[1:])
    {"build": _build, "tune": _tune, "advise": _advise}[args.command](args)


def _build(args: argparse.Namespace) -> None:
    if args.training is not None and args.training < 1:
        raise I3Error(f"--training is {args.training}, must be at least 1")
    from i3_pyserini.formats.index_output import IndexOutput
    from i3_pyserini.search.index.build import build

    output = IndexOutput(args.output, "faiss", args.overwrite)
    built = build(args.source, output, args.type, args.training, args.seed)
    size = (args.output / "index").stat().st_size
    parameters = ", ".join(f"{name} {value}" for name, value in built.plan.parameters.items())
    print(
        f"wrote {args.output}: {built.plan.factory} of {built.shape.passages:,} passages, "
        f"{size / 1e6:,.1f} MB" + (f"; {parameters}" if parameters else "")
    )


def _tune(args: argparse.Namespace) -> None:
    if not 0 < args.target_recall <= 1 or args.k < 1:
        raise I3Error("--target-recall is from 0 to 1, --k at least 1")
    from i3_pyserini.search.index.tune import tune

    queries = _queries(args)
    best, trials = tune(args.index, queries, args.target_recall, args.k, args.against)
    print(f"{'parameters':<32} {f'recall@{args.k}':>12} {'ms/query':>9}")
    for trial in trials:
        words = ", ".join(f"{name} {value}" for name, value in trial.parameters.items())
        chosen = "  <- stored" if trial is best else ""
        print(f"{words:<32} {trial.recall:>12.4f} {trial.milliseconds:>9.2f}{chosen}")


def _queries(args: argparse.Namespace) -> "Scores":
    """The vectors of the queries to tune with, compared with what encoded the index."""
    from i3_pyserini.encode.index_encoder import refuse_other_encoder
    from i3_pyserini.formats.encoded_queries import read_encoded_queries
    from i3_pyserini.formats.topics import read_topics
    from i3_pyserini.search.searcher import Searcher

    searcher = Searcher(args.index)
    if args.topics:
        return searcher.vectors_of(list(read_topics(args.topics).values()))
    encoded = read_encoded_queries(args.queries)
    refuse_other_encoder(encoded.made_by, str(encoded.path), searcher.made_by, str(args.index))
    return searcher.vectors_of(encoded.vectors)


def _advise(args: argparse.Namespace) -> None:
    if args.passages < 1 or args.dim < 1:
        raise I3Error("--passages and --dim must be at least 1")
    from i3_pyserini.search.index.advise import advise

    print(advise(args.passages, args.dim, _bytes(args.memory), args.k, args.recall))


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)I?B?", text.upper().replace(" ", ""))
    if found is None:
        raise I3Error(f"--memory {text!r}: expected a size such as 32G or 800M")
    return int(float(found[1]) * UNITS[found[2]])


if __name__ == "__main__":
    run_command(main)
