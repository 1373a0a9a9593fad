"""Searches for one query, whose hits are shown instead of written."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from i3_pyserini.encode.flags import QueryOptions
from i3_pyserini.errors import note
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.chunks import DELIMITER, OFFSETS, ChunksRecord
from i3_pyserini.formats.documents import Choice
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.paths import AnyPath
from i3_pyserini.formats.textstore import TextStore, open_store
from i3_pyserini.search.documents import DocumentSearch, chosen
from i3_pyserini.search.found import FoundPassages, PassageHit
from i3_pyserini.search.opened import open_index
from i3_pyserini.search.options import SearchParameters
from i3_pyserini.search.searchable import LoadedCollection
from i3_pyserini.search.window import Window, without_offsets


@dataclass(frozen=True)
class Asked:
    """A query and how it is searched.

    Attributes:
        query: the query.
        k: number of hits.
        model: directory or hub name of the query model; None for that of the manifest.
        queries: query encoder settings.
        corpus: the encoded corpus; None for the one in the manifest.
        cache: folder for its text store; None for that of the corpus.
        threads: number of threads; None for all cores.
        documents: how documents are ranked by their windows; see `documents.chosen`.
        ray: address of a Ray cluster; None to search on this machine.
    """

    query: str
    k: int
    model: str | None
    queries: QueryOptions
    corpus: AnyPath | None
    cache: AnyPath | None
    threads: int | None
    documents: Choice | None = None
    ray: str | None = None


def query_index(asked: Asked, index: str, parameters: SearchParameters) -> FoundPassages:
    """The hits of a query in an index directory.

    Args:
        asked: the query.
        index: the directory.
        parameters: parameters of an approximate index.

    Raises:
        I3Error: see `open_index`.
    """
    if asked.threads:
        faiss.omp_set_num_threads(asked.threads)
    opened = open_index(
        index,
        model=asked.model,
        queries=asked.queries,
        parameters=parameters,
        corpus=asked.corpus,
        cache=asked.cache,
        ray=asked.ray,
    )
    with closing(opened.searcher):
        found = opened.search(asked.query, asked.k, documents=asked.documents)
    return FoundPassages(asked.query, tuple(found))


def query_collection(
    asked: Asked,
    address: str,
    collection: str,
    filter: str | None,  # noqa: A002  (the option's name)
) -> FoundPassages:
    """The hits of a query in a collection of a vector engine.

    Metadata are those of the engine; titles and texts are those of `asked.corpus`, if it is given.

    Args:
        asked: the query.
        address: of the engine.
        collection: its name.
        filter: a condition on metadata, in the engine's language; None for none.

    Raises:
        I3Error: the collection cannot be searched, or the condition is invalid.
    """
    texts = _texts(asked)
    with closing(LoadedCollection(address, collection, asked.k, filter)) as passages:
        passages.load_encoder(asked.queries.flags(asked.model), asked.threads)
        vectors, windows = passages.vectors_of([asked.query]), None
        by = chosen(asked.documents, passages.chunks, passages.place)
        if by:
            documents = DocumentSearch(passages, by, passages.chunks, passages.place)
            hits, windows = documents.search(vectors, asked.k)
            docids = windows.docids
        else:
            hits, docids = passages.search(vectors, asked.k)
        (found,) = hits.named(docids)
        metadata = passages.metadata([hit.docid for hit in found])
    if texts is None:
        note("hits of a vector engine have no titles and texts; give the corpus (--corpus)")
    shown = []
    for rank, (docid, score) in enumerate(found, start=1):
        passage = texts.get(docid) if texts else None
        title, text = (passage.title, passage.text) if passage else (None, None)
        hit = PassageHit(docid, score, rank, title, text, metadata.get(docid, {}))
        shown.append(_of_document(hit, passages.chunks) if windows else hit)
    return FoundPassages(asked.query, tuple(shown))


def _of_document(hit: PassageHit, chunks: ChunksRecord | None) -> PassageHit:
    """The hit of a document, from that of its best window."""
    name, _, number = hit.docid.partition(chunks.delimiter if chunks else DELIMITER)
    start, end = (hit.metadata.get(one) for one in OFFSETS)
    window = None
    if number.isdecimal():
        window = Window(hit.docid, int(number) + 1, None, start, end, hit.text)
    return hit._replace(docid=name, metadata=without_offsets(hit.metadata), window=window)


def _texts(asked: Asked) -> TextStore | None:
    if asked.corpus is None:
        return None
    cache = None if asked.cache is None else Path(asked.cache)
    return open_store(Corpus(Path(asked.corpus)), cache)
