"""Whether hits and vectors are what the reference says, up to rounding."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from i3_pyserini.faiss_library import faiss
from tests.worlds.reference import Reference

TOLERANCE = 1e-5  # times the scale of vectors or scores
Ties = Literal["none", "by id", "any"]
Hits = dict[str, list[tuple[str, float]]]


class Right(Protocol):
    """What a ranking is compared with."""

    @property
    def docids(self) -> list[str]:
        """What is ranked."""
        ...

    @property
    def scores(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """float64 [Q, N]."""
        ...


def read_hits(path: Path) -> Hits:
    """A run in TREC's six columns, read here and not by the package; ranks are checked."""
    hits: Hits = {}
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        qid, q0, docid, rank, score, _ = line.split(" ")
        found = hits.setdefault(qid, [])
        found.append((docid, float(score)))
        assert (q0, int(rank)) == ("Q0", len(found)), line
    return hits


def check_hits(
    hits: Hits,
    qids: Sequence[str],
    reference: Right,
    k: int,
    name: str,
    ties: Ties = "none",
    digits: int | None = None,
) -> None:
    """Sees that every query has its k best passages, best first, with their scores.

    Passages whose scores differ by rounding only may change places. Equal scores there are none in
    our runs; where there are, they are in descending order of ids, or in any. `digits` is to how
    many scores are rounded.
    """
    scores = reference.scores
    assert list(hits) == list(qids), f"{name}: queries {list(hits)} instead of {list(qids)}"
    rows = {docid: row for row, docid in enumerate(reference.docids)}
    most = TOLERANCE * max(1.0, float(np.abs(scores).max()))
    most += 0 if digits is None else 0.5 * 10.0**-digits
    for query, qid in enumerate(qids):
        where = f"{name}, query {qid!r}"
        found = [rows.get(docid, -1) for docid, _ in hits[qid]]
        assert -1 not in found, f"{where}: an id that no passage has: {hits[qid]}"
        assert len(found) == len(set(found)) == min(k, len(rows)), f"{where}: {len(found)} hits"
        given = np.array([score for _, score in hits[qid]])
        for (docid, score), (after, lower) in pairwise(hits[qid]):
            tie = score == lower and (ties == "any" or (ties == "by id" and docid > after))
            assert score > lower or tie, f"{where}: {after!r} is after {docid!r}"
        right = scores[query][found]
        off = np.abs(given - right)
        assert off.max() <= most, (
            f"{where}: {hits[qid][int(off.argmax())]} should have {right[int(off.argmax())]:.6f}"
        )
        assert (np.diff(right) <= 2 * most).all(), f"{where}: not in the order of scores"
        left_out = np.delete(scores[query], found)
        assert not len(left_out) or left_out.max() <= right.min() + 2 * most, (
            f"{where}: a better passage is not among the {k} best"
        )


def check_vectors(
    ids: Sequence[str], vectors: Any, reference: Reference, name: str, times: float = 1
) -> None:
    """Sees that all passages are there, in order, with their vectors; `times` the tolerance."""
    assert list(ids) == reference.docids, f"{name}: other ids, or in another order"
    most = times * TOLERANCE * max(1.0, float(np.abs(reference.passages).max()))
    off = np.abs(np.asarray(vectors) - reference.passages).max(axis=1)
    worst = int(off.argmax())
    assert off[worst] <= most, f"{name}: the vector of {ids[worst]!r} is off by {off[worst]:.2e}"


def check_queries(vectors: Any, reference: Reference, name: str, times: float = 1) -> None:
    """Sees that all queries have their vectors; `times` the tolerance."""
    most = times * TOLERANCE * max(1.0, float(np.abs(reference.queries).max()))
    off = float(np.abs(np.asarray(vectors) - reference.queries).max())
    assert off <= most, f"{name}: a query's vector is off by {off:.2e}"


def read_index(folder: Path) -> tuple[list[str], Any]:
    """Ids and vectors of an index, read as stock Pyserini does."""
    index = faiss.read_index(str(folder / "index"))
    ids = (folder / "docid").read_text(encoding="utf-8").split("\n")
    assert ids.pop() == ""
    return ids, index.reconstruct_n(0, index.ntotal)


def same_values(found: Mapping[Any, float], right: Mapping[Any, float], name: str) -> None:
    """Sees that two tables of numbers are equal."""
    assert found.keys() == right.keys(), f"{name}: {found.keys() ^ right.keys()}"
    wrong = {
        key: (found[key], value) for key, value in right.items() if abs(found[key] - value) > 1e-9
    }
    assert not wrong, f"{name}: (found, right) {dict(list(wrong.items())[:5])}"
