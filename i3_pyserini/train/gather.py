"""Vectors of all devices, with or without gradients through the others'."""

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def world() -> tuple[int, int]:
    """This device's rank, and the number of devices."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def gather(vectors: Tensor, *, own_slice: bool = False) -> Tensor:
    """All devices' rows, in the order of the devices; all must have as many.

    With gradients from everywhere (the default), a loss that each device computes over its own
    queries and averages with the others' (as DDP averages gradients) has the gradient of one
    big batch. With `own_slice`, the others' rows are constants.

    Args:
        vectors: [N, …].
        own_slice: let gradients reach this device's rows from its own loss alone.

    Returns:
        [world·N, …].

    Source: `own_slice` is the original's `modeling.py`, `_gather_tensor`.
    """
    rank, count = world()
    if count == 1:
        return vectors
    if not own_slice:
        gathered: Tensor = _Gather.apply(vectors)
        return gathered
    parts = _collect(vectors.detach())
    parts[rank] = vectors
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        ctx.rows = len(vectors)
        return torch.cat(_collect(vectors))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        start = dist.get_rank() * ctx.rows
        return total[start : start + ctx.rows]


def _collect(values: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, values.contiguous())
    return parts
