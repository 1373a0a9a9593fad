"""`python -m i3_pyserini.search`: the command line of `pyserini.search.faiss`, without Java."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from i3_pyserini.encode.flags import QueryOptions
from i3_pyserini.errors import I3Error, at_least_1, run_command
from i3_pyserini.model.settings import POOLINGS
from i3_pyserini.search.options import Feedback, MaxPassage, SearchParameters
from i3_pyserini.search.topics import search_topics
from i3_pyserini.stock.options import SEARCH as REFUSED
from i3_pyserini.stock.options import DropInParser
from i3_pyserini.threads import set_threads

HITS = 1000
# Pyserini's options of which only the default is supported.
ONLY = {"--faiss-device": "cpu", "--searcher": "simple", "--topics-format": "default"}
GROUPS: dict[str, Any] = {
    "queries": QueryOptions,
    "parameters": SearchParameters,
    "feedback": Feedback,
}


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    parser = DropInParser(
        REFUSED,
        prog="python -m i3_pyserini.search",
        description="Search an index like pyserini.search.faiss, without Java or torch.",
        epilog="`i3-pyserini search` is the same, with --model instead of --encoder.",
    )
    parser.add_argument("--index", type=Path, nargs="+", help="directory with index and docid")
    parser.add_argument("--topics", required=True, help="TSV or JSONL file, or a data set's name")
    parser.add_argument("--output", type=Path, required=True, help="the run file")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing run")
    parser.add_argument("--hits", type=int, help=f"hits per query (default {HITS})")
    parser.add_argument(
        "--batch-size", type=int, default=4096, help="number of queries searched together"
    )
    parser.add_argument("--threads", type=int, help="default: one for each usable CPU")
    parser.add_argument("--ray", metavar="ADDRESS", help="a Ray cluster that searches the index")
    parser.add_argument("--output-format", choices=("trec", "msmarco"), default="trec")
    parser.add_argument("--tag", help="last column of the run (default: the model's name)")
    _add_queries(parser.add_argument_group("queries"))
    _add_parameters(
        parser.add_argument_group("approximate indexes (default: as stored in the index)")
    )
    _add_results(parser.add_argument_group("results"))
    for option, value in ONLY.items():
        parser.add_argument(option, choices=(value,), dest="only", help=argparse.SUPPRESS)
    feedback = parser.add_argument_group("pseudo-relevance feedback")
    feedback.add_argument("--prf-depth", type=int, default=0, metavar="N")
    feedback.add_argument("--prf-method", choices=("avg", "rocchio"), default="avg")
    feedback.add_argument("--rocchio-alpha", type=float, default=0.9)
    feedback.add_argument("--rocchio-beta", type=float, default=0.1)
    feedback.add_argument("--rocchio-gamma", type=float, default=0.1)
    feedback.add_argument("--rocchio-topk", type=int, default=3)
    feedback.add_argument("--rocchio-bottomk", type=int, default=0)
    engine = parser.add_argument_group("a vector engine instead of --index")
    engine.add_argument("--engine", metavar="ADDRESS", help="milvus:… or qdrant:…")
    engine.add_argument("--collection", metavar="NAME", help="name of the collection in it")
    return parser


def _add_queries(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--encoder", dest="model", help="model (default: the one in the index manifest)"
    )
    group.add_argument("--encoder-class", choices=("i3", "auto"))
    group.add_argument("--encoded-queries", type=Path, help="output folder of encode-topics")
    group.add_argument("--device", help="such as cuda:0 (default: the CPU)")
    group.add_argument("--pooling", choices=POOLINGS, help="default: as for the passages")
    group.add_argument("--l2-norm", action=argparse.BooleanOptionalAction)
    group.add_argument("--query-prefix", help="text before every query")


def _add_parameters(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--nprobe", type=int, help="number of lists to search (IVF)")
    group.add_argument("--ef-search", type=int, help="breadth of the search (HNSW)")
    group.add_argument("--refine", type=int, help="candidates to rescore, as a multiple of k")


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--remove-query", action="store_true", help="exclude the passage with the query's id"
    )
    group.add_argument(
        "--max-passage", action="store_true", help="write documents, ranked by their best passages"
    )
    group.add_argument("--max-passage-hits", type=int, default=100)
    group.add_argument("--max-passage-delimiter", default="#")


def main() -> None:
    """Parses the command line, searches, and prints what was written."""
    args = vars(make_parser().parse_args())
    del args["only"]
    set_threads(args["threads"])
    index, engine = args.pop("index"), args.pop("engine")
    if (index is None) == (engine is None):
        raise I3Error("expected --index, or --engine and --collection")
    if index and len(index) > 1:
        raise I3Error("--index: expected one directory; put a pattern such as 'SHARD-*' in quotes")
    at_least_1(max_passage_hits=args["max_passage_hits"])
    if not args["max_passage_delimiter"]:
        raise I3Error("max_passage_delimiter is empty")
    best = MaxPassage(args.pop("max_passage_delimiter"), args.pop("max_passage_hits"))
    args["documents"] = best if args.pop("max_passage") else "none"
    groups = {
        name: kind(**{field.name: args.pop(field.name) for field in fields(kind)})
        for name, kind in GROUPS.items()
    }
    print(search_topics(index[0] if index else engine, args.pop("topics"), **args, **groups))


if __name__ == "__main__":
    run_command(main)
