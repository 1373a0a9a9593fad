"""What a run is searched in: an index directory, or a collection that a vector engine holds."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from i3_pyserini.encode.flags import QueryFlags
from i3_pyserini.encode.index_encoder import encoder_for
from i3_pyserini.encode.query_encoders import QueryEncoder
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import Hits, Scores
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.search.engine import open_engine, search_engine
from i3_pyserini.search.options import Feedback
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.steps import moved


class Searchable(Protocol):
    """Passages that query vectors are searched in.

    Attributes:
        made_by: the encoder of the passages, as the manifest describes it.
        place: the name in messages.
    """

    made_by: EncoderRecord
    place: str

    def load_encoder(self, flags: QueryFlags, threads: int | None) -> QueryEncoder:
        """Loads the encoder that the flags name, or else the manifest."""
        ...

    def vectors_of(self, queries: Sequence[str] | Scores) -> Scores:
        """The vectors of Q texts by the loaded encoder, or Q given vectors; float32 [Q, H]."""
        ...

    def search(self, vectors: Scores, k: int) -> tuple[Hits, Docids]:
        """The k best passages of each query, and the ids that the rows refer to."""
        ...

    def close(self) -> None:
        """Releases what was opened."""
        ...


class SearchedIndex:
    """An index directory.

    Args:
        index: the directory.
        parameters: parameters of an approximate index; those of its file if empty.
        feedback: applied to the queries before they are searched.

    Raises:
        I3Error: see `Searcher`.

    Attributes:
        made_by: see `Searchable`.
        place: the directory.
        count: number of passages.
    """

    def __init__(self, index: str, parameters: Mapping[str, int], feedback: Feedback) -> None:
        self._searcher, self._feedback = Searcher(index, parameters=parameters), feedback
        self.made_by, self.place = self._searcher.made_by, str(self._searcher.path)
        self.count = self._searcher.count

    def load_encoder(self, flags: QueryFlags, threads: int | None) -> QueryEncoder:
        """See `Searcher.load_encoder`."""
        return self._searcher.load_encoder(flags, threads)

    def vectors_of(self, queries: Sequence[str] | Scores) -> Scores:
        """See `Searcher.vectors_of`."""
        return self._searcher.vectors_of(queries)

    def search(self, vectors: Scores, k: int) -> tuple[Hits, Docids]:
        """See `Searchable`; at most as many hits as the index has passages."""
        if self._feedback.prf_depth:
            vectors = moved(vectors, self._searcher, self._feedback)
        return self._searcher.search_arrays(vectors, k), self._searcher.docids

    def close(self) -> None:
        """Does nothing: the index is mapped."""


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
    """

    def __init__(
        self,
        address: str,
        collection: str,
        k: int,
        filter: str | None = None,  # noqa: A002  (the option's name)
    ) -> None:
        self._engine, self._collection = open_engine(address), collection
        self._filter = filter
        self._engine.check(collection, None, k)
        self.made_by = self._engine.made_by(collection)
        self.place = f"{address}, collection {collection}"
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

    def search(self, vectors: Scores, k: int) -> tuple[Hits, Docids]:
        """See `search_engine`."""
        return search_engine(self._engine, self._collection, vectors, k, filter=self._filter)

    def metadata(self, docids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Metadata of passages by id."""
        return self._engine.metadata(self._collection, docids)

    def close(self) -> None:
        """Ends the connection."""
        self._engine.close()
