"""`python -m i3_pyserini.encode merge`."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "shards",
        type=Path,
        nargs="+",
        metavar="SHARD",
        help="the --embeddings directories of all shards, in any order",
    )
    parser.add_argument("--output", type=Path, required=True, help="the directory to write")
    parser.add_argument("--overwrite", action="store_true")


def run(args: argparse.Namespace) -> None:
    """Merges, and says what was written."""
    from i3_pyserini.encode.merge import merge

    shape = merge(args.shards, args.output, args.overwrite)
    print(
        f"wrote {args.output}: {shape.passages:,} passages of {shape.dimension} dimensions, from "
        f"{len(args.shards)} shards"
    )
