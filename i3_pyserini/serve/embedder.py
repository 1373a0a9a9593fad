"""Vectors of texts by the index's model: as queries, and as passages."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from i3_pyserini.encode.index_encoder import kind_for
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Scores
from i3_pyserini.model.texts import TokenIds
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.lanes import Lane, Lanes

if TYPE_CHECKING:
    from i3_pyserini.encode.encoders import DocumentEncoder

Side = Literal["query", "document"]
MOST = 2048  # texts of a request, as OpenAI's service takes
QUERIES, DOCUMENTS = 64, 16  # texts of a batch: a search waits for one batch at most
WAITING = 4096  # texts of all requests


class Embedded(NamedTuple):
    """A text's vector.

    Attributes:
        vector: float32 [H].
        tokens: ids that the model read, with those of prompts and special tokens.
        cut: whether it was truncated to the model's length.
    """

    vector: Scores
    tokens: int
    cut: bool


class Embedder:
    """Encodes texts of several requests together.

    Args:
        searcher: with an encoder; passages are encoded by the same model, with its settings.
        lanes: computes.
    """

    def __init__(self, searcher: Searcher, lanes: Lanes) -> None:
        self._searcher, self._loading = searcher, threading.Lock()
        self._passages: DocumentEncoder | None = None
        self._lanes: dict[Side, Lane[str, Embedded]] = {
            "query": lanes.lane(self._queries, QUERIES, WAITING),
            "document": lanes.lane(self._documents, DOCUMENTS, WAITING),
        }

    @property
    def dimension(self) -> int:
        """H, the vectors' dimension."""
        return self._searcher.encoder.dimension

    def embed(self, texts: Sequence[str], side: Side) -> list[Embedded]:
        """Encodes N texts; passages have no titles. Waits for it.

        Raises:
            I3Error: a vector is not finite, or the passage encoder cannot be loaded.
            Refused: too many are waiting, or this has waited too long.
        """
        if side == "document":
            self._load()  # here, since it takes seconds in which others can search
        return self._lanes[side](texts)

    def _load(self) -> "DocumentEncoder":
        """The passage encoder, loaded on first use."""
        with self._loading:
            if self._passages is None:
                from i3_pyserini.encode.spec import EncoderSpec  # noqa: PLC0415  (torch)
                from i3_pyserini.model.devices import limit_torch  # noqa: PLC0415  (torch)

                limit_torch()
                encoder, made_by = self._searcher.encoder, self._searcher.made_by
                kind = kind_for(encoder.name, made_by)
                settings = encoder.settings if kind == "auto" else None
                self._passages = EncoderSpec(encoder.name, kind, settings=settings).load(None)
        return self._passages

    def _queries(self, texts: list[str]) -> list[Embedded]:
        encoder = self._searcher.encoder
        return _embedded(encoder.encode(texts), [encoder.ids([text]) for text in texts])

    def _documents(self, texts: list[str]) -> list[Embedded]:
        from i3_pyserini.encode.batches import Batching, encode_ids  # noqa: PLC0415  (torch)

        encoder = self._load()
        ids = [encoder.ids([text], [None]) for text in texts]
        return _embedded(encode_ids(encoder, [one for (one,) in ids], Batching()), ids)


def _embedded(vectors: Scores, ids: Sequence[list[list[int]]]) -> list[Embedded]:
    """Vectors with what is known of their texts.

    Raises:
        I3Error: a vector is not finite.
    """
    if not np.isfinite(vectors).all():
        raise I3Error("the vector of a text is not finite; is the model damaged?")
    return [
        Embedded(vector, len(one[0]), isinstance(one, TokenIds) and one.cut > 0)
        for vector, one in zip(vectors, ids, strict=True)
    ]
