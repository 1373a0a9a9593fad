"""The content of the page for a query: passages of both searches, with marked words."""

import threading
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.model.words import PseudoQueryWords
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.word_index import WORD, stop_words
from i3_pyserini.serve.bm25 import Bm25, SqliteBm25
from i3_pyserini.stock.lucene_bm25 import LuceneBm25

CHECKED = 10_000  # ids that are looked up before anything is served, in a tenth of a second
SHOWN = 600  # characters, more than most passages of MS MARCO have
Pieces = list[tuple[str, bool]]


@dataclass(frozen=True)
class Snippet:
    """A text in two parts; a piece is a text and whether it is one of the query's words.

    Attributes:
        head: the beginning.
        rest: what follows; empty for a text that is short enough.
    """

    head: Pieces
    rest: Pieces


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
    """

    corpus: Path | None = None
    cache: Path | None = None
    bm25: bool = True
    bm25_index: Path | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """A passage as it is shown.

    Attributes:
        docid: its id.
        score: of the search that found it.
        title: its title; None if it has none.
        text: its text; None if it is not in the corpus.
        other: its rank in the other search; None if it is not among that one's hits.
    """

    docid: str
    score: float
    title: str | None
    text: Snippet | None
    other: int | None


class Passages:
    """An index, the texts of its passages, and perhaps BM25.

    Args:
        searcher: with an encoder.
        sources: see `Sources`.

    Raises:
        I3Error: a passage of the index is not in the corpus, or BM25 is not available.
    """

    def __init__(self, searcher: Searcher, sources: Sources) -> None:
        self.searcher, self.model = searcher, searcher.encoder.name
        corpus = searcher.corpus(sources.corpus, sources.reading)
        self.store = open_store(corpus, sources.cache)
        self._check(corpus.path)
        self.bm25: Bm25 | None = None
        if sources.bm25:
            lucene = sources.bm25_index
            self.bm25 = LuceneBm25(lucene) if lucene else SqliteBm25(self.store)
        self._words = PseudoQueryWords(self.model, searcher.manifest)
        self.words_absent = self._words.absent
        self._lock = threading.Lock()

    def search(self, query: str, hits: int) -> tuple[list[Shown], list[Shown] | None]:
        """The passages of a query: by vectors, and by words if there is BM25.

        Args:
            query: the query.
            hits: how many of each.

        Raises:
            I3Error: a search failed.
        """
        with self._lock:  # a search sets numbers of threads for the whole process
            (found,) = self.searcher.search([query], hits)
        dense = [(hit.docid, hit.score) for hit in found]
        sparse = self.bm25.search(query, hits) if self.bm25 else None
        words = words_of(query)
        return (
            self._shown(dense, sparse or [], words),
            None if sparse is None else self._shown(sparse, dense, words),
        )

    def words(self, docid: str) -> list[tuple[str, float]] | None:
        """Words and weights of the pseudo-query that a passage's vector was mixed with.

        Returns:
            None if the passage does not exist; empty if `words_absent` gives a reason.
        """
        passage = self.store.get(docid)
        return None if passage is None else self._words.of(passage.text, passage.title)

    def _shown(
        self,
        hits: list[tuple[str, float]],
        others: list[tuple[str, float]],
        words: frozenset[str],
    ) -> list[Shown]:
        ranks = {docid: rank for rank, (docid, _) in enumerate(others, start=1)}
        shown = []
        for docid, score in hits:
            found = self.store.get(docid)
            title, text = (found.title, snippet(found.text, words)) if found else (None, None)
            shown.append(Shown(docid, score, title, text, ranks.get(docid)))
        return shown

    def _check(self, corpus: Path) -> None:
        """Looks ids of the index up, evenly spread; all of 8.8 million would take minutes."""
        docids, count = self.searcher.docids, self.searcher.count
        for row in (*range(0, count, max(1, count // CHECKED)), count - 1):
            if self.store.get(docids[row]) is None:
                raise I3Error(
                    f"{self.searcher.path}: passage {docids[row]!r} is not in {corpus}; give the "
                    "corpus that was encoded"
                )


def snippet(text: str, words: Set[str]) -> Snippet:
    """Cuts a long text between two words, and marks words.

    Args:
        text: the text.
        words: to mark, in lower case.
    """
    end = len(text)
    if end > SHOWN:
        end = text.rfind(" ", 0, SHOWN) + 1 or SHOWN
    return Snippet(_marked(text[:end], words), _marked(text[end:], words))


def words_of(query: str) -> frozenset[str]:
    """A query's words, in lower case, without stop words unless it has no others."""
    words = frozenset(WORD.findall(query.lower()))
    return words - stop_words() or words


def _marked(text: str, words: Set[str]) -> Pieces:
    """Text in pieces: words that are to be marked, and whatever is between them."""
    pieces: Pieces = []
    done = 0
    for match in WORD.finditer(text):
        if match[0].lower() in words:
            pieces += [(text[done : match.start()], False), (match[0], True)]
            done = match.end()
    pieces.append((text[done:], False))
    return [(piece, marked) for piece, marked in pieces if piece]
