"""Vector engines in place of an index: what a search needs of one, and its hits as an index's."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Protocol, cast

import numpy as np
import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import NO_HIT, Hits, Scores, in_order
from i3_pyserini.formats.index import EncoderRecord

SPARE = 16  # hits beyond k, among which equal ones at the end are put in order
# By the beginning of an address, "MODULE:CLASS" of its engine, which is above: see `open_engine`.
ENGINES = {"milvus": "i3_pyserini.integrations.milvus:Milvus"}


class Engine(Protocol):
    """A vector engine.

    Attributes:
        most_hits: that it gives for a query.
    """

    most_hits: int

    def search(
        self, name: str, vectors: Scores, k: int, parameters: Mapping[str, int] | None = None
    ) -> Iterator[list[tuple[int, str, float]]]:
        """Yields each query's hits in a collection: row, docid and score, the best first."""
        ...

    def check(self, name: str, dimension: int | None, k: int) -> None:
        """Raises `I3Error` if a collection cannot be searched so."""
        ...

    def made_by(self, name: str) -> EncoderRecord:
        """What encoded a collection's passages."""
        ...

    def close(self) -> None:
        """Ends the connection."""
        ...


def open_engine(address: str) -> Engine:
    """Connects to the engine that an address begins with.

    Engines are looked up when one is asked for: none is needed by a search of an index.

    Args:
        address: such as `milvus:FILE.db`.

    Raises:
        I3Error: there is no such engine, or it cannot be reached.
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
) -> tuple[Hits, Docids]:
    """Searches a collection.

    Args:
        engine: the engine.
        collection: what was loaded into it.
        vectors: float32 [Q, H].
        k: hits of a query.
        parameters: of the engine; see `Engine.search`.

    Returns:
        The hits, in the order of a run, and the ids that their rows are of.

    Raises:
        I3Error: the collection cannot be searched so, or the engine fails.
    """
    engine.check(collection, vectors.shape[1], k)
    most = min(k + SPARE, engine.most_hits)
    scores = np.full((len(vectors), most), -np.inf, dtype=np.float32)
    rows = np.full((len(vectors), most), NO_HIT, dtype=np.int64)
    numbers: dict[str, int] = {}
    for query, hits in enumerate(engine.search(collection, vectors, most, parameters)):
        rows[query, : len(hits)] = [numbers.setdefault(hit[1], len(numbers)) for hit in hits]
        scores[query, : len(hits)] = [hit[2] for hit in hits]
    docids = Docids(pl.Series(list(numbers), dtype=pl.String))
    return in_order(scores, rows, docids, k), docids
