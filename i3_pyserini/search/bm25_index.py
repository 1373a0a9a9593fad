"""BM25 indexes: their corpus and their location."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from i3_pyserini.encode.scan import Shard, hash_of, scan
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.folder_manifest import chunks_of
from i3_pyserini.formats.index import (
    LINES,
    BuiltRecord,
    CorpusRecord,
    IndexManifest,
    read_manifest,
)
from i3_pyserini.formats.languages import ENGLISH, language_name
from i3_pyserini.formats.passages import collection_name

if TYPE_CHECKING:
    import pandas as pd

    from i3_pyserini.formats.passages import Corpus

HASH = 8  # digits of the corpus hash in the index name
GENERAL = "corpus"  # a generic file name: the folder's name is used


class Bm25(Protocol):
    """An index for BM25.

    Args:
        index: its directory.
        threads: threads for searching.

    Raises:
        I3Error: it cannot be read.

    Attributes:
        type: index type in the manifest.
        batch: number of queries searched together.
        threads: threads for searching.
        seconds: total time of searches, without start-up.
    """

    type: ClassVar[str]
    batch: ClassVar[int]
    threads: int
    seconds: float

    def __init__(self, index: Path, threads: int = 1) -> None: ...

    @classmethod
    def check(cls) -> None:
        """Raises if a requirement is not installed.

        Raises:
            I3Error: names the requirement.
        """
        ...

    @classmethod
    def make(cls, corpus: "Corpus", index: Path, threads: int, language: str) -> None:
        """Creates an index of titles and texts.

        Args:
            corpus: the corpus; every line is checked.
            index: the directory, which must not exist.
            threads: threads for indexing.
            language: one that the engine has in `i3_pyserini.search.languages.ENGINES`.

        Raises:
            I3Error: a line of the corpus is invalid, an id occurs twice, or the index cannot be
                written.
        """
        ...

    def rank(self, topics: Mapping[str, str], hits: int, k1: float, b: float) -> "pd.DataFrame":
        """Searches with BM25.

        Args:
            topics: query text by query id.
            hits: maximum hits per query.
            k1: see `search_bm25`.
            b: see `search_bm25`.

        Returns:
            Columns query_id, doc_id and score, in the order of the topics, and within a query as
            trec_eval ranks: by score, then docid, both descending.

        Raises:
            I3Error: the index is damaged, or the search process has ended.
        """
        ...

    def close(self) -> None:
        """Closes the index."""
        ...


def corpus_hash(corpus: "Corpus") -> str:
    """Hash of all lines of a corpus, and of the selected fields if given."""
    return _with_options(hash_of(corpus, Shard()), corpus)


def index_language(index: Path) -> str:
    """The language of the analyzer that an index was created with."""
    return read_manifest(index).built.language or ENGLISH


def index_beside(
    run: Path, corpus: Path, sha256: str, engine: str, language: str = ENGLISH
) -> Path:
    """The default index directory of a corpus: beside the run, named after the corpus.

    The name contains the corpus hash, so that a changed corpus, or another one with the same name,
    gets a separate index. A note reports it if an index of the same path exists.

    Args:
        run: the run file.
        corpus: the corpus's path.
        sha256: its hash.
        engine: the first part of the name.
        language: of the analyzer; if it is not English, it is part of the name.
    """
    path = corpus.resolve()
    stem = path.name.split(".")[0] or path.name
    name = collection_name(corpus) or (path.parent.name if stem == GENERAL else stem)
    name = re.sub(r"[^\w.-]+", "_", name)
    name = name if language == ENGLISH else f"{name}-{language}"
    index = run.parent / f"{engine}-{name}-{sha256[:HASH]}"
    if not index.exists():
        for other in sorted(run.parent.glob(f"{engine}-*-{'[0-9a-f]' * HASH}")):
            same = read_manifest(other).corpus.path == str(path)
            if same and index_language(other) == language:
                note(f"{corpus} has changed since {other} was created; creating a new index")
    return index


def new_manifest(corpus: "Corpus", kind: str, language: str) -> IndexManifest:
    """Checks every line of a corpus, and returns the manifest for its index.

    Args:
        corpus: the corpus.
        kind: the index's type, such as "lucene-bm25".
        language: of the analyzer.

    Raises:
        I3Error: a line is invalid, or an id occurs twice.
    """
    found = scan(corpus)
    return IndexManifest(
        built=BuiltRecord(type=kind, language=None if language == ENGLISH else language),
        corpus=CorpusRecord(
            path=str(corpus.path.resolve()),
            name=collection_name(corpus.path),
            sha256=_with_options(found.sha256, corpus),
            chunks=chunks_of(corpus.path),
            extra={LINES: found.sha256},
        ),
        passages=found.passages,
    )


def refuse_other_index(index: Path, kind: str, sha256: str, language: str) -> None:
    """Raises if an index was not created from the same corpus in the same way.

    Args:
        index: its directory.
        kind: expected type.
        sha256: hash of the corpus; see `corpus_hash`.
        language: expected language of the analyzer.

    Raises:
        I3Error: it is not an index of this corpus in this language.
    """
    found = read_manifest(index)
    if found.built.type is None:
        raise I3Error(f"{index}: exists, but is not an index of bm25; choose another index")
    before = found.corpus.sha256 or found.extra.get("sha256")  # where it was in format 1
    if found.built.type != kind:
        raise I3Error(
            f"{index}: is an index of another engine (type is {found.built.type}, not {kind}); use "
            "that engine, or choose another index"
        )
    if before != sha256:
        raise I3Error(
            f"{index}: belongs to another corpus (sha256 is {before}, not {sha256}); remove it, or "
            "choose another index"
        )
    if (other := found.built.language or ENGLISH) != language:
        raise I3Error(
            f"{index}: was analyzed as {language_name(other)}, not {language_name(language)}; "
            "choose another index, or that language"
        )


def contents_of(title: str | None, text: str) -> str:
    """The indexed text of a passage."""
    return f"{title}\n{text}" if title else text


def _with_options(sha256: str, corpus: "Corpus") -> str:
    options = corpus.options()
    if options == type(corpus)(corpus.path, sources=corpus.sources).options():
        return sha256
    return hashlib.sha256(f"{sha256} {json.dumps(options)}".encode()).hexdigest()
