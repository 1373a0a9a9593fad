"""An encoder whose vectors can be worked out by hand and do not depend on batches."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from i3_pyserini.formats.index import EncoderRecord

Vectors = np.ndarray[Any, np.dtype[np.float32]]


class LengthEncoder:
    """The vector says how long title and text are; a text has as many ids as letters, and two.

    Args:
        bad: a text whose vector is not finite.
    """

    dimension = 2
    batch_tokens = 64
    at_once = 1

    def __init__(self, bad: str | None = None) -> None:
        self.bad = bad
        self.batches: list[list[int]] = []

    def describe(self) -> EncoderRecord:
        return EncoderRecord(kind="test", fingerprint="f", dimension=2)

    def check(self, device: str | None) -> None:
        pass

    def load(self, device: str | None) -> "LengthEncoder":
        return self

    def ids(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> list[list[int]]:
        return [
            [-2 if text == self.bad else len(text), -1 if titles is None else len(titles[i] or "")]
            + [0] * len(text)
            for i, text in enumerate(texts)
        ]

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        self.batches.append([len(one) for one in ids])
        rows = np.array([one[:2] for one in ids], dtype=np.float32)
        rows[rows[:, 0] == -2] = np.nan
        return rows

    def encode(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> Vectors:
        return self.vectors(self.ids(texts, titles))
