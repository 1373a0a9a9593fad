"""Parts of a batch by length: every text once, and no split has less padding."""

import random
from itertools import combinations

import pytest
import torch
from torch import Tensor

from i3_pyserini.train.buckets import buckets


def mask_of(lengths: list[int]) -> Tensor:
    return torch.tensor([[1] * one + [0] * (max(lengths) - one) for one in lengths])


def cost(lengths: list[int], parts: list[list[int]]) -> int:
    return sum(len(part) * max(lengths[row] for row in part) for part in parts)


def least_cost(lengths: list[int], parts: int) -> int:
    """The padded ids of the best of all splits of the texts in the order of length."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    splits = [
        [order[start:end] for start, end in zip((0, *cuts), (*cuts, len(order)), strict=True)]
        for number in range(parts)
        for cuts in combinations(range(1, len(order)), number)
    ]
    return min(cost(lengths, split) for split in splits)


@pytest.mark.parametrize("seed", range(50))
def test_no_split_has_less_padding(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  (no secret)
    lengths = [rng.randint(1, 9) for _ in range(rng.randint(1, 8))]
    parts = rng.randint(1, 5)
    found = [rows.tolist() for rows in buckets(mask_of(lengths), parts)]
    assert len(found) <= parts
    assert sorted(row for rows in found for row in rows) == list(range(len(lengths)))
    assert cost(lengths, found) == least_cost(lengths, parts)
    longest = [max(lengths[row] for row in rows) for rows in found]
    assert longest == sorted(longest, reverse=True)


def test_calls_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = mask_of([100] * 8 + [40] * 8 + [35] * 8)
    sizes = {}
    for cost_of_call in (0, 100, 1000):
        monkeypatch.setattr("i3_pyserini.train.buckets.CALL_IDS", cost_of_call)
        sizes[cost_of_call] = [len(rows) for rows in buckets(mask, 3)]
    assert sizes == {0: [8, 8, 8], 100: [8, 16], 1000: [24]}


def test_examples() -> None:
    mask = mask_of([3, 9, 3, 8, 9])
    assert [rows.tolist() for rows in buckets(mask, 1)] == [[0, 1, 2, 3, 4]]
    assert [rows.tolist() for rows in buckets(mask, 2)] == [[1, 4, 3], [0, 2]]
    assert [rows.tolist() for rows in buckets(mask, 9)] == [[1, 4], [3], [0, 2]]
    assert [rows.tolist() for rows in buckets(mask_of([4, 4, 4]), 3)] == [[0, 1, 2]]
