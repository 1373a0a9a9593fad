"""Searches for one query, whose hits are shown instead of written."""

from contextlib import closing

import faiss

from i3_pyserini.encode.flags import QueryOptions
from i3_pyserini.search.found import FoundPassages, PassageHit
from i3_pyserini.search.opened import Index
from i3_pyserini.search.searchable import LoadedCollection


def query_index(index: Index, query: str, k: int, threads: int | None) -> FoundPassages:
    """The hits of a query in an index directory.

    Args:
        index: the index.
        query: the query.
        k: number of hits.
        threads: number of threads; None for all cores.

    Raises:
        I3Error: see `Index.search`.
    """
    if threads:
        faiss.omp_set_num_threads(threads)
    return FoundPassages(query, tuple(index.search(query, k)))


def query_collection(
    address: str,
    collection: str,
    query: str,
    k: int,
    model: str | None,
    queries: QueryOptions,
    filter: str | None,  # noqa: A002  (the option's name)
) -> FoundPassages:
    """The hits of a query in a collection of a vector engine, which has metadata but no texts.

    Args:
        address: of the engine.
        collection: its name.
        query: the query.
        k: number of hits.
        model: directory or hub name of the query model; None for that of the manifest.
        queries: query encoder settings.
        filter: a condition on metadata, in the engine's language; None for none.

    Raises:
        I3Error: the collection cannot be searched, or the condition is invalid.
    """
    with closing(LoadedCollection(address, collection, k, filter)) as passages:
        passages.load_encoder(queries.flags(model), None)
        hits, docids = passages.search(passages.vectors_of([query]), k)
        (found,) = hits.named(docids)
        metadata = passages.metadata([hit.docid for hit in found])
    return FoundPassages(
        query,
        tuple(
            PassageHit(docid, score, rank, metadata=metadata.get(docid, {}))
            for rank, (docid, score) in enumerate(found, start=1)
        ),
    )
