"""Training data: collections, judgements, queries, negatives and a teacher's scores."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i3_pyserini.data.check import check_collection
    from i3_pyserini.data.get import get_data, list_data
    from i3_pyserini.data.importing import import_collection
    from i3_pyserini.data.make import make_queries
    from i3_pyserini.data.mine import mine_negatives
    from i3_pyserini.data.score import score_pairs

# Public name -> module; resolved on first use.
_PUBLIC = {
    "check_collection": "check",
    "get_data": "get",
    "import_collection": "importing",
    "list_data": "get",
    "make_queries": "make",
    "mine_negatives": "mine",
    "score_pairs": "score",
}

__all__ = [
    "check_collection",
    "get_data",
    "import_collection",
    "list_data",
    "make_queries",
    "mine_negatives",
    "score_pairs",
]


def __getattr__(name: str) -> object:
    """Imports a public name when it is first asked for (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'i3_pyserini.data' has no attribute {name!r}")
    return getattr(import_module(f"i3_pyserini.data.{_PUBLIC[name]}"), name)
