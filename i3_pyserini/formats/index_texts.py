"""The corpus of an index."""

from dataclasses import replace
from pathlib import Path

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.chunks import CHUNKS, OFFSETS
from i3_pyserini.formats.index import CorpusRecord, read_manifest
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.records import write_record
from i3_pyserini.formats.textstore import TextStore


def corpus_of(index: Path, corpus: Path | None = None) -> Corpus | None:
    """The corpus of an index, read as for encoding.

    Args:
        index: a directory of encoded vectors.
        corpus: its path; None for the path in the manifest.

    Returns:
        None if the manifest names none; with a note if the one that it names does not exist.

    Raises:
        I3Error: the corpus cannot be read.
    """
    known = read_manifest(index).corpus
    if corpus is None and known.path is None:
        return None
    path = corpus or place_of_corpus(index, known)
    if corpus is None and not path.exists():
        note(f"{index}: its corpus {path} does not exist any more: no titles, texts and metadata")
        return None
    found = Corpus.from_options(path, write_record(known))
    return with_offsets(found) if known.chunks else found


def place_of_corpus(index: Path, known: CorpusRecord) -> Path:
    """Where the corpus of an index is; windows in the index's own folder move with it.

    Args:
        index: the directory.
        known: the corpus in its manifest, which has a path.
    """
    own = index / CHUNKS / "corpus"
    return own if known.chunks and own.is_dir() else Path(str(known.path))


def with_offsets(corpus: Corpus) -> Corpus:
    """A corpus of windows that keeps where each stands in its document."""
    return replace(corpus, keep=tuple(dict.fromkeys((*corpus.keep, *OFFSETS))))


def not_in_corpus(docid: str, store: TextStore) -> I3Error:
    """The error for a passage of an index that its corpus does not have."""
    advice = "give the corpus that was encoded, or encode it again"
    return I3Error(f"passage {docid!r} is not in {store.path}; {advice}")
