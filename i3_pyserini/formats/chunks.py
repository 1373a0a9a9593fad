"""Windows of documents: their ids, and what a chunked corpus and its index record of them.

A window's id is `DOCUMENT#N`, N from 0 on; its `start` and `end` are where it stands in the
document's text, in Unicode code points.
"""

from dataclasses import dataclass

from i3_pyserini.formats.records import Record

DELIMITER = "#"  # between a document's id and the number of a window; Pyserini's MaxP has it, too


@dataclass(frozen=True)
class ChunksRecord(Record):
    """How documents were cut into windows.

    Attributes:
        by: "tokens", "sentences" or "paragraphs".
        size: of a window, in token ids, sentences or paragraphs.
        overlap: of neighbors, in the same unit.
        delimiter: between a document's id and the number of a window.
    """

    by: str | None = None
    size: int | None = None
    overlap: int | None = None
    delimiter: str = DELIMITER
