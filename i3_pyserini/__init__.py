"""The I³ Retriever for Pyserini: `import i3_pyserini as i3`; see README.md."""

from typing import TYPE_CHECKING

from i3_pyserini.lazy import lazy_names

if TYPE_CHECKING:
    from i3_pyserini.encode.corpus import encode_corpus
    from i3_pyserini.encode.encoder import Encoder, create, load
    from i3_pyserini.encode.topics import encode_topics
    from i3_pyserini.errors import I3Error
    from i3_pyserini.eval.diff import diff_runs
    from i3_pyserini.eval.report.write import write_report
    from i3_pyserini.eval.runs import evaluate
    from i3_pyserini.experiments.compare import compare
    from i3_pyserini.model.config import I3Config
    from i3_pyserini.model.export import save_model_directory
    from i3_pyserini.model.retriever import I3Retriever
    from i3_pyserini.model.tokenizer import I3Tokenizer
    from i3_pyserini.search.bm25 import search_bm25
    from i3_pyserini.search.fuse import fuse_runs
    from i3_pyserini.search.opened import Index, open_index
    from i3_pyserini.search.rerank import rerank_run
    from i3_pyserini.search.topics import search_topics
    from i3_pyserini.serve.server import serve_index
    from i3_pyserini.train.train_model import train_model

__version__ = "0.1.0"

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Encoder": "encode.encoder",
        "I3Config": "model.config",
        "I3Error": "errors",
        "I3Retriever": "model.retriever",
        "I3Tokenizer": "model.tokenizer",
        "Index": "search.opened",
        "compare": "experiments.compare",
        "create": "encode.encoder",
        "diff_runs": "eval.diff",
        "encode_corpus": "encode.corpus",
        "encode_topics": "encode.topics",
        "evaluate": "eval.runs",
        "fuse_runs": "search.fuse",
        "load": "encode.encoder",
        "open_index": "search.opened",
        "rerank_run": "search.rerank",
        "save_model_directory": "model.export",
        "search_bm25": "search.bm25",
        "search_topics": "search.topics",
        "serve_index": "serve.server",
        "train_model": "train.train_model",
        "write_report": "eval.report.write",
    },
)

__all__ = [
    "Encoder",
    "I3Config",
    "I3Error",
    "I3Retriever",
    "I3Tokenizer",
    "Index",
    "__version__",
    "compare",
    "create",
    "diff_runs",
    "encode_corpus",
    "encode_topics",
    "evaluate",
    "fuse_runs",
    "load",
    "open_index",
    "rerank_run",
    "save_model_directory",
    "search_bm25",
    "search_topics",
    "serve_index",
    "train_model",
    "write_report",
]
