"""The indexes that BM25 runs are searched in: of which corpus they are, and where they lie."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from i3_pyserini.encode.scan import Shard, hash_of, scan
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.index import BuiltRecord, CorpusRecord, IndexManifest, read_manifest
from i3_pyserini.formats.passages import collection_name

if TYPE_CHECKING:
    import pandas as pd

    from i3_pyserini.formats.passages import Corpus

HASH = 8  # digits of the corpus's hash in the name of an index
GENERAL = "corpus"  # a file's name that says nothing: the folder's name does


class Bm25(Protocol):
    """An index that is searched with BM25.

    Args:
        index: its directory.
        threads: of searching.

    Raises:
        I3Error: it cannot be read.

    Attributes:
        type: of the index, in its manifest.
        batch: queries that are searched together.
        threads: of searching.
        seconds: that searches have taken, without start-up.
    """

    type: ClassVar[str]
    batch: ClassVar[int]
    threads: int
    seconds: float

    def __init__(self, index: Path, threads: int = 1) -> None: ...

    @classmethod
    def check(cls) -> None:
        """Raises if what searches is not installed.

        Raises:
            I3Error: says what.
        """
        ...

    @classmethod
    def make(cls, corpus: "Corpus", index: Path, threads: int) -> None:
        """Makes an index of titles and texts.

        Args:
            corpus: the corpus; every line is checked.
            index: the directory, which is not there.
            threads: of indexing.

        Raises:
            I3Error: a line of the corpus is invalid, an id occurs twice, or it cannot be made.
        """
        ...

    def rank(self, topics: Mapping[str, str], hits: int, k1: float, b: float) -> "pd.DataFrame":
        """Searches with BM25.

        Args:
            topics: query text by query id.
            hits: of a query, at most.
            k1: see `search_bm25`.
            b: likewise.

        Returns:
            Columns query_id, doc_id and score, in the order of the topics, and within a query as
            trec_eval ranks: by score, then docid, both descending.

        Raises:
            I3Error: it is damaged, or what searches has ended.
        """
        ...

    def close(self) -> None:
        """Ends what searches."""
        ...


def corpus_hash(corpus: "Corpus") -> str:
    """Hash of all lines of a corpus, and of which fields of them are read if that is said."""
    return _with_options(hash_of(corpus, Shard()), corpus)


def index_beside(run: Path, corpus: Path, sha256: str, engine: str) -> Path:
    """Where the index of a corpus is by default: beside the run, under the corpus's name.

    The name has the hash of the corpus in it, so that a changed corpus, or another of this name,
    gets an index of its own; that is noted where an index of the same path is there.

    Args:
        run: the run file.
        corpus: the corpus's path.
        sha256: its hash.
        engine: the first part of the name.
    """
    path = corpus.resolve()
    stem = path.name.split(".")[0] or path.name
    name = collection_name(corpus) or (path.parent.name if stem == GENERAL else stem)
    name = re.sub(r"[^\w.-]+", "_", name)
    index = run.parent / f"{engine}-{name}-{sha256[:HASH]}"
    if not index.exists():
        for other in sorted(run.parent.glob(f"{engine}-*-{'[0-9a-f]' * HASH}")):
            if read_manifest(other).corpus.path == str(path):
                note(f"{corpus} has changed since {other} was made of it; a new index is made")
    return index


def new_manifest(corpus: "Corpus", kind: str) -> IndexManifest:
    """Checks every line of a corpus, and says what an index of it is made of.

    Args:
        corpus: the corpus.
        kind: the index's type, such as "lucene-bm25".

    Raises:
        I3Error: a line is invalid, or an id occurs twice.
    """
    found = scan(corpus)
    return IndexManifest(
        built=BuiltRecord(type=kind),
        corpus=CorpusRecord(
            path=str(corpus.path.resolve()),
            name=collection_name(corpus.path),
            sha256=_with_options(found.sha256, corpus),
        ),
        passages=found.passages,
    )


def refuse_other_index(index: Path, kind: str, sha256: str) -> None:
    """Raises if an index was not made of the same corpus.

    Args:
        index: its directory.
        kind: the type that it must have.
        sha256: hash of the corpus; see `corpus_hash`.

    Raises:
        I3Error: something else is there.
    """
    found = read_manifest(index)
    if found.built.type is None:
        raise I3Error(f"{index}: exists, but is no index that bm25 made; name another index")
    before = found.corpus.sha256 or found.extra.get("sha256")  # where it was in format 1
    for name, old, new in (("type", found.built.type, kind), ("sha256", before, sha256)):
        if old != new:
            raise I3Error(
                f"{index}: was made of something else ({name} is {old}, not {new}); remove it, or "
                "name another index"
            )


def contents_of(title: str | None, text: str) -> str:
    """What is indexed of a passage."""
    return f"{title}\n{text}" if title else text


def _with_options(sha256: str, corpus: "Corpus") -> str:
    options = corpus.options()
    if options == type(corpus)(corpus.path, sources=corpus.sources).options():
        return sha256
    return hashlib.sha256(f"{sha256} {json.dumps(options)}".encode()).hexdigest()
