"""`python -m i3_pyserini.data mine`: hard negatives from a run or an index."""

import argparse
import math
import re
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import add_corpus_options, corpus_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    hits = parser.add_mutually_exclusive_group(required=True)
    hits.add_argument("--run", type=Path, dest="run_file", help="run file, TREC or MS MARCO")
    hits.add_argument("--index", type=Path, help="folder with an encoded index, to be searched")
    parser.add_argument(
        "--encoder", help="model that encoded the index (default: named by its manifest)"
    )
    parser.add_argument("--topics", type=Path, required=True, help="TSV: query id, query")
    parser.add_argument("--qrels", type=Path, required=True, help="TREC qrels, or qid and pid")
    parser.add_argument("--collection", type=Path, required=True, help="its file or folder")
    parser.add_argument("--output", type=Path, required=True, help="train_negs.tsv to write")
    parser.add_argument("--jsonl", type=Path, help="the same with queries, positives and ranks")
    parser.add_argument("--depth", default="1-200", help="ranks to take from (%(default)s)")
    parser.add_argument("--per-query", type=int, default=64, help="at most (%(default)s)")
    parser.add_argument("--seed", type=int, help="draw at random, not the best-ranked")
    parser.add_argument("--teacher", type=Path, help="scores that tell false negatives")
    parser.add_argument("--margin", type=float, help="keep what is so far below each positive")
    parser.add_argument("--min-relevance", type=int, default=1, help="of positives (%(default)s)")
    parser.add_argument("--cache", type=Path, help="folder for the text store")
    parser.add_argument("--device", help="such as cuda:0 (default: the first GPU, or else the CPU)")
    parser.add_argument("--overwrite", action="store_true")
    add_corpus_options(parser)


def run(args: argparse.Namespace) -> None:
    """Checks the numbers, mines, and says what was found.

    Raises:
        I3Error: see `i3_pyserini.data.mine.mine`; or an argument is out of its range.
    """
    first, last = _depth(args.depth)
    if args.per_query < 1:
        raise I3Error(f"--per-query is {args.per_query}, must be at least 1")
    if args.run_file and (args.encoder or args.device):
        raise I3Error("--encoder and --device are for --index; a --run needs no model")
    if (args.teacher is None) != (args.margin is None):
        raise I3Error("--teacher and --margin go together; give both or neither")
    margin = 0.0 if args.margin is None else args.margin
    if not (margin >= 0 and math.isfinite(margin)):
        raise I3Error(f"--margin is {margin}, must be a number from 0 on")
    from i3_pyserini.data.mine import Index, Outputs, Sources, mine
    from i3_pyserini.data.negatives import Selection

    hits = args.run_file or Index(args.index, args.encoder, args.device)
    files = (hits, args.topics, args.qrels, args.collection, args.teacher, args.cache)
    sources = Sources(*files, corpus_options(args))
    selection = Selection(first, last, args.per_query, args.seed, margin, args.min_relevance)
    summary = mine(sources, selection, Outputs(args.output, args.jsonl, args.overwrite))
    print(f"wrote {args.output}: {summary}")


def _depth(text: str) -> tuple[int, int]:
    matched = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,9})", text)
    first, last = map(int, matched.groups()) if matched else (0, 0)
    if not 1 <= first <= last:
        raise I3Error(f"--depth is {text!r}, must be a range of ranks from 1 on, such as 1-200")
    return first, last
