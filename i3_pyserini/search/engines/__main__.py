"""`python -m i3_pyserini.search.engines load INDEX`: vectors into a vector engine."""

import argparse
from pathlib import Path

from i3_pyserini.errors import I3Error, run_command


def main() -> None:
    """Parses the command line, loads, and says what is there."""
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.search.engines",
        description="Load an index into a vector engine; then search with --engine.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser("load", help="copy an index; goes on where it was interrupted")
    load.add_argument("index", type=Path, help="a directory of encoded vectors")
    load.add_argument("--engine", required=True, help="milvus:FILE.db or milvus:http://HOST:19530")
    load.add_argument("--collection", required=True, help="letters, digits and _")
    load.add_argument("--type", default="FLAT", help="the engine's index type (FLAT: exact)")
    load.add_argument("--batch-size", type=int, default=2000)
    args = parser.parse_args()
    if not args.collection.isidentifier() or not args.collection.isascii():
        raise I3Error(f"--collection {args.collection!r}: letters, digits and _ only")
    if args.batch_size < 1:
        raise I3Error(f"--batch-size is {args.batch_size}, must be at least 1")
    from i3_pyserini.search.engines.milvus import Milvus

    engine = Milvus(args.engine, create=True)
    loaded = engine.load(args.index, args.collection, args.batch_size, args.type)
    engine.close()
    print(
        f"{args.engine}: collection {args.collection} has {loaded.passages:,} passages, "
        f"{loaded.sent:,} of them sent now"
    )


if __name__ == "__main__":
    run_command(main)
