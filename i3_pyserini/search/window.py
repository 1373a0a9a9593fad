"""Where a window stands in its document."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from i3_pyserini.formats.chunks import OFFSETS

if TYPE_CHECKING:  # polars, which commands do not import before their arguments are checked
    from i3_pyserini.formats.documents import WindowDocuments
    from i3_pyserini.formats.passage_fields import Passage
    from i3_pyserini.formats.textstore import TextStore


class Window(NamedTuple):
    """A window of a document.

    Attributes:
        id: its id, such as "d7#2".
        number: which of the document's windows, from 1 on.
        of: how many the document has; None if it is not known, as in an engine.
        start: its first character in the document's text, from 0 on; None if it is not known.
        end: the first character behind it.
        text: its text; None if the corpus does not exist.
    """

    id: str
    number: int
    of: int | None = None
    start: int | None = None
    end: int | None = None
    text: str | None = None

    def __str__(self) -> str:
        words = f"window {self.number:,}" + (f" of {self.of:,}" if self.of else "")
        if self.start is None or self.end is None:
            return words
        return f"{words}, characters {self.start:,} to {self.end:,}"

    def to_json(self) -> dict[str, Any]:
        """All but the text, which a hit has itself."""
        return {name: value for name, value in self._asdict().items() if name != "text"}


def window_at(windows: "WindowDocuments", row: int, passage: "Passage | None") -> Window:
    """The window in a row.

    Args:
        windows: the documents of all windows.
        row: the row.
        passage: the window's text, with its offsets; None if the corpus does not exist.
    """
    rows, _ = windows.rows_of(windows.of_row[row : row + 1])
    number = int(np.flatnonzero(rows == row)[0]) + 1
    return _window(windows.docids[row], number, len(rows), passage)


def windows_of(windows: "WindowDocuments", docid: str, store: "TextStore") -> list[Window]:
    """All windows of a document, in the order of the index; empty if there is no such document.

    Args:
        windows: the documents of all windows.
        docid: the document's id.
        store: the windows' texts.
    """
    row = windows.names.rows_of([docid]).get(docid)
    if row is None:
        return []
    rows, _ = windows.rows_of(np.array([row]))
    ids = [windows.docids[one] for one in rows.tolist()]
    return [_window(one, number, len(ids), store.get(one)) for number, one in enumerate(ids, 1)]


def _window(docid: str, number: int, of: int, passage: "Passage | None") -> Window:
    extra = passage.extra if passage else {}
    start, end = (extra.get(name) for name in OFFSETS)
    return Window(docid, number, of, start, end, passage.text if passage else None)


def without_offsets(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata without those that a window has of its own."""
    return {name: value for name, value in metadata.items() if name not in OFFSETS}
