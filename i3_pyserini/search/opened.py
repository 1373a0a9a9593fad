"""Search from Python: hits with titles and texts."""

from collections.abc import Sequence
from os import fspath
from pathlib import Path
from typing import Literal, overload

import numpy as np

from i3_pyserini.encode.flags import AS_PASSAGES, QueryOptions
from i3_pyserini.encode.summary import holds
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.documents import By, Choice, WindowDocuments
from i3_pyserini.formats.hits import NO_HIT, Hit, Hits, Scores
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.paths import AnyPath, NameOrPath
from i3_pyserini.formats.textstore import TextStore, open_store
from i3_pyserini.model.explain import Explanation
from i3_pyserini.model.words import PseudoQueryWords
from i3_pyserini.search.documents import DocumentSearch, chosen
from i3_pyserini.search.found import PassageHit
from i3_pyserini.search.options import AS_BUILT, SearchParameters
from i3_pyserini.search.searchable import SearchedIndex
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.window import Window, window_at, windows_of, without_offsets


def open_index(
    index: AnyPath,
    *,
    model: NameOrPath | None = None,
    queries: QueryOptions = AS_PASSAGES,
    parameters: SearchParameters = AS_BUILT,
    corpus: AnyPath | None = None,
    cache: AnyPath | None = None,
    texts: bool = True,
    ray: str | None = None,
) -> "Index":
    """Opens an index for searching.

    Queries are encoded with the settings of the index manifest, without torch unless a device is
    given. Titles, texts and metadata of hits are read from a text store, a file that is created
    from the corpus on first use and then reused.

    Example:
        >>> index = open_index("INDEX")
        >>> index
        Index('INDEX': 3 passages of 384 dimensions; mean pooling, unit length, titles: yes, …)
        >>> index.search("how long to boil an egg", k=1)
        [PassageHit(docid='d7', score=0.83, rank=1, title='Eggs', text='Boil them for nine …')]

    Args:
        index: an index directory, or "SHARD-*" for all shards of an encoding.
        model: directory or hub name of the query model. Default: the model named in the index
            manifest.
        queries: query encoder settings.
        parameters: parameters of an approximate index.
        corpus: the encoded corpus. Default: the one named in the manifest, if it still exists.
        cache: folder for the text store. Default: the folder of the corpus.
        texts: whether hits have titles and texts.
        ray: address of a Ray cluster that searches a flat index or shards, as in `search_topics`.
            The connection ends with the program, or with `index.searcher.close()`.

    Returns:
        The opened index.

    Raises:
        I3Error: the index does not exist, is damaged, does not use inner products, belongs to
            another model, or lacks these parameters; the given corpus cannot be read; or the
            cluster does not answer.
    """
    searcher = Searcher(Path(index), parameters=parameters.given(), device=queries.device, ray=ray)
    if model is not None or queries != AS_PASSAGES:
        searcher.load_encoder(queries.flags(None if model is None else fspath(model)))
    texts_of = _Texts(
        searcher,
        None if corpus is None else Path(corpus),
        None if cache is None else Path(cache),
        texts,
    )
    return Index(searcher, texts_of)


class Index:
    """An open index; see `open_index`.

    Attributes:
        path: its directory.
        dimension: dimension of the vectors.
        searcher: the searcher, which works with arrays.
    """

    def __init__(self, searcher: Searcher, texts: "_Texts") -> None:
        self.searcher, self._texts = searcher, texts
        self.path, self.dimension = searcher.path, searcher.dimension
        self._words: PseudoQueryWords | None = None
        self._ranked: dict[By, DocumentSearch] = {}
        self._default: By | Literal["unknown"] | None = "unknown"

    def __fspath__(self) -> str:
        return str(self.path)

    def __len__(self) -> int:
        """Number of passages."""
        return self.searcher.count

    def __repr__(self) -> str:
        size = f"{len(self):,} passages of {self.dimension} dimensions"
        how = holds(self.searcher.manifest)
        return f"Index({str(self.path)!r}: {size}{f'; {how}' if how else ''})"

    @overload
    def search(
        self, queries: str, k: int = 10, *, documents: Choice | None = None
    ) -> list[PassageHit]: ...
    @overload
    def search(
        self, queries: list[str] | Scores, k: int = 10, *, documents: Choice | None = None
    ) -> list[list[PassageHit]]: ...
    def search(
        self,
        queries: str | list[str] | Scores,
        k: int = 10,
        *,
        documents: Choice | None = None,
    ) -> list[PassageHit] | list[list[PassageHit]]:
        """Finds the k passages with the highest inner products for one or several queries.

        In an index of windows, a hit is a document with its best window.

        Args:
            queries: a text, a list of Q texts, or Q vectors, float32 [Q, H].
            k: hits per query; all passages, or documents, of a smaller index.
            documents: see `search_topics`.

        Returns:
            The hits of one text, best first; for several queries, a list of hits for each.

        Raises:
            I3Error: k is below 1, a text is empty, a vector has another dimension or NaN or
                infinite values, or documents are to be ranked and no id is that of a window.
        """
        if isinstance(queries, str):
            if not queries.strip():
                raise I3Error("the query is empty")
            return self._search([queries], k, documents)[0]
        return self._search(
            queries if isinstance(queries, np.ndarray) else list(queries), k, documents
        )

    def windows(self, docid: str) -> list[Window]:
        """All windows of a document, with their texts and where they stand in it.

        Args:
            docid: the document's id.

        Raises:
            I3Error: there is no such document, its id is that of no windows, or there is no corpus.
        """
        found = windows_of(self._documents("max").windows, docid, self._texts.store)
        if not found:
            raise I3Error(f"{self.path}: no document {docid!r}")
        return found

    def explain(self, docid: str) -> Explanation:
        """The pseudo-query words in the vector of a passage, by weight.

        Loads the passage encoder with torch on first use.

        Args:
            docid: the passage's id.

        Returns:
            The words, by descending weight; prints as a table.

        Raises:
            I3Error: the model of the index has no pseudo-queries, or the passage is not in the
                corpus.
        """
        name = self.searcher.made_by.name
        if name is None:
            raise I3Error(
                f"{self.path}: its manifest names no model, so there are no pseudo-query words"
            )
        if self._words is None:
            self._words = PseudoQueryWords(name, self.searcher.manifest)
        if self._words.absent:
            raise I3Error(f"{self.path}, encoded by {name}: {self._words.absent}")
        passage = self._texts.store.get(docid)
        if passage is None:
            raise I3Error(f"{self.path}: no passage {docid!r} in its corpus")
        words = self._words.found(passage.text, passage.title)
        return Explanation(words, passage.text, passage.title, docid, "vector", trained=True)

    def _search(
        self, queries: list[str] | Scores, k: int, choice: Choice | None
    ) -> list[list[PassageHit]]:
        by = self._by(choice)
        if by is None:
            return [self._with_texts(hits) for hits in self.searcher.search(queries, k)]
        best, windows = self._documents(by).search(self.searcher.vectors_of(queries), k)
        return [self._of_documents(best, query, windows) for query in range(len(best))]

    def _by(self, choice: Choice | None) -> By | None:
        """How documents are ranked; the default is said once."""
        chunks = self.searcher.manifest.corpus.chunks
        if choice is not None:
            return chosen(choice, chunks, str(self.path))
        if self._default == "unknown":
            self._default = chosen(None, chunks, str(self.path))
        return self._default

    def _documents(self, by: By) -> DocumentSearch:
        if by not in self._ranked:
            source = SearchedIndex(self.searcher)
            self._ranked[by] = DocumentSearch(source, by, source.chunks, source.place)
        return self._ranked[by]

    def _of_documents(self, best: Hits, query: int, windows: WindowDocuments) -> list[PassageHit]:
        found = []
        pairs = zip(best.rows[query].tolist(), best.scores[query].tolist(), strict=True)
        for rank, (row, score) in enumerate(((r, s) for r, s in pairs if r != NO_HIT), start=1):
            passage = self._texts.of(windows.docids[row])
            title, text, extra = (
                (passage.title, passage.text, passage.extra) if passage else (None, None, {})
            )
            window = window_at(windows, row, passage)
            metadata = without_offsets(extra)
            found.append(PassageHit(windows[row], score, rank, title, text, metadata, window))
        return found

    def _with_texts(self, hits: Sequence[Hit]) -> list[PassageHit]:
        found = []
        for rank, (docid, score) in enumerate(hits, start=1):
            passage = self._texts.of(docid)
            if passage is None:
                found.append(PassageHit(docid, score, rank))
            else:
                title, text, extra = passage.title, passage.text, passage.extra
                found.append(PassageHit(docid, score, rank, title, text, extra))
        return found


class _Texts:
    """Titles, texts and metadata of an index's passages, if its corpus exists."""

    def __init__(
        self, searcher: Searcher, corpus: Path | None, cache: Path | None, wanted: bool
    ) -> None:
        self._searcher, self._path, self._cache = searcher, corpus, cache
        self._store: TextStore | None = None
        self._wanted = wanted
        if corpus is not None:
            searcher.corpus(corpus)

    @property
    def store(self) -> TextStore:
        """The text store, created on first use.

        Raises:
            I3Error: the manifest names no corpus, the corpus cannot be read or is not the encoded
                one, or the store cannot be written.
        """
        if self._store is None:
            searcher = self._searcher
            corpus = searcher.corpus(self._path)
            store = open_store(corpus, self._cache)
            for docid in (searcher.docids[0], searcher.docids[searcher.count - 1]):
                if store.get(docid) is None:
                    raise I3Error(
                        f"{searcher.path}: passage {docid!r} is not in {corpus.path}; give the "
                        "corpus that was encoded"
                    )
            self._store = store
        return self._store

    def of(self, docid: str) -> Passage | None:
        """The passage; None, with one note, if there is no corpus."""
        if not self._wanted:
            return None
        try:
            return self.store.get(docid)
        except I3Error as error:
            self._wanted = False
            note(f"hits have no titles and texts: {error}")
            return None
