"""What a chunked corpus records of itself: how documents were cut into windows.

A window is a passage with the id `DOCUMENT#N`, N from 0, and the fields `start` and `end`: its
place in the document's text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from i3_pyserini.formats.records import Record

DELIMITER = "#"  # between a document's id and a window's number; Pyserini's `--max-passage`
OFFSETS = ("start", "end")
CHUNKS = "chunks"  # folder of an index with its windows, a corpus like others


@dataclass(frozen=True)
class ChunksRecord(Record):
    """How the documents of a corpus were cut into windows.

    Attributes:
        by: "tokens", "sentences" or "paragraphs".
        size: longest window, in `unit`.
        overlap: what a window repeats of the one before it: ids or words ("tokens"), sentences or
            paragraphs.
        delimiter: between a document's id and a window's number.
        unit: "ids" of the model's passage input, or "words" of the text.
        model: the model whose ids were counted; None for words.
        titles: whether titles were counted.
        of: path of the corpus of documents.
        sha256: of all bytes of its lines, in order.
        documents: their number.
        reading: how they were read, where that is not the default; see `Corpus.options`.
    """

    by: str | None = None
    size: int | None = None
    overlap: int | None = None
    delimiter: str = DELIMITER
    unit: str | None = None
    model: str | None = None
    titles: bool | None = None
    of: str | None = None
    sha256: str | None = None
    documents: int | None = None
    reading: Mapping[str, Any] | None = None
