"""The interface of vector engines, and searching them like an index."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.chunks import ChunksRecord
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import NO_HIT, Hits, Scores, in_order
from i3_pyserini.formats.index import EncoderRecord

SPARE = 16  # extra hits, to sort ties at rank k
# "MODULE:CLASS" of the engine for each address prefix, in a higher layer: see `open_engine`.
ENGINES = {"milvus": "i3_pyserini.integrations.milvus:Milvus"}


class Engine(Protocol):
    """A vector engine.

    Attributes:
        most_hits: maximum hits per query.
    """

    most_hits: int

    def search(
        self,
        name: str,
        vectors: Scores,
        k: int,
        parameters: Mapping[str, int] | None = None,
        filter: str | None = None,  # noqa: A002  (the option's name)
    ) -> Iterator[list[tuple[int, str, float]]]:
        """Yields each query's hits in a collection: row, docid and score, the best first."""
        ...

    def check(self, name: str, dimension: int | None, k: int) -> None:
        """Raises `I3Error` if a collection cannot be searched with these parameters."""
        ...

    def metadata(self, name: str, docids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Metadata of passages by id, without fields that a passage lacks."""
        ...

    def made_by(self, name: str) -> EncoderRecord:
        """The encoder of a collection's passages."""
        ...

    def chunks(self, name: str) -> ChunksRecord | None:
        """How documents were cut into a collection's windows; None if they were not."""
        ...

    def close(self) -> None:
        """Closes the connection."""
        ...


def open_engine(address: str) -> Engine:
    """Connects to the engine for the prefix of an address.

    Engines are imported on first use, since searching an index does not need them.

    Args:
        address: such as `milvus:FILE.db`.

    Raises:
        I3Error: the engine is unknown or cannot be reached.
    """
    kind = address.partition(":")[0]
    if kind not in ENGINES:
        raise I3Error(f"{address}: expected an address of {' or '.join(ENGINES)}")
    module, _, name = ENGINES[kind].partition(":")
    return cast("Engine", getattr(import_module(module), name)(address))


def search_engine(
    engine: Engine,
    collection: str,
    vectors: Scores,
    k: int,
    parameters: Mapping[str, int] | None = None,
    filter: str | None = None,  # noqa: A002  (the option's name)
) -> tuple[Hits, Docids]:
    """Searches a collection.

    Args:
        engine: the engine.
        collection: name of the collection.
        vectors: float32 [Q, H].
        k: hits per query.
        parameters: parameters of the engine; see `Engine.search`.
        filter: condition on metadata, in the engine's language; None for none.

    Returns:
        The hits in run order, and the docids of their rows.

    Raises:
        I3Error: the collection cannot be searched with these parameters, or the engine fails.
    """
    engine.check(collection, vectors.shape[1], k)
    most = min(k + SPARE, engine.most_hits)
    scores = np.full((len(vectors), most), -np.inf, dtype=np.float32)
    rows = np.full((len(vectors), most), NO_HIT, dtype=np.int64)
    numbers: dict[str, int] = {}
    for query, hits in enumerate(engine.search(collection, vectors, most, parameters, filter)):
        rows[query, : len(hits)] = [numbers.setdefault(hit[1], len(numbers)) for hit in hits]
        scores[query, : len(hits)] = [hit[2] for hit in hits]
    docids = Docids(pl.Series(list(numbers), dtype=pl.String))
    return in_order(scores, rows, docids, k), docids
