"""Integrations with other software: vector engines, libraries and formats of models."""

from typing import TYPE_CHECKING

from i3_pyserini.lazy import lazy_names

if TYPE_CHECKING:
    from i3_pyserini.integrations.loading import load_index
    from i3_pyserini.integrations.onnx import export_model

__getattr__, __dir__ = lazy_names(__name__, {"export_model": "onnx", "load_index": "loading"})

__all__ = ["export_model", "load_index"]
