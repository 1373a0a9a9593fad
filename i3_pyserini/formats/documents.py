"""Turns ranked windows into ranked documents.

MaxP: a document has the score of its best window (Dai and Callan, Deeper Text Understanding for IR
with Contextual Neural Language Modeling, SIGIR 2019). Mean of three: the mean of its three best
windows, or of all if it has fewer.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np
import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.chunks import DELIMITER
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import NO_HIT, Hits, Rows, Scores, in_order

if TYPE_CHECKING:
    from i3_pyserini.formats.runs import Run

By = Literal["max", "mean3"]
Choice = Literal["max", "mean3", "none"]
BEST = 3  # windows of a mean
WINDOW = rf"^[^{DELIMITER}]+{DELIMITER}\d+$"


class WindowDocuments(Sequence[str]):
    """The document of each window: `windows[row]` is its id.

    Args:
        docids: ids of windows, such as `d7#0`; those of a document need not follow each other. An
            id without the delimiter or that begins with it is a document of one window.
        delimiter: what follows the document's id, at its first place, as in Pyserini.

    Attributes:
        docids: the ids of windows.
        names: the ids of the D documents, in the order in which they come first.
        of_row: int64 [N], the document of each window.
    """

    def __init__(self, docids: Docids, delimiter: str = DELIMITER) -> None:
        self.docids = docids
        ids = docids.take(np.arange(len(docids)))
        names = ids.str.splitn(delimiter, 2).struct.field("field_0")
        names = names.zip_with(names != "", ids)
        numbers, known = names.rle_id(), names.unique(maintain_order=True)
        if len(numbers) and numbers[-1] >= len(known):  # windows of a document are apart
            numbers = names.cast(pl.Enum(known)).to_physical()
        self.of_row: Rows = numbers.to_numpy().astype(np.int64)
        self.names = Docids(known)
        self.are_cut = bool(len(ids)) and bool((ids != names).any())

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.of_row)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names.take(self.of_row))

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return self.names.take(self.of_row[row]).to_list()
        return self.names[int(self.of_row[row])]

    @cached_property
    def counts(self) -> Rows:
        """The number of windows of each document, int64 [D]."""
        return np.bincount(self.of_row, minlength=len(self.names)).astype(np.int64)

    def rows_of(self, documents: Rows) -> tuple[Rows, Rows]:
        """All windows of some documents.

        Args:
            documents: int64 [M].

        Returns:
            Their rows, and the position of each one's document in `documents`; in that order.
        """
        starts, counts = self._starts[documents], self.counts[documents]
        position = np.repeat(np.arange(len(documents)), counts)
        within = np.arange(len(position)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._by_document[starts[position] + within], position

    def named(self, best: Hits) -> tuple[Hits, Docids]:
        """Hits of documents, from those of their best windows."""
        rows = np.where(best.rows == NO_HIT, NO_HIT, self.of_row[best.rows.clip(0)])
        return Hits(best.scores, rows), self.names

    @cached_property
    def _by_document(self) -> Rows:
        return np.argsort(self.of_row, kind="stable")

    @cached_property
    def _starts(self) -> Rows:
        return np.cumsum(self.counts) - self.counts


def best_windows(hits: Hits, windows: WindowDocuments, most: int) -> Hits:
    """MaxP: the best window of each document, in the order of a run of documents.

    Args:
        hits: of windows, descending within a query.
        windows: the documents of all rows.
        most: maximum documents per query.

    Returns:
        Hits whose rows are windows, [Q, at most `most`]; equal scores by id of the document,
        descending.
    """
    found = hits.rows != NO_HIT
    documents = windows.of_row[hits.rows.clip(0)] if len(windows) else hits.rows
    keys = np.arange(len(hits))[:, None] * (len(windows.names) + 1) + documents
    keys = np.where(found, keys, NO_HIT)
    first = pl.Series(keys.ravel()).is_first_distinct().to_numpy().reshape(keys.shape) & found
    return in_order(*_packed(hits, first), windows, most)


def mean_windows(
    best: Hits, windows: WindowDocuments, most: int, score: Callable[[int, Rows], Scores]
) -> Hits:
    """Mean of three: candidates by the mean of their three best windows.

    Args:
        best: the best window of each candidate; see `best_windows`.
        windows: the documents of all rows.
        most: maximum documents per query.
        score: the scores of rows, float32, for the query with a number.

    Returns:
        Hits whose rows are the best window of each document; scores are the means.
    """
    scores = np.full(best.rows.shape, -np.inf, dtype=np.float32)
    rows = np.full(best.rows.shape, NO_HIT, dtype=np.int64)
    for query in range(len(best)):
        candidates = windows.of_row[best.rows[query][best.rows[query] != NO_HIT]]
        if not len(candidates):
            continue
        own, position = windows.rows_of(candidates)
        values = score(query, own)
        order = np.lexsort((-values, position))
        values, position, own = values[order], position[order], own[order]
        starts = np.flatnonzero(np.diff(position, prepend=-1))
        place = np.arange(len(position)) - starts[position]
        counted = place < BEST
        sums = np.bincount(position[counted], weights=values[counted])
        means = (sums / np.bincount(position[counted])).astype(np.float32)
        by_mean = np.argsort(-means, kind="stable")
        scores[query, : len(means)] = means[by_mean]
        rows[query, : len(means)] = own[starts][by_mean]
    return in_order(scores, rows, windows, most)


def of_choice(choice: Choice | None, declared: bool) -> By | None:
    """How documents are ranked, or None to rank windows.

    Args:
        choice: what the user asked for; None for the default.
        declared: whether a manifest says that passages are windows of documents.

    Raises:
        I3Error: there is no such choice.
    """
    if choice is None:
        return "max" if declared else None
    if choice not in get_args(Choice):
        raise I3Error(f"documents {choice!r}: expected {', '.join(get_args(Choice))}")
    return None if choice == "none" else choice


def refuse_whole(windows: WindowDocuments, place: str) -> None:
    """Raises if no id is that of a window.

    Raises:
        I3Error: names the place.
    """
    if not windows.are_cut:
        raise no_windows(place, windows.docids[0] if len(windows) else None)


def no_windows(place: str, example: str | None) -> I3Error:
    """The error for passages of which no id is that of a window.

    Args:
        place: where they are.
        example: an id; None if there is none.
    """
    shown = f", such as {example!r}" if example else ""
    return I3Error(
        f"{place}: no id is that of a document's window (DOCUMENT{DELIMITER}N){shown}; "
        "omit documents, or cut documents with data chunk"
    )


def window_of(ids: pl.Series, documents: pl.Series) -> tuple[str, str] | None:
    """The first id that is that of a window of one of some documents, and the document.

    Args:
        ids: of passages, perhaps windows.
        documents: ids of what is known; an id that is among them itself counts as no window.

    Returns:
        None if there is none.
    """
    windows = ids.filter(ids.str.contains(WINDOW))
    names = windows.str.splitn(DELIMITER, 2).struct.field("field_0")
    known = documents.unique().implode()
    found = names.is_in(known) & ~windows.is_in(known)
    row = found.arg_max()
    return (windows[row], names[row]) if row is not None and found[row] else None


def refuse_mixed(runs: "Sequence[Run]") -> None:
    """Raises if one run ranks windows of documents that another ranks.

    Raises:
        I3Error: names both runs.
    """
    ids = [run.lines["doc_id"].unique(maintain_order=True) for run in runs]
    for run, own in zip(runs, ids, strict=True):
        for other, names in zip(runs, ids, strict=True):
            if other is not run and (found := window_of(own, names)):
                raise I3Error(
                    f"{run.name} ranks windows ({found[0]!r}), and {other.name} documents "
                    f"({found[1]!r}); rank the documents of {run.name} first: i3-pyserini "
                    "documents RUN --output NEW"
                )


def _packed(hits: Hits, kept: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[Scores, Rows]:
    """The kept hits of each query, without gaps."""
    counts = kept.sum(axis=1)
    shape = len(hits), int(counts.max(initial=0))
    scores = np.full(shape, -np.inf, dtype=np.float32)
    rows = np.full(shape, NO_HIT, dtype=np.int64)
    filled = np.arange(shape[1]) < counts[:, None]
    scores[filled], rows[filled] = hits.scores[kept], hits.rows[kept]
    return scores, rows
