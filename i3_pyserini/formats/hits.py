"""Search hits as arrays, and the order of equal scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Scores = np.ndarray[Any, np.dtype[np.float32]]
Rows = np.ndarray[Any, np.dtype[np.int64]]
NO_HIT = -1
# More hits than asked for, since ids decide which of equal scores are the first k; and more, if all
# of these are equal. Of still more equal ones it is arbitrary which are hits.
SPARE, TIES = 16, 4096


class Hit(NamedTuple):
    """A search hit.

    Attributes:
        docid: its id.
        score: its inner product with the query.
    """

    docid: str
    score: float


@dataclass(frozen=True)
class Hits:
    """The hits of Q queries, at most k each.

    Attributes:
        scores: float32 [Q, k], descending within a query; -inf where there is no hit.
        rows: int64 [Q, k], the rows of hits in the index; -1 for no hit.
    """

    scores: Scores
    rows: Rows

    def __len__(self) -> int:
        """Number of queries."""
        return len(self.rows)

    def named(self, docids: Sequence[str]) -> list[list[Hit]]:
        """The hits of each query by id, the best first.

        Args:
            docids: the index's ids.
        """
        return [
            [Hit(docids[row], score) for row, score in zip(*pair, strict=True) if row != NO_HIT]
            for pair in zip(self.rows.tolist(), self.scores.tolist(), strict=True)
        ]


def in_order(scores: Scores, rows: Rows, docids: Sequence[str], k: int) -> Hits:
    """Puts hits in the order of a run: by score, then by docid, both descending.

    That is trec_eval's order, so that a run does not change its ranking where it is evaluated.

    Args:
        scores: float32 [Q, n], descending within a query, n at least k or all there are.
        rows: int64 [Q, n], -1 where there is no hit.
        docids: the index's ids.
        k: how many to keep.
    """
    scores = np.where(rows == NO_HIT, np.float32(-np.inf), scores)
    rows = rows.copy()
    tied = (scores[:, 1:] == scores[:, :-1]) & (rows[:, 1:] != NO_HIT)
    for query in np.flatnonzero(tied.any(axis=1)):
        for start, end in _stretches(tied[query]):
            group = rows[query, start:end].tolist()
            rows[query, start:end] = sorted(group, key=docids.__getitem__, reverse=True)
    return Hits(np.ascontiguousarray(scores[:, :k]), np.ascontiguousarray(rows[:, :k]))


def _stretches(tied: np.ndarray[Any, np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """Where stretches of equal hits begin and end; `tied[i]`: hit i + 1 is equal to hit i."""
    steps = np.diff(np.concatenate([[0], tied.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) + 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
