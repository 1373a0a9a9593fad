"""An index opened for searching from Python: hits with titles and texts."""

from collections.abc import Sequence
from os import fspath
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np

from i3_pyserini.encode.flags import AS_PASSAGES, QueryOptions
from i3_pyserini.encode.summary import holds
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.hits import Hit, Scores
from i3_pyserini.formats.paths import AnyPath, NameOrPath
from i3_pyserini.formats.textstore import TextStore, open_store
from i3_pyserini.model.explain import Explanation
from i3_pyserini.model.words import PseudoQueryWords
from i3_pyserini.search.options import AS_BUILT, SearchParameters
from i3_pyserini.search.searcher import Searcher


class PassageHit(NamedTuple):
    """A passage that a search found.

    Attributes:
        docid: its id.
        score: its inner product with the query.
        rank: from 1 on.
        title: its title; None if it has none, or the corpus is not there.
        text: its text; None if the corpus is not there.
    """

    docid: str
    score: float
    rank: int
    title: str | None = None
    text: str | None = None


def open_index(
    index: AnyPath,
    *,
    model: NameOrPath | None = None,
    queries: QueryOptions = AS_PASSAGES,
    parameters: SearchParameters = AS_BUILT,
    corpus: AnyPath | None = None,
    cache: AnyPath | None = None,
    texts: bool = True,
) -> "Index":
    """Opens an index for searching.

    Queries are encoded as the index's manifest says, without torch unless a device is named.
    Titles and texts of hits come from the corpus through a text store, one file that is made when
    they are first asked for and used again from then on.

    Example:
        >>> index = open_index("INDEX")
        >>> index
        Index('INDEX': 3 passages of 384 dimensions; mean pooling, unit length, titles: yes, …)
        >>> index.search("how long to boil an egg", k=1)
        [PassageHit(docid='d7', score=0.83, rank=1, title='Eggs', text='Boil them for nine …')]

    Args:
        index: an index directory.
        model: directory or hub name of the model that encodes queries; the one that the index's
            manifest names by default.
        queries: how it encodes them.
        parameters: of an approximate index.
        corpus: the corpus that was encoded; the one that the manifest names by default, if it is
            still there.
        cache: folder for the text store; the one that the corpus is in by default.
        texts: give hits their titles and texts.

    Returns:
        The opened index.

    Raises:
        I3Error: there is no index, it is damaged or not of inner products, it is of another model,
            or it has not these parameters; or a corpus that is named cannot be read.
    """
    searcher = Searcher(Path(index), parameters=parameters.given())
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
    """An index that is open for searching; `open_index` makes one.

    Attributes:
        path: its directory.
        dimension: numbers in each vector.
        searcher: searches it by arrays.
    """

    def __init__(self, searcher: Searcher, texts: "_Texts") -> None:
        self.searcher, self._texts = searcher, texts
        self.path, self.dimension = searcher.path, searcher.dimension
        self._words: PseudoQueryWords | None = None

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
    def search(self, queries: str, k: int = 10) -> list[PassageHit]: ...
    @overload
    def search(self, queries: list[str] | Scores, k: int = 10) -> list[list[PassageHit]]: ...
    def search(
        self, queries: str | list[str] | Scores, k: int = 10
    ) -> list[PassageHit] | list[list[PassageHit]]:
        """The k passages of highest inner product with a query, or with each of several.

        Args:
            queries: a text, a list of Q texts, or Q vectors, float32 [Q, H].
            k: hits of a query; of a smaller index, all its passages.

        Returns:
            The hits of one text, the best first; of several queries, a list for each.

        Raises:
            I3Error: k is below 1, or a vector has another dimension or is not finite.
        """
        if isinstance(queries, str):
            return self._with_texts(self.searcher.search([queries], k)[0])
        if not isinstance(queries, np.ndarray):
            queries = list(queries)
        return [self._with_texts(hits) for hits in self.searcher.search(queries, k)]

    def explain(self, docid: str) -> Explanation:
        """The words of the pseudo-query that a passage's vector was mixed with, by their weight.

        The model's passage side is read when they are first asked for, with torch.

        Args:
            docid: the passage's id.

        Returns:
            The words, by descending weight; printed, a table.

        Raises:
            I3Error: the model that encoded the index has no pseudo-queries, or the passage is not
                in the corpus.
        """
        name = self.searcher.made_by.name
        if name is None:
            raise I3Error(f"{self.path}: its manifest names no model, so there are no words")
        if self._words is None:
            self._words = PseudoQueryWords(name, self.searcher.manifest)
        if self._words.absent:
            raise I3Error(f"{self.path}, encoded by {name}: {self._words.absent}")
        passage = self._texts.store.get(docid)
        if passage is None:
            raise I3Error(f"{self.path}: no passage {docid!r} in its corpus")
        words = self._words.found(passage.text, passage.title)
        return Explanation(words, passage.text, passage.title, docid, "vector", trained=True)

    def _with_texts(self, hits: Sequence[Hit]) -> list[PassageHit]:
        found = []
        for rank, (docid, score) in enumerate(hits, start=1):
            title, text = self._texts.of(docid)
            found.append(PassageHit(docid, score, rank, title, text))
        return found


class _Texts:
    """Titles and texts of an index's passages, where its corpus is there."""

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
        """The store, made when it is first asked for.

        Raises:
            I3Error: the manifest names no corpus, it cannot be read, it is not the one that was
                encoded, or the store cannot be written.
        """
        if self._store is None:
            searcher = self._searcher
            corpus = searcher.corpus(self._path)
            store = open_store(corpus, self._cache)
            for docid in (searcher.docids[0], searcher.docids[searcher.count - 1]):
                if store.get(docid) is None:
                    raise I3Error(
                        f"{searcher.path}: passage {docid!r} is not in {corpus.path}; name the "
                        "corpus that was encoded"
                    )
            self._store = store
        return self._store

    def of(self, docid: str) -> tuple[str | None, str | None]:
        """Title and text; None for both where there are none, which is noted once."""
        if not self._wanted:
            return None, None
        try:
            passage = self.store.get(docid)
        except I3Error as error:
            self._wanted = False
            note(f"hits have no titles and texts: {error}")
            return None, None
        return (None, None) if passage is None else (passage.title, passage.text)
