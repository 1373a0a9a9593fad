"""Training data: collections, judgments, queries, negatives and teacher scores."""

from typing import TYPE_CHECKING

from i3_pyserini.lazy import lazy_names

if TYPE_CHECKING:
    from i3_pyserini.data.check import check_collection
    from i3_pyserini.data.chunk import chunk_corpus
    from i3_pyserini.data.dropping import drop_leaks
    from i3_pyserini.data.get import get_data, list_data
    from i3_pyserini.data.importing import import_collection
    from i3_pyserini.data.make import make_queries
    from i3_pyserini.data.mine import mine_negatives
    from i3_pyserini.data.pair_import import import_pairs
    from i3_pyserini.data.round_trip import filter_queries
    from i3_pyserini.data.score import score_pairs
    from i3_pyserini.data.split import split_queries

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "check_collection": "check",
        "chunk_corpus": "chunk",
        "drop_leaks": "dropping",
        "filter_queries": "round_trip",
        "get_data": "get",
        "import_collection": "importing",
        "import_pairs": "pair_import",
        "list_data": "get",
        "make_queries": "make",
        "mine_negatives": "mine",
        "score_pairs": "score",
        "split_queries": "split",
    },
)

__all__ = [
    "check_collection",
    "chunk_corpus",
    "drop_leaks",
    "filter_queries",
    "get_data",
    "import_collection",
    "import_pairs",
    "list_data",
    "make_queries",
    "mine_negatives",
    "score_pairs",
    "split_queries",
]
