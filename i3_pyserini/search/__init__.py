"""Searches indexes: exact, approximate, BM25 and fused."""

from typing import TYPE_CHECKING

from i3_pyserini.lazy import lazy_names

if TYPE_CHECKING:
    from i3_pyserini.search.bm25 import search_bm25
    from i3_pyserini.search.found import FoundPassages, PassageHit
    from i3_pyserini.search.fuse import fuse_runs
    from i3_pyserini.search.index.advise import advise_index
    from i3_pyserini.search.index.approximate import build_index, tune_index
    from i3_pyserini.search.lucene import build_lucene_index, write_lucene_topics
    from i3_pyserini.search.opened import Index, open_index
    from i3_pyserini.search.options import Feedback, SearchParameters
    from i3_pyserini.search.rerank import rerank_run
    from i3_pyserini.search.run_documents import rank_documents
    from i3_pyserini.search.topics import search_topics
    from i3_pyserini.search.window import Window

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Feedback": "options",
        "FoundPassages": "found",
        "Index": "opened",
        "PassageHit": "found",
        "SearchParameters": "options",
        "Window": "window",
        "advise_index": "index.advise",
        "build_index": "index.approximate",
        "build_lucene_index": "lucene",
        "fuse_runs": "fuse",
        "open_index": "opened",
        "rank_documents": "run_documents",
        "rerank_run": "rerank",
        "search_bm25": "bm25",
        "search_topics": "topics",
        "tune_index": "index.approximate",
        "write_lucene_topics": "lucene",
    },
)

__all__ = [
    "Feedback",
    "FoundPassages",
    "Index",
    "PassageHit",
    "SearchParameters",
    "Window",
    "advise_index",
    "build_index",
    "build_lucene_index",
    "fuse_runs",
    "open_index",
    "rank_documents",
    "rerank_run",
    "search_bm25",
    "search_topics",
    "tune_index",
    "write_lucene_topics",
]
