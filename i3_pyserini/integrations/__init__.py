"""Integrations with other software: distributed vector engines."""

from typing import TYPE_CHECKING

from i3_pyserini.lazy import lazy_names

if TYPE_CHECKING:
    from i3_pyserini.integrations.loading import load_index

__getattr__, __dir__ = lazy_names(__name__, {"load_index": "loading"})

__all__ = ["load_index"]
