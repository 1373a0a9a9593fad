"""Splits a batch by length, so that little of it is padding."""

from itertools import pairwise

import torch
from torch import Tensor

# Another call of an encoder costs about as much as so many ids: it adds to the gradients of all
# weights. (MiniLM in bf16 on two cores: four calls took longer than two that had more padding.)
CALL_IDS = 256


def buckets(mask: Tensor, parts: int) -> list[Tensor]:
    """Rows of a mask in parts of similar length, the longest first, at the least cost.

    In the order of length, a part is padded to its first text, and costs its ids, padding included,
    and `CALL_IDS`. The cheapest split is found by dynamic programming over the lengths that occur;
    texts of equal length stay together.

    Args:
        mask: int64 [N, T], 1 at tokens, 0 at padding.
        parts: maximum number of parts; fewer are used if more are not cheaper.

    Returns:
        int64 [n] for each part.
    """
    if parts == 1 or len(mask) <= 1:
        return [torch.arange(len(mask), device=mask.device)]
    lengths = mask.sum(dim=1)
    rows = torch.argsort(lengths, descending=True, stable=True)
    values, counts = torch.unique_consecutive(lengths[rows].cpu(), return_counts=True)
    ends = counts.cumsum(0)
    begins = _cheapest(values, ends, parts)
    bounds = [0, *(int(ends[begin - 1]) for begin in begins[1:]), len(rows)]
    return [rows[start:end] for start, end in pairwise(bounds)]


def _cheapest(values: Tensor, ends: Tensor, parts: int) -> list[int]:
    """At which of the lengths each part begins.

    Args:
        values: int64 [V], the lengths that occur, descending.
        ends: int64 [V], how many texts have these lengths or greater ones.
        parts: maximum number of parts.
    """
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    cost = (values[:, None] * (ends - starts[:, None]) + CALL_IDS).double()  # of a part i to j
    cost.masked_fill_(torch.ones_like(cost).tril(-1).bool(), torch.inf)
    best = cost[0]  # up to each length, in one part
    last: list[Tensor] = []  # where the last of two parts begins, of three parts, …
    while len(last) + 1 < min(parts, len(values)):
        more, begin = (best[:-1, None] + cost[1:]).min(dim=0)
        if not more[-1] < best[-1]:
            break
        last.append(begin + 1)
        best = more
    begins, end = [], len(values) - 1
    for begin in reversed(last):
        begins.append(int(begin[end]))
        end = begins[-1] - 1
    return [0, *reversed(begins)]
