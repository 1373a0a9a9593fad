"""What this machine can do at most: matrix products, memory, disk."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SIZES = (1024, 2048, 3072)  # rows and columns of the matrix products
REPETITIONS = 12
MEMORY = 1 << 30  # bytes that are read
DISK = 2 << 30  # bytes of the file
BLOCK = 16 << 20


@torch.inference_mode()
def matrix_products(dtype: torch.dtype, repetitions: int = REPETITIONS) -> float:
    """Floating-point operations per second, the best of some sizes and of two libraries.

    `torch.mm` multiplies with MKL, which is slow on other than Intel's processors; oneDNN, with one
    of the matrices packed before, computes linear layers.
    """
    best = 0.0
    for size in SIZES:
        left, right = (torch.randn(size, size).to(dtype) for _ in range(2))
        ways: list[Callable[[], Tensor]] = [partial(torch.mm, left, right)]
        with suppress(RuntimeError):  # not for this processor
            packed = torch.ops.mkldnn._reorder_linear_weight(right)
            ways.append(partial(_linear, left, packed))
        for way in ways:
            for _ in range(repetitions):
                start = time.perf_counter()
                way()
                best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def _linear(states: Tensor, packed: Tensor) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise(states, packed, None, "none", [], "none")
    return found


@torch.inference_mode()
def memory_reads(repetitions: int = REPETITIONS) -> float:
    """Bytes per second of reading memory with all threads: the best of some sums."""
    numbers = torch.ones(MEMORY // 4)
    best = 0.0
    for _ in range(repetitions):
        start = time.perf_counter()
        numbers.sum()
        best = max(best, MEMORY / (time.perf_counter() - start))
    return best


def disk(folder: Path) -> tuple[float, float]:
    """Bytes per second of writing a file to the disk, and of reading it from there."""
    path = folder / "bound"
    block = np.random.default_rng(0).bytes(BLOCK)
    start = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(DISK // BLOCK):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    written = DISK / (time.perf_counter() - start)
    drop(path)
    start = time.perf_counter()
    read(path)
    found = DISK / (time.perf_counter() - start)
    path.unlink()
    return written, found


def drop(path: Path) -> None:
    """Takes a file out of the system's cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(path: Path) -> int:
    """Reads a file into one buffer; its size in bytes."""
    held, size = bytearray(BLOCK), 0
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(held):
            size += count
    return size
