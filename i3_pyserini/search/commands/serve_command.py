"""`python -m i3_pyserini.search serve`."""

import argparse
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import add_corpus_options, corpus_options

PORTS = 65_535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--index", type=Path, required=True, help="directory with index and docid")
    parser.add_argument("--collection", type=Path, required=True, help="the corpus it was made of")
    parser.add_argument("--cache", type=Path, help="folder for the text store")
    parser.add_argument("--encoder", help="model (default: the one that the manifest names)")
    parser.add_argument("--encoder-class", choices=("i3", "auto"))
    bm25 = parser.add_mutually_exclusive_group()
    bm25.add_argument(
        "--bm25-index",
        type=Path,
        help="a Lucene index, as i3_pyserini.search.bm25 makes it (default: BM25 without Java)",
    )
    bm25.add_argument("--no-bm25", action="store_true", help="no second column")
    parser.add_argument("--hits", type=int, default=10, help="passages shown (default 10)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; others than this machine's let anybody search (default "
        "127.0.0.1)",
    )
    parser.add_argument("--port", type=int, default=8080, help="0 for any free one (default 8080)")
    add_corpus_options(parser)


def run(args: argparse.Namespace) -> None:
    """Serves the page until it is interrupted.

    Raises:
        I3Error: a number is out of range, an input does not fit the others, or the port is taken.
    """
    if not 0 <= args.port <= PORTS or args.hits < 1:
        raise I3Error(f"--port is from 0 to {PORTS:,}, --hits at least 1")
    from i3_pyserini.search.serve.server import listen, serve

    listening = listen(args.host, args.port)
    from i3_pyserini.encode.index_encoder import QueryFlags
    from i3_pyserini.search.searcher import Searcher
    from i3_pyserini.search.serve.passages import Passages, Sources

    searcher = Searcher(args.index)
    searcher.load_encoder(QueryFlags(args.encoder, args.encoder_class))
    files = (args.collection, args.cache, not args.no_bm25, args.bm25_index)
    sources = Sources(*files, corpus_options(args))
    serve(Passages(searcher, sources), listening, args.host, args.hits)
