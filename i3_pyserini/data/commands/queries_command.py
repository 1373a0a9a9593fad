"""`python -m i3_pyserini.data queries`: training queries for a collection that has none."""

import argparse
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import add_corpus_options, corpus_options

MODEL = "model"
LARGEST_SEED = 2**32 - 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("collection", type=Path, help="its file or folder")
    parser.add_argument("--output", type=Path, required=True, help="folder for the files")
    parser.add_argument(
        "--from", dest="source", required=True, choices=("titles", "first-sentences", MODEL)
    )
    parser.add_argument("--model", help="with --from model: a T5-like model's directory or name")
    parser.add_argument("--per-passage", type=int, default=1, help="queries that the model writes")
    parser.add_argument("--limit", type=int, help="passages, chosen at random; all by default")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--min-words", type=int, default=3, help="leave out shorter queries")
    parser.add_argument("--batch-size", type=int, default=32, help="passages at once, at most 256")
    parser.add_argument("--max-length", type=int, default=384, help="tokens that the model reads")
    parser.add_argument("--device", help="such as cuda:0; the first GPU or else the CPU by default")
    parser.add_argument("--dtype", choices=("fp32", "bf16", "fp16"), default="fp32")
    parser.add_argument("--cache", type=Path, help="folder for the text store")
    parser.add_argument("--overwrite", action="store_true")
    add_corpus_options(parser)


def run(args: argparse.Namespace) -> None:
    """Makes the queries and says how many.

    Raises:
        I3Error: an argument is out of range, or the library refuses.
    """
    _check(args)
    from i3_pyserini.data.query_files import Job

    job = Job(
        args.collection,
        args.output,
        args.limit,
        args.seed,
        args.min_words,
        args.cache,
        args.overwrite,
        corpus_options(args),
    )
    if args.source == MODEL:
        from i3_pyserini.data.doc2query import Generation, generate_queries

        how = Generation(
            args.model, args.per_passage, args.batch_size, args.max_length, args.device, args.dtype
        )
        summary = generate_queries(job, how)
    else:
        from i3_pyserini.data.make_queries import extract_queries

        summary = extract_queries(job, args.source)
    left_out = f"; left out: {summary.left_out}" if summary.left_out else ""
    print(
        f"wrote {args.output}: {summary.queries:,} queries with {summary.positives:,} positives"
        f"{left_out}"
    )


def _check(args: argparse.Namespace) -> None:
    if args.source == MODEL and not args.model:
        raise I3Error("--from model needs --model, a directory or hub name")
    if args.source != MODEL and args.model is not None:
        raise I3Error(f"--model is for --from model, not for --from {args.source}")
    if args.source != MODEL and args.per_passage > 1:
        raise I3Error(f"--per-passage is for --from model; --from {args.source} gives one query")
    ranges = {
        "per-passage": (args.per_passage, 1, None),
        "limit": (args.limit, 1, None),
        "seed": (args.seed, 0, LARGEST_SEED),
        "min-words": (args.min_words, 1, None),
        "batch-size": (args.batch_size, 1, 256),
        "max-length": (args.max_length, 1, None),
    }
    for name, (value, least, most) in ranges.items():
        if value is not None and value < least:
            raise I3Error(f"--{name} is {value}, must be at least {least}")
        if value is not None and most is not None and value > most:
            raise I3Error(f"--{name} is {value}, must be at most {most}")
