"""Encodes several batches at once, each on threads of its own.

Threads that share a batch wait for one another after every product: beside other busy processes,
for the one that has lost its CPU. Threads with batches of their own do not wait. On a quiet machine
they are not slower, since much of a model's work uses one thread only.
"""

import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

AT_ONCE = 16  # batches; more would wait for Python's lock
IN_FLIGHT = 3  # batches on a GPU: one is computed, one is queued, one is padded


def batches_at_once(device: "torch.device") -> int:
    """How many batches are encoded at once: on a CPU, one on each of torch's threads."""
    if device.type != "cpu":
        return IN_FLIGHT if device.type == "cuda" else 1
    import torch  # noqa: PLC0415  (exported models run without)

    return min(AT_ONCE, torch.get_num_threads())


def in_parallel(
    encode: Callable[[list[int]], int], batches: Sequence[list[int]], at_once: int
) -> Generator[int, None, None]:
    """Encodes batches on several threads of Python, which share torch's threads evenly.

    Without torch, for exported models, they just run at once.

    Args:
        encode: encodes a batch, given as rows, and returns their number; called by several threads.
        batches: the batches, in the order in which they are started.
        at_once: how many at a time; fewer if there are fewer.

    Yields:
        The results, in the order of `batches`.
    """
    at_once = min(at_once, len(batches))
    torch = sys.modules.get("torch")  # whoever computes with it has imported it
    if at_once <= 1:
        yield from map(encode, batches)
        return
    if torch is None:
        with ThreadPoolExecutor(at_once, "encode") as pool:
            yield from pool.map(encode, batches)
        return
    threads = torch.get_num_threads()
    share = (max(1, threads // at_once),)
    try:
        with ThreadPoolExecutor(at_once, "encode", torch.set_num_threads, share) as pool:
            yield from pool.map(encode, batches)
    finally:
        torch.set_num_threads(threads)  # the last number set is that of new threads
