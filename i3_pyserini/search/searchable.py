"""What a run is searched in: an index directory, or a collection that a vector engine holds."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from i3_pyserini.encode.flags import QueryFlags
from i3_pyserini.encode.index_encoder import encoder_for
from i3_pyserini.encode.query_encoders import QueryEncoder
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.chunks import ChunksRecord
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import Hits, Rows, Scores
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.run_facts import index_collection
from i3_pyserini.formats.run_metadata import CollectionRecord
from i3_pyserini.search.engine import Collection, open_engine
from i3_pyserini.search.options import NO_FEEDBACK, Feedback
from i3_pyserini.search.origin import engine_record, index_record
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.steps import moved


class Searchable(Protocol):
    """Passages that query vectors are searched in.

    Attributes:
        made_by: the encoder of the passages, as the manifest describes it.
        place: the name in messages.
        most: maximum hits per query.
        docids: ids of all passages; None for an engine, which has more than fit here.
        chunks: what is known of windows of documents; None if passages are none.
    """

    made_by: EncoderRecord
    place: str
    most: int
    docids: Docids | None
    chunks: ChunksRecord | None

    def load_encoder(self, flags: QueryFlags, threads: int | None) -> QueryEncoder:
        """Loads the encoder that the flags name, or else the manifest."""
        ...

    def vectors_of(self, queries: Sequence[str] | Scores) -> Scores:
        """The vectors of Q texts by the loaded encoder, or Q given vectors; float32 [Q, H]."""
        ...

    def moved(self, vectors: Scores) -> Scores:
        """The vectors to search for, after feedback; float32 [Q, H]."""
        ...

    def search(self, vectors: Scores, k: int) -> tuple[Hits, Docids]:
        """The k best passages of each query, and the ids that the rows refer to."""
        ...

    def scores(self, vector: Scores, rows: Rows) -> Scores:
        """The scores of rows for one query vector, float32."""
        ...

    def recorded(self, given: Mapping[str, int]) -> tuple[CollectionRecord, dict[str, Any]]:
        """The collection, and where its passages are, for the metadata of runs.

        Args:
            given: parameters of this search.
        """
        ...

    def close(self) -> None:
        """Releases what was opened."""
        ...


class SearchedIndex:
    """An index directory.

    Args:
        searcher: of the directory.
        feedback: see `moved`.

    Attributes:
        made_by: see `Searchable`.
        place: the directory.
        most: number of passages.
        docids: their ids.
        chunks: see `Searchable`.
    """

    def __init__(self, searcher: Searcher, feedback: Feedback = NO_FEEDBACK) -> None:
        self._searcher, self._feedback = searcher, feedback
        self.made_by, self.place = searcher.made_by, str(searcher.path)
        self.most = searcher.count
        self.docids: Docids | None = searcher.docids
        self.chunks = searcher.manifest.corpus.chunks

    def load_encoder(self, flags: QueryFlags, threads: int | None) -> QueryEncoder:
        """See `Searcher.load_encoder`."""
        return self._searcher.load_encoder(flags, threads)

    def vectors_of(self, queries: Sequence[str] | Scores) -> Scores:
        """See `Searcher.vectors_of`."""
        return self._searcher.vectors_of(queries)

    def moved(self, vectors: Scores) -> Scores:
        """See `Searchable`."""
        if not self._feedback.prf_depth:
            return vectors
        return moved(vectors, self._searcher, self._feedback)

    def search(self, vectors: Scores, k: int) -> tuple[Hits, Docids]:
        """See `Searchable`; at most as many hits as the index has passages."""
        return self._searcher.search_arrays(vectors, k), self._searcher.docids

    def scores(self, vector: Scores, rows: Rows) -> Scores:
        """See `Searchable`."""
        scores: Scores = self._searcher.passages(rows) @ vector
        return scores

    def recorded(self, given: Mapping[str, int]) -> tuple[CollectionRecord, dict[str, Any]]:
        """See `Searchable`."""
        searched, manifest = self._searcher, self._searcher.manifest
        return index_collection(manifest, searched.count), index_record(
            searched.path, manifest, given, searched.parts
        )

    def close(self) -> None:
        """See `Searcher.close`."""
        self._searcher.close()


class LoadedCollection:
    """A collection that was loaded into a vector engine.

    Args:
        address: of the engine; see `open_engine`.
        collection: the collection's name.
        k: number of hits that will be requested.
        filter: condition on metadata, in the engine's language; None for none.

    Raises:
        I3Error: there is no such engine or collection, or it returns fewer hits.

    Attributes:
        made_by: see `Searchable`.
        place: address and collection.
        most: maximum hits per query.
        docids: None.
        chunks: see `Searchable`.
    """

    def __init__(
        self,
        address: str,
        collection: str,
        k: int,
        filter: str | None = None,  # noqa: A002  (the option's name)
    ) -> None:
        self._engine, self._address, self._name = open_engine(address), address, collection
        self._filter = filter
        try:
            self._collection = Collection(self._engine, collection)
            self._collection.check(k)
        except I3Error:
            self._engine.close()  # an embedded engine is locked until then
            raise
        self._collection.note_stale()
        self.made_by = self._collection.made_by
        self.place = f"{self._engine.address}, collection {collection}"
        self.most = self._engine.most_hits
        self.docids: Docids | None = None
        self.chunks = self._collection.chunks
        self._encoder: QueryEncoder | None = None

    def load_encoder(self, flags: QueryFlags, threads: int | None) -> QueryEncoder:
        """See `encoder_for`."""
        self._encoder = encoder_for(self.made_by, self.place, flags, threads)
        return self._encoder

    def vectors_of(self, queries: Sequence[str] | Scores) -> Scores:
        """See `Searchable`; the engine checks their dimension when they are searched."""
        if isinstance(queries, np.ndarray):
            return queries
        encoder = self._encoder or self.load_encoder(QueryFlags(), None)
        return encoder.encode(queries)

    def moved(self, vectors: Scores) -> Scores:
        """The same vectors."""
        return vectors

    def scores(self, vector: Scores, rows: Rows) -> Scores:
        """Not available: an engine returns no vectors."""
        raise NotImplementedError

    def search(self, vectors: Scores, k: int) -> tuple[Hits, Docids]:
        """See `search_engine`."""
        return self._collection.search(vectors, k, filter=self._filter)

    def metadata(self, docids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Metadata of passages by id."""
        return self._collection.metadata(docids)

    def recorded(self, given: Mapping[str, int]) -> tuple[CollectionRecord, dict[str, Any]]:
        """See `Searchable`; an engine does not say of which corpus its passages are."""
        return CollectionRecord(), engine_record(self._address, self._name)

    def close(self) -> None:
        """Ends the connection."""
        self._engine.close()
