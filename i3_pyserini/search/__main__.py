"""`python -m i3_pyserini.search`: the command line of `pyserini.search.faiss`, without Java."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, run_command
from i3_pyserini.subcommand import run_subcommand

if TYPE_CHECKING:
    from i3_pyserini.search.job import SearchJob

COMMANDS = {"serve": "a local page to search an index from"}
HITS = 1000


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.search",
        description="Search an index, as pyserini.search.faiss does; needs neither Java nor torch.",
        epilog="python -m i3_pyserini.search serve: a local page to search from. More commands are "
        "modules: i3_pyserini.search.index, .bm25, .fuse, .engines.",
    )
    parser.add_argument("--index", type=Path, help="directory with index and docid")
    parser.add_argument("--topics", required=True, help="TSV or JSONL file, or a data set's name")
    parser.add_argument("--output", type=Path, required=True, help="the run file")
    parser.add_argument("--overwrite", action="store_true", help="replace an older run")
    parser.add_argument("--hits", type=int, help=f"of a query, or all there are (default {HITS})")
    parser.add_argument("--batch-size", type=int, default=4096, help="queries searched together")
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--output-format", choices=("trec", "msmarco"), default="trec")
    parser.add_argument("--tag", help="last column of the run (default: the model's name)")
    _add_queries(parser.add_argument_group("queries"))
    _add_parameters(parser.add_argument_group("approximate indexes (default: as built or tuned)"))
    _add_results(parser.add_argument_group("results"))
    feedback = parser.add_argument_group("pseudo-relevance feedback")
    feedback.add_argument("--prf-depth", type=int, default=0, metavar="N")
    feedback.add_argument("--prf-method", choices=("avg", "rocchio"), default="avg")
    feedback.add_argument("--rocchio-alpha", type=float, default=0.9)
    feedback.add_argument("--rocchio-beta", type=float, default=0.1)
    feedback.add_argument("--rocchio-gamma", type=float, default=0.1)
    feedback.add_argument("--rocchio-topk", type=int, default=3)
    feedback.add_argument("--rocchio-bottomk", type=int, default=0)
    engine = parser.add_argument_group("a vector engine in place of --index")
    engine.add_argument("--engine", metavar="ADDRESS", help="see i3_pyserini.search.engines")
    engine.add_argument("--collection", metavar="NAME", help="what was loaded into it")
    return parser


def _add_queries(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--encoder", help="model (default: the one that the index's manifest names)")
    group.add_argument("--encoder-class", choices=("i3", "auto"))
    group.add_argument("--encoded-queries", type=Path, help="what i3_pyserini.encode.query wrote")
    group.add_argument("--device", help="such as cuda:0 (default: the CPU)")
    group.add_argument("--pooling", help="cls, mean, max, … (default: as the passages)")
    group.add_argument("--l2-norm", action=argparse.BooleanOptionalAction)
    group.add_argument("--query-prefix", help="put before every query")


def _add_parameters(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--nprobe", type=int, help="lists that are searched (IVF)")
    group.add_argument("--ef-search", type=int, help="breadth of the search (HNSW)")
    group.add_argument("--refine", type=int, help="times k candidates that are scored again")


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--remove-query", action="store_true", help="not the passage named as it")
    group.add_argument("--max-passage", action="store_true", help="documents, by best passages")
    group.add_argument("--max-passage-hits", type=int, default=100)
    group.add_argument("--max-passage-delimiter", default="#")


def main() -> None:
    """Parses the command line, searches, and says what was written."""
    words = sys.argv[1:]
    if words and words[0] in COMMANDS:
        run_subcommand("i3_pyserini.search", words[0], COMMANDS[words[0]], words[1:])
        return
    args = _parser().parse_args()
    _check(args)
    from i3_pyserini.search.job import run

    summary = run(_job(args))
    print(f"wrote {args.output}: {summary}")


def _check(args: argparse.Namespace) -> None:
    """Raises for numbers and combinations that cannot be.

    Raises:
        I3Error: names the option.
    """
    for name in ("hits", "batch_size", "threads", "nprobe", "ef_search", "refine"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise I3Error(f"--{name.replace('_', '-')} is {value}, must be at least 1")
    if args.max_passage_hits < 1 or args.prf_depth < 0 or not args.max_passage_delimiter:
        raise I3Error("--max-passage-hits, --max-passage-delimiter or --prf-depth is out of range")
    if (args.index is None) == (args.engine is None):
        raise I3Error("name what to search: --index, or --engine and --collection")
    if args.engine and (not args.collection or args.prf_depth or args.nprobe or args.ef_search):
        raise I3Error("--engine needs --collection, and has no --prf-depth, --nprobe, --ef-search")
    if args.encoded_queries and (args.encoder or args.query_prefix):
        raise I3Error("--encoded-queries are encoded already: leave --encoder and its options out")
    if args.tag is not None and args.tag.split() != [args.tag]:
        raise I3Error(f"--tag {args.tag!r} is empty or has white space in it")


def _job(args: argparse.Namespace) -> "SearchJob":
    from i3_pyserini.encode.index_encoder import QueryFlags
    from i3_pyserini.search.feedback import Feedback
    from i3_pyserini.search.job import Queries, Results, SearchJob

    parameters = {
        name: getattr(args, option)
        for name, option in (("nprobe", "nprobe"), ("efSearch", "ef_search"), ("refine", "refine"))
        if getattr(args, option) is not None
    }
    feedback = Feedback(
        args.prf_depth,
        args.prf_method,
        args.rocchio_alpha,
        args.rocchio_beta,
        args.rocchio_gamma,
        args.rocchio_topk,
        args.rocchio_bottomk,
    )
    return SearchJob(
        index=args.index,
        engine=(args.engine, args.collection) if args.engine else None,
        queries=Queries(
            args.topics,
            args.encoded_queries,
            QueryFlags(
                args.encoder,
                args.encoder_class,
                args.device,
                args.pooling,
                args.l2_norm,
                args.query_prefix,
            ),
        ),
        results=Results(
            args.output,
            args.hits,
            args.output_format,
            args.tag,
            args.overwrite,
            args.remove_query,
            (args.max_passage_delimiter, args.max_passage_hits) if args.max_passage else None,
        ),
        parameters=parameters,
        feedback=feedback if args.prf_depth else None,
        batch_size=args.batch_size,
        threads=args.threads,
    )


if __name__ == "__main__":
    run_command(main)
