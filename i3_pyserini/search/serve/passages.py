"""What the page shows of a query: passages of both searches, and the words behind a vector."""

import json
import random
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3_pyserini.data.textstore import open_store
from i3_pyserini.errors import I3Error
from i3_pyserini.search.query_encoders import kind_of
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.serve.bm25 import Bm25

CHECKED = 200  # ids that are looked up before anything is served
WORDS = 12


@dataclass(frozen=True)
class Shown:
    """A passage as it is shown.

    Attributes:
        rank: from 1 on.
        docid: its id.
        score: of the search that found it.
        title: its title; None if it has none.
        text: its text.
        other: its rank in the other search; None if it is not among that one's hits.
    """

    rank: int
    docid: str
    score: float
    title: str | None
    text: str
    other: int | None = None


class Passages:
    """An index, the texts of its passages, and perhaps BM25 over these.

    Args:
        searcher: with an encoder.
        collection: the corpus that was encoded.
        bm25: whether to search by words, too.

    Raises:
        I3Error: a passage of the index is not in the collection.
    """

    def __init__(self, searcher: Searcher, collection: Path, bm25: bool) -> None:
        assert searcher.encoder is not None  # noqa: S101  (the caller's)
        self.searcher, self.model = searcher, searcher.encoder.name
        self.store = open_store(collection)
        self._check(collection)
        self.bm25 = Bm25(self.store) if bm25 else None
        self._words = PseudoQueryWords(self.model)

    def search(self, query: str, hits: int) -> tuple[list[Shown], list[Shown] | None]:
        """The passages of a query: by vectors, and by words if there is BM25.

        Args:
            query: the query.
            hits: how many of each.
        """
        found = self.searcher.search([query], hits)
        ids = [self.searcher.docids[row] for row in found.rows[0].tolist() if row >= 0]
        dense = list(zip(ids, found.scores[0].tolist(), strict=False))
        if self.bm25 is None:
            return self._shown(dense, []), None
        sparse = self.bm25.search(query, hits)
        return self._shown(dense, sparse), self._shown(sparse, dense)

    def words(self, docid: str) -> list[tuple[str, float]] | None:
        """Words and weights of the pseudo-query that a passage's vector was mixed with.

        Returns:
            None if there is no such passage; nothing for a model without a reconstructor.
        """
        passage = self.store.get(docid)
        return None if passage is None else self._words.of(passage.text, passage.title)

    @property
    def has_words(self) -> bool:
        """Whether the model has a reconstructor."""
        return self._words.possible

    def _shown(self, hits: list[tuple[str, float]], others: list[tuple[str, float]]) -> list[Shown]:
        ranks = {docid: rank for rank, (docid, _) in enumerate(others, start=1)}
        shown = []
        for rank, (docid, score) in enumerate(hits, start=1):
            passage = self.store.get(docid)
            title, text = (passage.title, passage.text) if passage else (None, "")
            shown.append(Shown(rank, docid, score, title, text, ranks.get(docid)))
        return shown

    def _check(self, collection: Path) -> None:
        """Looks up a sample of the index's ids; all of them would take minutes."""
        docids, count = self.searcher.docids, self.searcher.count
        rows = random.Random(0).sample(range(count), min(CHECKED, count))  # noqa: S311
        for row in (0, count - 1, *rows):
            if self.store.get(docids[row]) is None:
                raise I3Error(
                    f"{self.searcher.path}: passage {docids[row]!r} is not in {collection}; name "
                    "the collection that was encoded"
                )


class PseudoQueryWords:
    """The words of pseudo-queries; the model's passage side is read when they are first asked for.

    Args:
        model: a model directory or hub name.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self.possible = Path(model).is_dir() and kind_of(model) == "i3" and _reconstructs(model)
        self._lock = threading.Lock()
        self._loaded: Any = None

    def of(self, text: str, title: str | None) -> list[tuple[str, float]]:
        """Words and weights, the weightiest first."""
        if not self.possible:
            return []
        from i3_pyserini.model.export import load_model_directory  # noqa: PLC0415  (seconds)
        from i3_pyserini.model.pseudo_query import explain  # noqa: PLC0415

        with self._lock:
            if self._loaded is None:
                self._loaded = load_model_directory(self._model)
            model, tokenizer = self._loaded
            words = explain(model, tokenizer, text, title, top=WORDS, memory="vector")
        return [(word.word, word.weight) for word in words]


def _reconstructs(model: str) -> bool:
    fields = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
    return str(fields.get("interaction", "released")) != "none"
