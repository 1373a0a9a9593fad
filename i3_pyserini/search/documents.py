"""Searches for documents whose windows are indexed.

A query is searched for more windows until it has enough documents. For MaxP that is exact. For the
mean of three the search also goes on while a document that was not found could still be among the
first: its mean is at most the score of the last window found. All windows of the documents found
are scored by their vectors.
"""

from typing import Any, Protocol

import numpy as np
import polars as pl

from i3_pyserini.errors import I3Error, at_least_1, note
from i3_pyserini.formats.chunks import DELIMITER, ChunksRecord
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.documents import (
    By,
    Choice,
    WindowDocuments,
    best_windows,
    mean_windows,
    of_choice,
    refuse_whole,
)
from i3_pyserini.formats.hits import NO_HIT, Hits, Rows, Scores

CELLS = 1 << 24  # hits of one search: 200 MB
DEEPER = 2  # times the documents asked for: windows at first; and the factor of a deeper search
WAYS = {"max": "their best windows (MaxP)", "mean3": "the mean of their best three windows"}
Ids = np.ndarray[Any, np.dtype[np.int64]]


class WindowSearch(Protocol):
    """What is searched for windows.

    Attributes:
        most: maximum hits per query.
        docids: the ids of all windows; None if they are not known before a search.
    """

    most: int
    docids: Docids | None

    def search(self, vectors: Scores, k: int) -> tuple[Hits, Docids]:
        """The k best windows of each query, and the ids of their rows."""
        ...

    def scores(self, vector: Scores, rows: Rows) -> Scores:
        """The scores of rows for one query vector, float32."""
        ...


def chosen(choice: Choice | None, chunks: ChunksRecord | None, place: str) -> By | None:
    """How documents are ranked, or None to rank windows; says so if a manifest decides it.

    Args:
        choice: what the user asked for; None for the default: "max" for windows of documents.
        chunks: what the manifest says of windows.
        place: the index's name in messages.

    Raises:
        I3Error: there is no such choice.
    """
    by = of_choice(choice, chunks is not None)
    if by and choice is None:
        note(
            f"{place} has windows of documents: documents are ranked by {WAYS[by]}; "
            "--documents changes that (none: windows)"
        )
    return by


class DocumentSearch:
    """Ranks documents by what a search finds of their windows.

    Args:
        source: searches windows.
        by: see `formats.documents`.
        chunks: what the manifest says of windows; None if it does not.
        place: the index's name in messages.

    Raises:
        I3Error: no id is that of a window, or an engine is to rank by the mean of three.
    """

    def __init__(
        self, source: WindowSearch, by: By, chunks: ChunksRecord | None, place: str
    ) -> None:
        if by == "mean3" and source.docids is None:
            raise I3Error(
                f"{place}: mean3 needs all windows of a document, which a vector engine does not "
                "return; use documents max, or search the index directory"
            )
        self._source, self._by, self._place = source, by, place
        self._delimiter = chunks.delimiter if chunks else DELIMITER
        self._windows: WindowDocuments | None = None
        if source.docids is not None:
            self._windows = WindowDocuments(source.docids, self._delimiter)
            refuse_whole(self._windows, place)

    @property
    def windows(self) -> WindowDocuments:
        """The documents of all windows.

        Raises:
            I3Error: they are not known before a search.
        """
        if self._windows is None:
            raise I3Error(f"{self._place}: the windows of an engine are not known before a search")
        return self._windows

    @property
    def documents(self) -> int | None:
        """Number of documents; None if it is not known before a search."""
        return len(self._windows.names) if self._windows else None

    def search(self, vectors: Scores, k: int) -> tuple[Hits, WindowDocuments]:
        """The k best documents of each query.

        Args:
            vectors: float32 [Q, H].
            k: documents per query; all, if there are fewer.

        Returns:
            Hits whose rows are the best window of each document, [Q, at most k], and the documents
            of all rows: `WindowDocuments.named` makes hits of documents of them.

        Raises:
            I3Error: k is below 1, or the search failed.
        """
        at_least_1(k=k)
        k = min(k, self.documents or k)
        depth, found = min(DEEPER * k, self._source.most), _Found(len(vectors), k)
        left: Ids = np.arange(len(vectors))
        while len(left):
            step = max(1, CELLS // depth)
            parts = [left[start : start + step] for start in range(0, len(left), step)]
            left = np.concatenate([self._searched(vectors, part, depth, found) for part in parts])
            if depth == self._source.most:
                break
            depth = min(DEEPER * depth, self._source.most)
        if self._windows is None:
            self._note_fewer(found.fewer(left), len(vectors), k)
        return found.hits, self._windows or self.of(found.docids)

    def _searched(self, vectors: Scores, queries: Ids, depth: int, found: "_Found") -> Ids:
        """Searches for some queries, and returns those that must be searched deeper."""
        own, k = vectors[queries], found.k
        hits, docids = self._source.search(own, depth)
        windows = self._windows or self.of(docids)
        best = best_windows(hits, windows, k if self._by == "max" else depth)
        if self._by == "mean3":
            best = mean_windows(
                best, windows, k, lambda query, rows: self._source.scores(own[query], rows)
            )
        found.put(queries, best, docids)
        if hits.rows.shape[1] < depth:
            return queries[:0]
        # A window that was not found has at most the score of the last one.
        enough = best.rows.shape[1] == k
        short = ~(best.scores[:, -1] > hits.scores[:, -1]) if enough else np.full(len(own), True)
        left: Ids = queries[short & (hits.rows[:, -1] != NO_HIT)]
        return left

    def of(self, docids: Docids) -> WindowDocuments:
        """The documents of some windows."""
        return WindowDocuments(docids, self._delimiter)

    def _note_fewer(self, fewer: int, queries: int, k: int) -> None:
        if fewer:
            note(
                f"{self._place}: fewer than {k:,} documents for {fewer:,} of {queries:,} queries, "
                f"since an engine returns at most {self._source.most:,} windows"
            )


class _Found:
    """The documents found so far; a deeper search replaces those of its queries."""

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.hits = Hits(
            np.full((queries, k), -np.inf, dtype=np.float32),
            np.full((queries, k), NO_HIT, dtype=np.int64),
        )
        self._parts: list[Docids] = []

    def put(self, queries: Ids, hits: Hits, docids: Docids) -> None:
        """Sets the hits of some queries."""
        if not self._parts or self._parts[-1] is not docids:
            self._parts.append(docids)
        before = sum(len(one) for one in self._parts[:-1])
        width = hits.rows.shape[1]
        self.hits.scores[queries, :width] = hits.scores
        self.hits.rows[queries, :width] = np.where(hits.rows == NO_HIT, NO_HIT, hits.rows + before)

    def fewer(self, queries: Ids) -> int:
        """How many of some queries have fewer than k documents."""
        return int((self.hits.rows[queries, -1] == NO_HIT).sum())

    @property
    def docids(self) -> Docids:
        """The ids of the rows."""
        return Docids(pl.concat([one.take(np.arange(len(one))) for one in self._parts]))
