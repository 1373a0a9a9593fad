"""The content of the page for a query: its rankings, and the passages in them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import declared_language
from i3_pyserini.formats.languages import Declared, language_of
from i3_pyserini.formats.scripts import SAMPLE
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.model.words import PseudoQueryWords
from i3_pyserini.search.documents import DocumentSearch
from i3_pyserini.search.languages import EVERY, note_script, without_java
from i3_pyserini.search.searchable import SearchedIndex
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.window import Window, window_at, windows_of
from i3_pyserini.serve.bm25 import Bm25, SqliteBm25
from i3_pyserini.serve.examples import find_examples, name_of
from i3_pyserini.serve.lanes import Lanes
from i3_pyserini.serve.rankings import DEPTH, Rankers, Ranking
from i3_pyserini.serve.shown import Hit, shown_passages
from i3_pyserini.stock.lucene_bm25 import LuceneBm25

CHECKED = 10_000  # ids that are looked up before anything is served, in a tenth of a second
# The rankings of each view; the first is the default.
VIEWS = {
    "both": ("vectors", "words"),
    "vectors": ("vectors",),
    "words": ("words",),
    "fused": ("fused",),
}


@dataclass(frozen=True)
class Sources:
    """The sources of passages besides the index.

    Attributes:
        corpus: what was encoded; None for what the index's manifest names.
        cache: folder for the text store; None for the one that the corpus is in.
        bm25: whether to search by words, too.
        bm25_index: a Lucene index for that; None for SQLite's.
        reading: how the corpus is read, where the index's manifest does not say; see
            `Corpus.from_options`.
        language: of the passages; None for the one that the collection declares, or English.
    """

    corpus: Path | None = None
    cache: Path | None = None
    bm25: bool = True
    bm25_index: Path | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    language: str | None = None


@dataclass(frozen=True)
class Column:
    """A ranking as it is shown.

    Attributes:
        name: "vectors", "words" or "fused".
        hits: its first hits.
        more: whether it has further hits.
        milliseconds: the time that ranking took.
    """

    name: str
    hits: list[Hit]
    more: bool
    milliseconds: float


@dataclass(frozen=True)
class Found:
    """What is shown for a query.

    Attributes:
        columns: the rankings of the view.
        shared: how many of the first passages by vectors are among the first by words; None if
            there is no BM25.
        milliseconds: the time taken, with the texts.
    """

    columns: list[Column]
    shared: int | None
    milliseconds: float


class Passages:
    """An index, the texts of its passages, and perhaps BM25.

    Args:
        searcher: with an encoder.
        sources: see `Sources`.

    Raises:
        I3Error: a passage of the index is not in the corpus, or BM25 is not available.

    Attributes:
        searcher: the searcher.
        lanes: the thread that computes.
        rankers: rank passages.
        model: directory or hub name of the model.
        collection: name of the collection.
        examples: queries to try.
        views: the views that there are, with their rankings; the first is the default.
        words_absent: why there are no pseudo-query words; empty if there are.
        language: the passages' language as a tag for a browser; empty if nobody names it.
    """

    def __init__(self, searcher: Searcher, sources: Sources) -> None:
        self.searcher, self.model = searcher, searcher.encoder.name
        corpus = searcher.corpus(sources.corpus, sources.reading)
        self.store = open_store(corpus, sources.cache)
        self._check(corpus.path)
        self.bm25: Bm25 | None = None
        lucene, spoken = sources.bm25_index, language_of(corpus.path, sources.language)
        if sources.bm25 and lucene:
            self.bm25 = LuceneBm25(lucene)
            spoken = Declared(self.bm25.language, str(lucene))
        self._language = without_java(spoken)
        if sources.bm25:
            note_script(spoken, (one.text for one in self.store.slice(0, SAMPLE)))
        if sources.bm25 and self.bm25 is None:
            self.bm25 = SqliteBm25(self.store, self._language)
        declared = declared_language(corpus.path)
        tag = declared[0] if declared and sources.language is None else spoken.code
        self.language = "" if spoken.source == "default" or spoken.code in EVERY else tag
        self._documents: DocumentSearch | None = None
        if searcher.manifest.corpus.chunks:
            source = SearchedIndex(searcher)
            self._documents = DocumentSearch(source, "max", source.chunks, source.place)
        self.lanes = Lanes()
        self.rankers = Rankers(searcher, self.bm25, self._documents, self.lanes)
        self._words = PseudoQueryWords(self.model, searcher.manifest)
        self.words_absent = self._words.absent
        self.collection = searcher.manifest.corpus.name or name_of(corpus.path)
        self.examples = find_examples(corpus.path, self.store)
        self.views: Mapping[str, Sequence[str]] = VIEWS if self.bm25 else {"vectors": ("vectors",)}

    def search(self, query: str, hits: int, view: str) -> Found:
        """The passages of a query.

        Args:
            query: the query.
            hits: passages of each ranking, `DEPTH` at most.
            view: one of `views`.

        Raises:
            I3Error: a search failed.
            Refused: too many are waiting.
        """
        started = time.perf_counter()
        rankings = self.rankers.rank(query)
        first = {name: one.hits[: min(hits, DEPTH)] for name, one in rankings.items()}
        wanted = self.views[view]
        docids = dict.fromkeys(
            rankings[name].best.get(docid, docid) for name in wanted for docid, _ in first[name]
        )
        texts = {docid: self.store.get(docid) for docid in docids}
        shown = shown_passages(query, texts, self._language)
        rows = self.searcher.docids.rows_of(docids) if self._documents else {}
        ranks = {name: one.ranks() for name, one in rankings.items() if name != "fused"}

        def column(ranking: Ranking) -> Column:
            others = {name: places for name, places in ranks.items() if name != ranking.name}
            found = [
                Hit(
                    rank,
                    score,
                    docid,
                    shown[ranking.best.get(docid, docid)],
                    {name: places[docid] for name, places in others.items() if docid in places},
                    self._window(rows.get(ranking.best.get(docid, ""))),
                )
                for rank, (docid, score) in enumerate(first[ranking.name], start=1)
            ]
            more = len(ranking.hits) > len(found)
            return Column(ranking.name, found, more, ranking.milliseconds)

        shared = None
        if "words" in first:
            words = {docid for docid, _ in first["words"]}
            shared = sum(docid in words for docid, _ in first["vectors"])
        columns = [column(rankings[name]) for name in wanted]
        return Found(columns, shared, 1000 * (time.perf_counter() - started))

    def words(self, docid: str) -> list[tuple[str, float]] | None:
        """Words and weights of the pseudo-query that a passage's vector was mixed with.

        Returns:
            None if the passage does not exist; empty if `words_absent` gives a reason.
        """
        passage = self.store.get(docid)
        return None if passage is None else self._words.of(passage.text, passage.title)

    @property
    def counted(self) -> str:
        """What there is to search, such as "1,000 passages"."""
        count = f"{self.searcher.count:,}"
        if self._documents is None:
            return f"{count} passages"
        return f"{self._documents.documents:,} documents in {count} windows"

    def windows(self, docid: str) -> list[Window]:
        """All windows of a document; empty for an unknown id, or if passages are no windows."""
        if self._documents is None:
            return []
        return windows_of(self._documents.windows, docid, self.store)

    def _window(self, row: int | None) -> Window | None:
        """Where a window stands in its document."""
        if row is None or self._documents is None:
            return None
        windows = self._documents.windows
        return window_at(windows, row, self.store.get(windows.docids[row]))

    def _check(self, corpus: Path) -> None:
        """Looks ids of the index up, evenly spread; all of 8.8 million would take minutes."""
        docids, count = self.searcher.docids, self.searcher.count
        for row in (*range(0, count, max(1, count // CHECKED)), count - 1):
            if self.store.get(docids[row]) is None:
                raise I3Error(
                    f"{self.searcher.path}: passage {docids[row]!r} is not in {corpus}; give the "
                    "corpus that was encoded"
                )
