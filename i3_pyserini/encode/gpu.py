"""Runs a model on a GPU: copies that do not stall it, batches that fit its memory.

A call holds a lock while it copies a batch to the device and starts the model, and waits for the
result afterwards. Several threads then keep the device busy: while it computes one batch, the next
is queued and another is padded. Batches are queued one after the other, so that the activations of
only one batch are allocated at a time.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from i3_pyserini.errors import I3Error, note

MOST_TOKENS = 16_384  # per batch: docs/how-to/encoding.md has the padding of larger ones
PROBE_TOKENS = 2048  # of a batch that measures memory
SHARE = 0.8  # of the free memory; the rest is for other batch shapes and fragmentation

Array = np.ndarray[Any, np.dtype[Any]]
Run = Callable[[Array, Array], Array]


class GpuFunction:
    """Computes vectors on a device.

    Args:
        module: on the device; maps ids and mask, int64 [B, T], to float [B, H].
        device: the device.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self._module, self._device = module, device
        self._cuda = device.type == "cuda"
        self._lock = threading.Lock()
        self._noted = False

    def __call__(self, ids: Array, mask: Array) -> Array:
        """The vectors of a batch, float32 [B, H]; a batch that does not fit is halved.

        Raises:
            I3Error: there is not enough memory for one text.
        """
        vectors = self._computed(ids, mask)
        if vectors is not None:
            return vectors
        count, length = ids.shape
        if count == 1:
            raise I3Error(
                f"{self._device}: not enough memory for one text of {length} ids; use a smaller "
                "model, --dtype bf16 or another device"
            )
        self._note(count, length)
        if self._cuda:
            torch.cuda.empty_cache()
        half = count // 2
        parts = (self(ids[some], mask[some]) for some in (slice(half), slice(half, None)))
        return np.concatenate(list(parts))

    @torch.inference_mode()
    def _computed(self, ids: Array, mask: Array) -> Array | None:
        """The vectors; None if there is not enough memory."""
        try:
            with self._lock:
                output = self._module(*(self._sent(one) for one in (ids, mask))).float()
                found = output.to("cpu", non_blocking=self._cuda)  # into pinned memory
                done = self._queued()
            if done is not None:
                done.synchronize()
            return np.array(found.numpy())  # a copy: pinned memory is scarce
        except torch.OutOfMemoryError:
            return None

    def _sent(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(array)
        if not self._cuda:
            return tensor.to(self._device)
        return tensor.pin_memory().to(self._device, non_blocking=True)

    def _queued(self) -> torch.cuda.Event | None:
        """An event at the end of what has been queued; None for devices that wait by themselves."""
        if not self._cuda:
            return None
        event: torch.cuda.Event = torch.cuda.current_stream(self._device).record_event()
        return event

    def _note(self, count: int, length: int) -> None:
        if not self._noted:
            self._noted = True
            note(
                f"{self._device}: not enough memory for {count} texts of {length} ids at once; "
                "batches that do not fit are halved. --batch-tokens sets a smaller size"
            )


def fitting_tokens(run: Run, device: torch.device, longest: int) -> int:
    """Tokens of a batch that fit the free memory of a GPU, at most `MOST_TOKENS`.

    Encodes a small batch of the longest texts twice, since the first allocates workspaces, and
    measures the memory of the second.

    Args:
        run: the model.
        device: a CUDA device; for others, the answer is `MOST_TOKENS`.
        longest: ids of the longest text.
    """
    if device.type != "cuda":
        return MOST_TOKENS
    shape = (max(1, PROBE_TOKENS // longest), longest)
    ids, mask = np.zeros(shape, dtype=np.int64), np.ones(shape, dtype=np.int64)
    mask[0, -1] = 0  # with padding, attention takes another kernel
    run(ids, mask)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run(ids, mask)
    used = torch.cuda.max_memory_allocated(device) - before
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + unused
    return tokens_for(free, used / ids.size, longest)


def tokens_for(free: float, each: float, longest: int) -> int:
    """Tokens that fit: at least one text, at most `MOST_TOKENS`.

    Args:
        free: bytes.
        each: bytes per token.
        longest: ids of the longest text.
    """
    return max(longest, min(MOST_TOKENS, int(SHARE * free / max(each, 1.0))))
