"""Flat index files, searched exactly: one, or those of the shards of an encoding."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TypeGuard

import numpy as np

from i3_pyserini.formats.hits import Rows, Scores
from i3_pyserini.formats.vector_files import Shape, open_index
from i3_pyserini.search.faiss_index import search_exactly


class FlatVectors:
    """The vectors of flat index files, memory-mapped.

    Of several files, one is mapped at a time, so that memory holds no more than one of them.

    Args:
        files: the files, in the order of their rows.
        device: see `searches_there`.

    Raises:
        I3Error: one is not a flat index, or is truncated.

    Attributes:
        shapes: number and dimension of the vectors of each file.
        shape: number and dimension of all vectors.
    """

    def __init__(self, files: Sequence[Path], device: str | None = None) -> None:
        self._files = files
        self._search: Callable[[Scores, Scores, int], tuple[Scores, Rows]] = search_exactly
        if searches_there(device):
            from i3_pyserini.search.device_search import DeviceSearch  # noqa: PLC0415  (torch)

            self._search = DeviceSearch(device)
        self.shapes = [Shape(*open_index(file).shape) for file in files]
        self._mapped = [open_index(files[0])] if len(files) == 1 else None
        self._bounds = [*accumulate((one.passages for one in self.shapes), initial=0)]
        self.shape = (self._bounds[-1], self.shapes[0].dimension)

    def search(self, queries: Scores, k: int) -> tuple[Scores, Rows]:
        """The k vectors with the highest inner products.

        Args:
            queries: float32 [Q, H].
            k: hits per query; at most the number of vectors.

        Returns:
            Scores, float32 [Q, k], descending; and rows, int64 [Q, k].
        """
        best: tuple[Scores, Rows] | None = None
        for (scores, own), start in zip(self._found(queries, k), self._bounds, strict=False):
            rows = own + start
            best = (scores, rows) if best is None else _merged(*best, scores, rows, k)
        assert best is not None  # noqa: S101  (there is a file)
        return best

    def __getitem__(self, rows: Rows) -> Scores:
        """The vectors of rows, float32 [N, H].

        Args:
            rows: int64 [N].
        """
        found: Scores = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        for vectors, (start, end) in self._parts():
            own = (rows >= start) & (rows < end)
            found[own] = vectors[rows[own] - start]
        return found

    def _found(self, queries: Scores, k: int) -> Iterator[tuple[Scores, Rows]]:
        """The hits in each file, with its own rows."""
        for vectors, _ in self._parts():
            yield self._search(queries, vectors, min(k, len(vectors)))

    def _parts(self) -> Iterator[tuple[Scores, tuple[int, int]]]:
        bounds = pairwise(self._bounds)
        if self._mapped is not None:
            yield from zip(self._mapped, bounds, strict=True)
            return
        for file, own in zip(self._files, bounds, strict=True):
            yield open_index(file), own


def searches_there(device: str | None) -> TypeGuard[str]:
    """Whether vectors are searched on a device: on CUDA; else FAISS searches on the CPU."""
    return device is not None and device.partition(":")[0] == "cuda"


def _merged(
    scores: Scores, rows: Rows, more: Scores, their_rows: Rows, k: int
) -> tuple[Scores, Rows]:
    """The first k of two lists of hits; of equal scores, those of the first list."""
    scores = np.concatenate([scores, more], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    rows = np.concatenate([rows, their_rows], axis=1)
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
