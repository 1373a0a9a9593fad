"""Qdrant: embedded in this process (a folder, or memory) or a server, by the same calls.

A collection has a point for every passage: its key is the id, and its payload has the docid, a hash
of its content, and its metadata. What it is a copy of, and whether it is complete, is in the
collection's metadata.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.collection_copy import PROPERTY, CopyRecord
from i3_pyserini.formats.environment import without_login
from i3_pyserini.formats.hits import Scores
from i3_pyserini.integrations.qdrant_connection import connect, failures, is_embedded, quiet
from i3_pyserini.integrations.qdrant_filter import read_filter
from i3_pyserini.integrations.store import Row, key_of
from i3_pyserini.search.engine import Described

OWN = ("docid", "hash")  # in the payload of every point
EXACT, GRAPH = "FLAT", "HNSW"
MOST_HITS = 1_000_000
SEARCHED = 32  # queries of a call
READ = 10_000  # points of a call
LARGE = 20_000  # points above which Qdrant itself advises against its embedded form


class Qdrant:
    """A Qdrant database; see `i3_pyserini.integrations.store.Store` for its methods.

    Args:
        address: `qdrant:FOLDER` or `qdrant::memory:` for an embedded one, or
            `qdrant:http://HOST:6333`; the key of a server is taken from the environment variable
            QDRANT_API_KEY.
        create: create a folder if it does not exist.

    Raises:
        I3Error: the address is invalid, qdrant-client is not installed, or there is no answer.
    """

    name = "Qdrant"
    most_hits = MOST_HITS
    fixed_fields = False

    def __init__(self, address: str, create: bool = False) -> None:
        self.address = without_login(address)
        self._embedded, self._client = is_embedded(address), connect(address, create)

    def collections(self) -> list[str]:
        """See `Engine`."""
        with self._failures("cannot be asked"):
            return [one.name for one in self._client.get_collections().collections]

    def described(self, name: str) -> Described | None:
        """See `Engine`."""
        with self._failures("cannot be asked"):
            if not self._client.collection_exists(name):
                return None
            config = self._client.get_collection(name).config
        vectors, metadata = config.params.vectors, config.metadata or {}
        return Described(getattr(vectors, "size", 0), metadata.get(PROPERTY))

    def open(self, name: str) -> None:
        """Does nothing: collections are always open."""

    def search(
        self,
        name: str,
        vectors: Scores,
        k: int,
        parameters: Mapping[str, int],
        filter: str | None,  # noqa: A002  (the option's name)
        record: CopyRecord,
    ) -> Iterator[list[tuple[str, float]]]:
        """See `Engine`."""
        from qdrant_client import models  # noqa: PLC0415  (an extra)

        condition = read_filter(filter, record.fields) if filter else None
        with self._failures(f"cannot search with {dict(parameters)}"):
            options = {"exact": record.type == EXACT, **parameters}
            how = models.SearchParams.model_validate(options)
        for start in range(0, len(vectors), SEARCHED):
            requests = [
                models.QueryRequest(
                    query=vector, filter=condition, params=how, limit=k, with_payload=["docid"]
                )
                for vector in vectors[start : start + SEARCHED].tolist()
            ]
            with self._failures("cannot search" + (f" with filter {filter!r}" if filter else "")):
                found = self._client.query_batch_points(name, requests)
            for response in found:
                yield [(point.payload["docid"], point.score) for point in response.points]

    def metadata(
        self, name: str, docids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """See `Engine`."""
        keys = [key_of(docid) for docid in docids]
        with self._failures("cannot be asked"):
            found = self._client.retrieve(name, keys, with_payload=True)
        return {
            point.payload["docid"]: {field: point.payload.get(field) for field in fields}
            for point in found
        }

    def name_in(self, name: str) -> str:
        """See `Store`: the same, but for `OWN`."""
        return f"_{name}" if name in OWN else name

    def check_load(self, kind: str, passages: int) -> None:
        """See `Store`."""
        known = (EXACT,) if self._embedded else (EXACT, GRAPH)
        if kind not in known:
            which = "embedded Qdrant" if self._embedded else "Qdrant"
            raise I3Error(f"type {kind!r}: {which} has {' and '.join(known)}")
        if self._embedded and passages > LARGE:
            note(f"{self.address}: {passages:,} passages are slow in embedded Qdrant; use a server")

    def create(
        self,
        name: str,
        dimension: int,
        kind: str,
        fields: Mapping[str, tuple[str, ...]],
        record: str,
    ) -> None:
        """See `Store`; a payload needs no fields."""
        from qdrant_client import models  # noqa: PLC0415  (an extra)

        graph = models.HnswConfigDiff(m=0) if kind == EXACT else None  # 0: none is built
        with self._failures("cannot make a collection"):
            self._client.create_collection(
                name,
                vectors_config=models.VectorParams(size=dimension, distance=models.Distance.DOT),
                hnsw_config=graph,
                metadata={PROPERTY: record},
            )

    def prepare(self, name: str, kind: str) -> None:
        """Does nothing: `create` leaves nothing to do."""

    def write_record(self, name: str, record: str) -> None:
        """See `Store`."""
        with self._failures("cannot be changed"):
            self._client.update_collection(name, metadata={PROPERTY: record})

    def rows(self, name: str) -> Iterator[tuple[list[str], list[int]]]:
        """See `Store`."""
        after = None
        while True:
            with self._failures("cannot be read"):
                found, after = self._client.scroll(
                    name, limit=READ, offset=after, with_payload=["hash"]
                )
            yield [str(point.id) for point in found], [point.payload["hash"] for point in found]
            if after is None:
                return

    def upsert(self, name: str, rows: Sequence[Row]) -> None:
        """See `Store`."""
        from qdrant_client import models  # noqa: PLC0415  (an extra)

        points = models.Batch(
            ids=[row.key for row in rows],
            vectors=[row.vector.tolist() for row in rows],
            payloads=[{**row.metadata, "docid": row.docid, "hash": row.hash} for row in rows],
        )
        with self._failures(f"did not take {len(rows):,} points from {rows[0].docid!r} on"):
            self._client.upsert(name, points, wait=True)

    def delete(self, name: str, keys: Sequence[str]) -> None:
        """See `Store`."""
        with self._failures(f"did not delete {len(keys):,} points"):
            self._client.delete(name, list(keys), wait=True)

    def flush(self, name: str) -> None:
        """Does nothing: every change waits until it is durable."""

    def count(self, name: str) -> int:
        """See `Store`."""
        with self._failures("cannot be asked"):
            return int(self._client.count(name, exact=True).count)

    def close(self) -> None:
        """Ends the connection; lets the folder of an embedded engine go."""
        with quiet():
            self._client.close()

    def _failures(self, what: str) -> Any:
        return failures(self.address, what)
