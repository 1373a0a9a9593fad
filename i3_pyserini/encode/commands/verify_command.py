"""`python -m i3_pyserini.encode verify`."""

import argparse
from pathlib import Path

from i3_pyserini.encode.flags import add_flags, settings_of
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import add_corpus_options, corpus_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("index", type=Path, help="a directory of vectors, or of one shard")
    parser.add_argument("--collection", type=Path, help="compare ids with those of this corpus")
    parser.add_argument("--model", help="default: the one that the manifest names")
    parser.add_argument(
        "--check",
        type=int,
        default=100,
        metavar="N",
        help="passages of the collection to encode again (default 100)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice of these (default 0)")
    flags = parser.add_argument_group("for an index without a manifest, as for encode")
    flags.add_argument("--encoder-class", choices=("i3", "auto"))
    flags.add_argument("--fields", nargs="+", default=[])
    add_flags(flags)
    add_corpus_options(parser)


def run(args: argparse.Namespace) -> None:
    """Prints a line for each check, and `ok`.

    Raises:
        I3Error: a number is out of range, or a check fails.
    """
    for name, least in (("check", 0), ("max_length", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise I3Error(f"--{name.replace('_', '-')} is {value}, must be at least {least}")
    from i3_pyserini.encode.reference import Flags, reference_of
    from i3_pyserini.encode.verify import verify

    flags = Flags(
        args.collection,
        args.model,
        args.check,
        args.seed,
        args.encoder_class,
        tuple(args.fields),
        settings_of(args),
        corpus_options(args),
    )
    for line in verify(args.index, reference_of(args.index, flags)):
        print(line, flush=True)
    print("ok")
