"""`python -m i3_pyserini.search.lucene`: our vectors for stock Pyserini's dense Lucene search."""

import argparse
import os
from pathlib import Path

from i3_pyserini.errors import I3Error, run_command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.search.lucene",
        description="Put vectors into a Lucene index, for pyserini.search.lucene --dense.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    index = commands.add_parser("index", help="vectors of passages to a Lucene index")
    index.add_argument("vectors", type=Path, help="what i3_pyserini.encode wrote, in any form")
    index.add_argument("--output", type=Path, required=True, help="the Lucene index")
    index.add_argument("--type", choices=("flat", "hnsw"), default="flat", help="default: flat")
    index.add_argument("--m", type=int, default=16, help="of hnsw: neighbours (default 16)")
    index.add_argument("--ef-construction", type=int, default=100, help="of hnsw (default 100)")
    index.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    queries = commands.add_parser("queries", help="encoded queries to a topics file")
    queries.add_argument("queries", type=Path, help="what i3_pyserini.encode.query wrote")
    queries.add_argument("--output", type=Path, required=True, help="a .jsonl file")
    queries.add_argument("--overwrite", action="store_true")
    return parser


def main() -> None:
    """Parses the command line, does one of the two, and says what to do with it."""
    args = _parser().parse_args()
    if args.command == "index" and min(args.m, args.ef_construction, args.threads) < 1:
        raise I3Error("--m, --ef-construction and --threads must be at least 1")
    # Not before the arguments are sound, so that --help and a mistyped flag answer at once.
    from i3_pyserini.formats.encoded_queries import read_encoded_queries  # noqa: PLC0415
    from i3_pyserini.search.lucene_files import index_vectors, write_topics  # noqa: PLC0415

    if args.command == "queries":
        queries = read_encoded_queries(args.queries)
        write_topics(queries, args.output, args.overwrite)
        print(f"wrote {args.output}: {len(queries.rows):,} queries")
        return
    hnsw = {"M": args.m, "efC": args.ef_construction} if args.type == "hnsw" else {}
    passages = index_vectors(args.vectors, args.output, args.type, hnsw, args.threads)
    print(
        f"wrote {args.output}: {passages:,} passages; search it with python -m "
        f"pyserini.search.lucene --dense --{args.type} --index {args.output}"
    )


if __name__ == "__main__":
    run_command(main)
