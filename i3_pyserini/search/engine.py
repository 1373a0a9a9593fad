"""The interface of vector engines, and searching them like an index."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import polars as pl

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.chunks import ChunksRecord
from i3_pyserini.formats.collection_copy import CopyRecord
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.first_dimensions import for_index
from i3_pyserini.formats.hits import NO_HIT, SPARE, Hits, Scores, in_order
from i3_pyserini.formats.index import EncoderRecord

# "MODULE:CLASS" of the engine for each address prefix, in a higher layer: see `open_engine`.
ENGINES = {
    "milvus": "i3_pyserini.integrations.milvus:Milvus",
    "qdrant": "i3_pyserini.integrations.qdrant:Qdrant",
}


class Described(NamedTuple):
    """A collection of an engine.

    Attributes:
        dimension: of its vectors.
        record: the text of its `CopyRecord`; None if it has none.
    """

    dimension: int
    record: str | None


class Engine(Protocol):
    """A vector engine.

    Attributes:
        name: of the software, in messages.
        address: where it is, without passwords.
        most_hits: maximum hits per query.
    """

    name: str
    address: str
    most_hits: int

    def collections(self) -> list[str]:
        """The names of all collections."""
        ...

    def described(self, name: str) -> Described | None:
        """A collection; None if there is none of that name."""
        ...

    def open(self, name: str) -> None:
        """Makes a collection ready for `search`."""
        ...

    def search(
        self,
        name: str,
        vectors: Scores,
        k: int,
        parameters: Mapping[str, int],
        filter: str | None,  # noqa: A002  (the option's name)
        record: CopyRecord,
    ) -> Iterator[list[tuple[str, float]]]:
        """Yields each query's hits in a collection: docid and score, the best first."""
        ...

    def metadata(
        self, name: str, docids: Sequence[str], fields: Sequence[str]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Fields of passages by id."""
        ...

    def close(self) -> None:
        """Closes the connection."""
        ...


def open_engine(address: str, create: bool = False) -> Engine:
    """Connects to the engine for the prefix of an address.

    Engines are imported on first use, since searching an index does not need them.

    Args:
        address: such as `milvus:FILE.db` or `qdrant:http://HOST:6333`.
        create: create an embedded database if it does not exist.

    Raises:
        I3Error: the engine is unknown or cannot be reached.
    """
    kind = address.partition(":")[0]
    if kind not in ENGINES:
        expected = " or ".join(f"{name}:" for name in ENGINES)
        raise I3Error(f"{address}: expected an address that begins with {expected}")
    module, _, name = ENGINES[kind].partition(":")
    return cast("Engine", getattr(import_module(module), name)(address, create))


class Collection:
    """A collection that was loaded from an index.

    Args:
        engine: the engine.
        name: of the collection.

    Raises:
        I3Error: there is no such collection, or it is not completely loaded.

    Attributes:
        place: address and name.
        record: what it is a copy of.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name
        self.place = f"{engine.address}: collection {name!r}"
        self._dimension, self.record = self._read()
        engine.open(name)

    @property
    def made_by(self) -> EncoderRecord:
        """The encoder of the passages."""
        return self.record.manifest.encoder

    @property
    def chunks(self) -> ChunksRecord | None:
        """How documents were cut into windows; None if they were not."""
        return self.record.manifest.corpus.chunks

    def note_stale(self) -> None:
        """Says so if the index has changed since it was loaded."""
        if line := self.record.stale_note(self.place):
            note(line)

    def check(self, k: int) -> None:
        """Raises `I3Error` if the engine does not give so many hits."""
        if not 0 < k <= self._engine.most_hits:
            most = f"{self._engine.most_hits:,}"
            raise I3Error(f"k is {k:,}; {self._engine.name} supports 1 to {most} hits")

    def search(
        self,
        vectors: Scores,
        k: int,
        parameters: Mapping[str, int] | None = None,
        filter: str | None = None,  # noqa: A002  (the option's name)
    ) -> tuple[Hits, Docids]:
        """Searches for vectors; see `search_engine`."""
        self.check(k)
        vectors = for_index(vectors, self.record.manifest)
        if vectors.shape[1] != self._dimension:
            raise I3Error(
                f"{self.place} has vectors of {self._dimension} dimensions, but the queries' have "
                f"{vectors.shape[1]}"
            )
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            bad = int(np.argmin(finite)) + 1
            raise I3Error(f"query {bad} of {len(vectors)}: its vector is not finite")
        most = min(k + SPARE, self._engine.most_hits)
        scores = np.full((len(vectors), most), -np.inf, dtype=np.float32)
        rows = np.full((len(vectors), most), NO_HIT, dtype=np.int64)
        numbers: dict[str, int] = {}
        found = self._engine.search(
            self._name, vectors, most, parameters or {}, filter, self.record
        )
        for query, hits in enumerate(found):
            rows[query, : len(hits)] = [numbers.setdefault(hit[0], len(numbers)) for hit in hits]
            scores[query, : len(hits)] = [hit[1] for hit in hits]
        if self._read()[1].load != self.record.load:
            raise I3Error(f"{self.place} was changed during the search; search again")
        docids = Docids(pl.Series(list(numbers), dtype=pl.String))
        return in_order(scores, rows, docids, k), docids

    def metadata(self, docids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Metadata of passages by id and name in the corpus, without what a passage lacks."""
        fields = self.record.fields
        if not fields or not docids:
            return {}
        found = self._engine.metadata(self._name, docids, list(fields))
        return {
            docid: {
                name: values[own]
                for own, (name, _) in fields.items()
                if values.get(own) is not None
            }
            for docid, values in found.items()
        }

    def _read(self) -> tuple[int, CopyRecord]:
        known = self._engine.described(self._name)
        if known is None:
            names = ", ".join(sorted(self._engine.collections())) or "none"
            raise I3Error(
                f"{self._engine.address}: no collection {self._name!r}; available: {names}"
            )
        record = CopyRecord.read(known.record, self.place)
        if not record.complete:
            raise I3Error(
                f"{self.place} is not completely loaded; run i3-pyserini index load again"
            )
        return known.dimension, record


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
        parameters: of the engine's approximate types, such as {"nprobe": 64}; None for its own
            defaults.
        filter: condition on metadata, in the engine's language; None for none.

    Returns:
        The hits in run order, and the docids of their rows.

    Raises:
        I3Error: there is no such collection, it is not complete or of another dimension, k is too
            large, a vector is not finite, the condition is invalid, the collection was changed
            meanwhile, or the engine fails.
    """
    return Collection(engine, collection).search(vectors, k, parameters, filter)
