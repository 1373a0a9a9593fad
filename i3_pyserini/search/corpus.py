"""The corpus that an index was made of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.records import write_record
from i3_pyserini.search.searcher import Searcher

NO_READING: Mapping[str, Any] = {}


def corpus_of(
    searcher: Searcher, path: Path | None = None, reading: Mapping[str, Any] = NO_READING
) -> Corpus:
    """The corpus of an index, read as it was when it was encoded.

    Args:
        searcher: of the index.
        path: where it is now; None for where the manifest says that it was.
        reading: how it is read, where the manifest does not say; see `Corpus.from_options`.

    Raises:
        I3Error: the manifest names none, or it is not there any more.
    """
    known = searcher.manifest.corpus
    if path is None and known.path is None:
        raise I3Error(f"{searcher.path}: its manifest names no corpus; name the one it was made of")
    options = {**write_record(known), **reading}
    return Corpus.from_options(path or Path(str(known.path)), options)
