"""`python -m i3_pyserini.data score`."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import add_corpus_options, corpus_options

DTYPES = ("fp32", "bf16", "fp16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.epilog = "The same command goes on where an interrupted one was."
    data = parser.add_argument_group("data")
    data.add_argument(
        "--negatives",
        type=Path,
        required=True,
        help="what `data mine` writes: qid<TAB>pid,pid,... or its .jsonl",
    )
    data.add_argument("--queries", type=Path, help="qid<TAB>query; only for TSV negatives")
    data.add_argument("--qrels", type=Path, help="their positives; only for TSV negatives")
    data.add_argument("--min-relevance", type=int, default=1, help="of a positive (default 1)")
    data.add_argument("--max-positives", type=int, metavar="N", help="the first N of each query")
    data.add_argument("--max-negatives", type=int, metavar="N", help="the first N of each query")
    data.add_argument("--collection", type=Path, required=True, help="its file or folder")
    data.add_argument("--cache", type=Path, help="folder for the text store")
    data.add_argument("--output", type=Path, required=True, help="such as kd_train.jsonl")
    data.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the output, and an interrupted one if it had other settings",
    )
    add_corpus_options(parser)
    teacher = parser.add_argument_group("teacher")
    teacher.add_argument("--teacher", required=True, help="a cross-encoder: directory or hub name")
    teacher.add_argument(
        "--template", default="{title} {text}", help="a passage's text (default '{title} {text}')"
    )
    teacher.add_argument("--max-length", type=int, default=512, help="ids a pair (default 512)")
    teacher.add_argument("--batch-size", type=int, default=64, help="pairs (default 64)")
    teacher.add_argument("--dtype", choices=DTYPES, default="fp32", help="default fp32")
    teacher.add_argument("--device", help="such as cuda:0; default the first GPU, or else the CPU")


def run(args: argparse.Namespace) -> None:
    """Scores, and says how many pairs.

    Raises:
        I3Error: sentence-transformers is not installed, a number is out of range, or see
            `i3_pyserini.data.score.score`.
    """
    for name in ("batch_size", "max_length", "max_positives", "max_negatives"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise I3Error(f"--{name.replace('_', '-')} is {value}, must be at least 1")
    if find_spec("sentence_transformers") is None:
        raise I3Error("scoring needs sentence-transformers: pip install 'i3-pyserini[score]'")
    from i3_pyserini.data.score import Scoring, score
    from i3_pyserini.data.teacher import TeacherOptions
    from i3_pyserini.data.unscored import Mined

    mined = Mined(
        args.negatives,
        args.queries,
        args.qrels,
        args.min_relevance,
        args.max_positives,
        args.max_negatives,
    )
    options = TeacherOptions(
        args.template, args.max_length, args.batch_size, args.dtype, args.device
    )
    reading = corpus_options(args)
    scoring = Scoring(args.teacher, options, mined, args.collection, args.cache, reading)
    done = score(scoring, args.output, args.overwrite)
    resumed = f" ({done.resumed:,} were scored before)" if done.resumed else ""
    print(f"wrote {args.output}: {done.queries:,} queries{resumed}, {done.pairs:,} scores")
