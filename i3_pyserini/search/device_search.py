"""Exact search of float32 vectors on a GPU, in blocks.

Vectors stay in the device's memory if they fit; others are read from the memory-mapped file for
each batch of queries, through pinned memory. Scores are float32 products without TF32. As in FAISS,
of equal scores the lower rows are found: score and row are one integer, whose order is theirs.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Rows, Scores
from i3_pyserini.model.devices import torch_device

QUERIES = 1024  # in one product
SCORES = 1 << 26  # in one product; with integers and their order, 1.5 to 2 GB
MOST_ROWS = 1 << 20  # of a product, for few queries
STREAMED = 1 << 28  # bytes of a block that is copied to the device
SPARE = 4e9  # bytes that are left free beside vectors that stay on the device
ROW_BITS = 32
LAST_ROW = (1 << ROW_BITS) - 1


class DeviceSearch:
    """Searches on a device; in place of `search_exactly`.

    Args:
        name: the device, such as "cuda:0".

    Raises:
        I3Error: it does not exist.
    """

    def __init__(self, name: str) -> None:
        self._device = torch_device(name)
        self._cuda = self._device.type == "cuda"
        self._kept: dict[Any, Tensor] = {}  # by file

    @torch.inference_mode()
    def __call__(self, queries: Scores, vectors: Scores, k: int) -> tuple[Scores, Rows]:
        """The k passages with the highest inner products.

        Args:
            queries: float32 [Q, H].
            vectors: float32 [N, H], in memory or memory-mapped; those of a file are kept on the
                device if they fit.
            k: hits per query; at most N.

        Returns:
            Scores, float32 [Q, k], descending; and rows, int64 [Q, k].

        Raises:
            I3Error: the device has not enough memory.
        """
        try:
            own = torch.from_numpy(queries).to(self._device)
            scores, rows = search_blocks(own, self._blocks(vectors), k)
        except torch.OutOfMemoryError as error:
            raise I3Error(
                f"{self._device}: not enough memory to search {len(queries):,} queries at once; "
                "use a smaller --batch-size, or omit --device"
            ) from error
        return scores.cpu().numpy(), rows.cpu().numpy()

    def _blocks(self, vectors: Scores) -> Iterator[tuple[int, Tensor]]:
        """Rows of all vectors on the device, with the number of the first."""
        kept = self._resident(vectors)
        if kept is not None:
            yield 0, kept
        else:
            yield from self._streamed(vectors)

    def _resident(self, vectors: Scores) -> Tensor | None:
        """The vectors of a file on the device; None if they do not fit."""
        name = getattr(vectors, "filename", None)
        if name in self._kept:
            return self._kept[name]
        if vectors.nbytes + SPARE > free_bytes(self._device):
            return None
        tensor = torch.empty(vectors.shape, device=self._device)
        for start, block in self._streamed(vectors):
            tensor[start : start + len(block)] = block
        if name is not None:
            self._kept[name] = tensor
        return tensor

    def _streamed(self, vectors: Scores) -> Iterator[tuple[int, Tensor]]:
        """Blocks of vectors; the next is read while the device computes.

        Two buffers take turns. A buffer is written again when its copy has been made.
        """
        rows = max(1, STREAMED // (4 * vectors.shape[1]))
        shape = (min(rows, len(vectors)), vectors.shape[1])
        buffers = [torch.empty(shape, pin_memory=self._cuda) for _ in range(2)]
        copied: list[Any] = [None, None]
        for number, start in enumerate(range(0, len(vectors), rows)):
            turn, block = number % 2, vectors[start : start + rows]
            if copied[turn] is not None:
                copied[turn].synchronize()
            buffer = buffers[turn][: len(block)]
            np.copyto(buffer.numpy(), block)
            sent = buffer.to(self._device, non_blocking=True) if self._cuda else buffer.clone()
            if self._cuda:
                copied[turn] = torch.cuda.current_stream(self._device).record_event()
            yield start, sent


@torch.inference_mode()
def search_blocks(
    queries: Tensor, blocks: Iterable[tuple[int, Tensor]], k: int
) -> tuple[Tensor, Tensor]:
    """The k vectors with the highest inner products, on the device of the queries.

    Args:
        queries: float [Q, H].
        blocks: float [n, H] with the row of the first vector of each.
        k: hits per query; at most the number of vectors.

    Returns:
        Scores, float32 [Q, k], descending; and rows, int64 [Q, k].
    """
    chunks = queries.split(QUERIES)
    best: list[Tensor | None] = [None] * len(chunks)
    with _full_precision():
        for start, block in blocks:
            for number, chunk in enumerate(chunks):
                best[number] = _better(best[number], chunk, block, start, k)
    return _of_keys(torch.cat([keys for keys in best if keys is not None]))


def free_bytes(device: torch.device) -> float:
    """Free memory of a CUDA device, with what torch holds and does not use."""
    if device.type != "cuda":
        return float("inf")
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(torch.cuda.mem_get_info(device)[0] + unused)


def _better(best: Tensor | None, queries: Tensor, block: Tensor, first: int, k: int) -> Tensor:
    """The k best keys of those found so far, int64 [Q, …], and of a block."""
    rows = min(MOST_ROWS, max(k, SCORES // len(queries)))
    for start in range(0, len(block), rows):
        scores = (queries @ block[start : start + rows].T).float()
        keys = _keys(scores, first + start)
        keys = keys.topk(min(k, keys.size(1))).values
        if best is not None:
            keys = torch.cat([best, keys], dim=1)
            keys = keys.topk(min(k, keys.size(1))).values
        best = keys
    assert best is not None  # noqa: S101  (a block has rows)
    return best


def _keys(scores: Tensor, first: int) -> Tensor:
    """Integers in the order of scores, descending, and of rows, ascending.

    Args:
        scores: float32 [Q, n].
        first: row of the first column.

    Returns:
        int64 [Q, n].
    """
    high = _ordered((scores + 0.0).view(torch.int32)).long()  # -0.0 + 0.0 is 0.0
    rows = torch.arange(first, first + scores.size(1), device=scores.device)
    return (high << ROW_BITS) + (LAST_ROW - rows)


def _of_keys(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Scores, float32 [Q, k], and rows, int64 [Q, k]."""
    scores = _ordered((keys >> ROW_BITS).int()).view(torch.float32)
    return scores, LAST_ROW - (keys & LAST_ROW)


def _ordered(bits: Tensor) -> Tensor:
    """Bits of float32 as int32 in the order of the numbers, and back."""
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


@contextmanager
def _full_precision() -> Iterator[None]:
    """Products in float32, whatever torch has been set to."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
