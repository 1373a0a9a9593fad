"""Ranked windows become ranked documents, as a plain loop over them has it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.documents import (
    WindowDocuments,
    best_windows,
    mean_windows,
    of_choice,
    refuse_whole,
)
from i3_pyserini.formats.hits import NO_HIT, Hit, Hits, Rows, Scores, in_order


def ids_of(names: list[str]) -> Docids:
    return Docids(pl.Series(names, dtype=pl.String))


def plain(scores: dict[str, float], most: int, best: int) -> list[tuple[str, float]]:
    """WindowDocuments by the mean of their best windows, ties by id, both descending."""
    of: dict[str, list[float]] = {}
    for docid, score in scores.items():
        of.setdefault(docid.split("#")[0], []).append(score)
    means = {
        name: float(np.float32(np.mean(sorted(own, reverse=True)[:best])))
        for name, own in of.items()
    }
    return sorted(means.items(), key=lambda one: (one[1], one[0]), reverse=True)[:most]


NAMES = [f"{name}#{n}" for name in ("d1", "d10", "d!", "é", "a") for n in range(4)] + ["whole"]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[str], list[list[int]], int]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=21, unique=True))
    queries = draw(st.lists(st.lists(st.integers(-4, 4), min_size=len(names), max_size=len(names))))
    return names, queries, draw(st.integers(1, 8))


def ranked(names: list[str], queries: list[list[int]]) -> tuple[Hits, Docids, Scores]:
    docids = ids_of(names)
    scores = np.array(queries, dtype=np.float32).reshape(len(queries), len(names))
    order: Rows = np.argsort(-scores, axis=1, kind="stable")
    return in_order(np.take_along_axis(scores, order, 1), order, docids, len(names)), docids, scores


@given(worlds())
def test_both_ways_against_a_plain_loop(world: tuple[list[str], list[list[int]], int]) -> None:
    names, queries, most = world
    hits, docids, scores = ranked(names, queries)
    windows = WindowDocuments(docids)
    best = best_windows(hits, windows, most)
    candidates = best_windows(hits, windows, len(names))
    means = mean_windows(candidates, windows, most, lambda query, rows: scores[query, rows])
    for of, found in ((1, best), (3, means)):
        named = [[(one.docid, one.score) for one in own] for own in _named(found, windows)]
        assert named == [plain(dict(zip(names, own, strict=True)), most, of) for own in queries]
    for query, rows in enumerate(best.rows.tolist()):  # the window that the score is of
        for row, score in zip(rows, best.scores[query].tolist(), strict=True):
            assert row == NO_HIT or scores[query, row] == score


def _named(found: Hits, windows: WindowDocuments) -> list[list[Hit]]:
    hits, documents = windows.named(found)
    return hits.named(documents)


def test_windows_that_are_apart_and_whole_documents() -> None:
    windows = WindowDocuments(ids_of(["a#0", "b#0", "a#1", "c", "b#1#x"]))
    assert list(windows) == ["a", "b", "a", "c", "b"]
    assert [windows[2], windows[-1:]] == ["a", ["b"]]
    assert windows.counts.tolist() == [2, 2, 1]
    rows, position = windows.rows_of(np.array([1, 2, 0]))
    assert (rows.tolist(), position.tolist()) == ([1, 4, 3, 0, 2], [0, 0, 1, 2, 2])
    refuse_whole(windows, "x")
    assert list(WindowDocuments(ids_of(["#1", "#1#2", "##", "a#"]))) == ["#1", "#1#2", "##", "a"]
    with pytest.raises(I3Error, match=r"INDEX: .*'a'"):
        refuse_whole(WindowDocuments(ids_of(["a", "b"])), "INDEX")


def test_hits_that_are_missing_are_no_documents() -> None:
    scores = np.array([[2, 1, -np.inf], [-np.inf] * 3], dtype=np.float32)
    hits = Hits(scores, np.array([[1, 0, NO_HIT], [NO_HIT] * 3]))
    windows = WindowDocuments(ids_of(["a#0", "a#1", "b#0"]))
    best = best_windows(hits, windows, 5)
    assert (best.rows.tolist(), best.scores.tolist()) == ([[1], [NO_HIT]], [[2], [-np.inf]])
    mean = mean_windows(best, windows, 5, lambda _, rows: np.array([1, 2, 0], np.float32)[rows])
    assert (mean.rows.tolist(), mean.scores.tolist()) == ([[1], [NO_HIT]], [[1.5], [-np.inf]])


def test_choices() -> None:
    assert (of_choice(None, True), of_choice(None, False)) == ("max", None)
    assert (of_choice("none", True), of_choice("mean3", False)) == (None, "mean3")
    with pytest.raises(I3Error, match="'sum'"):
        of_choice("sum", False)  # type: ignore[arg-type]
