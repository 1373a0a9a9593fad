"""Lengths of vectors, whose variation affects the recall of graphs with inner products."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from i3_pyserini.errors import note
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.parts import Block
from i3_pyserini.search.faiss_index import parts_of

# Above this, recall@1000 decreases: benchmarks/hnsw_norms.py, docs/how-to/approximate-indexes.md.
SKEWED = 0.2
Lengths = np.ndarray[Any, np.dtype[np.float32]]


class Norms:
    """Collects the lengths of all vectors while blocks are read; 4 bytes per vector."""

    def __init__(self) -> None:
        self._lengths: list[Lengths] = []

    def of(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yields the blocks and stores the lengths of their vectors."""
        for block in blocks:
            vectors = block.vectors.astype(np.float32, copy=False)
            self._lengths.append(np.linalg.norm(vectors, axis=1))
            yield block

    @property
    def variation(self) -> float:
        """Coefficient of variation of the lengths: standard deviation divided by mean."""
        lengths = np.concatenate(self._lengths, dtype=np.float64)
        mean = float(lengths.mean())
        return float(lengths.std()) / mean if mean else 0.0


def is_graph(index: faiss.Index) -> bool:
    """Whether an index searches a graph of all its vectors, not of lists."""
    for part in parts_of(index):
        if hasattr(part, "nlist"):
            return False
        if isinstance(part, faiss.IndexHNSW | faiss.IndexNSG):
            return True
    return False


def note_skewed(norms: Norms, name: str, instead: str = "type ivf-flat or flat") -> None:
    """Prints a note that a graph will miss hits, if the lengths of its vectors vary much.

    Args:
        norms: norms of all its vectors.
        name: name of the index in the note.
        instead: recommended types.
    """
    variation = norms.variation
    if variation > SKEWED:
        note(
            f"{name}: the lengths of the vectors differ (coefficient of variation "
            f"{variation:.2f}), so a graph with inner products misses hits; use {instead}, or "
            "normalized vectors if the model supports them, and measure recall on your queries"
        )
