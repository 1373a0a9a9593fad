"""The I³ Retriever for Pyserini: see README.md and `python -m i3_pyserini`."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i3_pyserini.errors import I3Error
    from i3_pyserini.model.config import I3Config
    from i3_pyserini.model.export import save_model_directory
    from i3_pyserini.model.retriever import I3Retriever
    from i3_pyserini.model.tokenizer import I3Tokenizer

__version__ = "0.1.0"

# Public name -> module. Resolved on first use, so that `import i3_pyserini` loads no torch.
_PUBLIC = {
    "I3Config": "i3_pyserini.model.config",
    "I3Error": "i3_pyserini.errors",
    "I3Retriever": "i3_pyserini.model.retriever",
    "I3Tokenizer": "i3_pyserini.model.tokenizer",
    "save_model_directory": "i3_pyserini.model.export",
}

__all__ = [
    "I3Config",
    "I3Error",
    "I3Retriever",
    "I3Tokenizer",
    "__version__",
    "save_model_directory",
]


def __getattr__(name: str) -> object:
    """Imports a public name when it is first asked for (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'i3_pyserini' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
