"""Lengths of vectors: what a graph of raw inner products finds depends on how much they differ."""

from collections.abc import Iterable, Iterator
from typing import Any

import faiss
import numpy as np

from i3_pyserini.errors import note
from i3_pyserini.formats.parts import Block
from i3_pyserini.search.faiss_index import parts_of

SKEWED = 0.2  # from here on recall@1000 falls: `benchmarks/hnsw_norms.py`, docs/indexes.md
Lengths = np.ndarray[Any, np.dtype[np.float32]]


class Norms:
    """The lengths of all vectors of an index, kept as blocks of it pass; 4 bytes a vector."""

    def __init__(self) -> None:
        self._lengths: list[Lengths] = []

    def of(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yields the blocks, and keeps the lengths of their vectors."""
        for block in blocks:
            vectors = block.vectors.astype(np.float32, copy=False)
            self._lengths.append(np.linalg.norm(vectors, axis=1))
            yield block

    @property
    def variation(self) -> float:
        """Standard deviation of the lengths by their mean; 0 where all are equal."""
        lengths = np.concatenate(self._lengths, dtype=np.float64)
        mean = float(lengths.mean())
        return float(lengths.std()) / mean if mean else 0.0


def is_graph(index: faiss.Index) -> bool:
    """Whether an index searches a graph of all its vectors, not of lists of them."""
    for part in parts_of(index):
        if hasattr(part, "nlist"):
            return False
        if isinstance(part, faiss.IndexHNSW | faiss.IndexNSG):
            return True
    return False


def note_skewed(norms: Norms, name: str, instead: str = "type ivf-flat or flat") -> None:
    """Notes that a graph will find less than it seems, if the lengths of its vectors differ much.

    Args:
        norms: of all its vectors.
        name: of the index, in the note.
        instead: the types that find more.
    """
    variation = norms.variation
    if variation > SKEWED:
        note(
            f"{name}: the vectors' lengths differ (coefficient of variation {variation:.2f}), and "
            f"a graph of inner products then misses hits; take {instead}, or vectors "
            "of unit length if the model is made for them, and measure recall on your queries"
        )
