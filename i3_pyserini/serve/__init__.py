"""A web page to search an index."""

from typing import TYPE_CHECKING

from i3_pyserini.lazy import lazy_names

if TYPE_CHECKING:
    from i3_pyserini.serve.server import serve_index

__getattr__, __dir__ = lazy_names(__name__, {"serve_index": "server"})

__all__ = ["serve_index"]
