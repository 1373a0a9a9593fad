"""Milvus: embedded in this process (Milvus Lite, a file) or a cluster, by the same calls.

A collection has a row for every passage: its key, its docid, its vector, a hash of its content, and
its metadata. What it is a copy of, and whether it is complete, is in the collection's properties.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.collection_copy import PROPERTY, CopyRecord
from i3_pyserini.formats.environment import without_login
from i3_pyserini.formats.hits import Scores
from i3_pyserini.integrations.milvus_connection import (
    CONNECT,
    connect,
    disconnect,
    failures,
    is_embedded,
)
from i3_pyserini.integrations.store import Row, key_of
from i3_pyserini.search.engine import Described

# What Milvus Lite 3.2 builds; it would take other names and fail when it is searched.
EMBEDDED_TYPES = ("FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8", "AUTOINDEX")
OWN = ("key", "docid", "hash", "vector")  # fields of every collection
TYPES = {  # of metadata
    "integer": "INT64",
    "number": "DOUBLE",
    "boolean": "BOOL",
    "text": "VARCHAR",
    "json": "JSON",
}
LONGEST_KEY, LONGEST_ID, LONGEST = 36, 512, 65_535  # bytes; the last is the most of Milvus
MOST_HITS = 16_384  # that Milvus gives for a query
SEARCHED = 32  # queries of a call: their hits have to fit into one message
READ = 10_000  # rows of a call
CALL = 600  # seconds until a call counts as lost


class Milvus:
    """A Milvus database; see `i3_pyserini.integrations.store.Store` for its methods.

    Args:
        address: `milvus:FILE.db` for an embedded one, or `milvus:http://HOST:19530`; the token of a
            server is taken from the environment variable MILVUS_TOKEN.
        create: create an embedded database if it does not exist.

    Raises:
        I3Error: the address is invalid, pymilvus is not installed, or there is no answer.
    """

    name = "Milvus"
    most_hits = MOST_HITS
    fixed_fields = True

    def __init__(self, address: str, create: bool = False) -> None:
        self.address = without_login(address)
        self._place, self._client = address, connect(address, create)

    def collections(self) -> list[str]:
        """See `Engine`."""
        with self._failures("cannot be asked"):
            return list(self._client.list_collections(timeout=CONNECT))

    def described(self, name: str) -> Described | None:
        """See `Engine`."""
        with self._failures("cannot be asked"):
            if not self._client.has_collection(name, timeout=CONNECT):
                return None
            known = self._client.describe_collection(name, timeout=CONNECT)
        vector = next((field for field in known["fields"] if field["name"] == "vector"), None)
        dimension = int(vector["params"]["dim"]) if vector else 0
        return Described(dimension, (known.get("properties") or {}).get(PROPERTY))

    def open(self, name: str) -> None:
        """See `Engine`."""
        with self._failures("cannot be opened"):
            self._client.load_collection(name, timeout=CALL)

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
        for start in range(0, len(vectors), SEARCHED):
            with self._failures("cannot search" + (f" with filter {filter!r}" if filter else "")):
                found = self._client.search(
                    name,
                    list(vectors[start : start + SEARCHED]),
                    filter=filter or "",
                    limit=k,
                    output_fields=["docid"],
                    search_params={"metric_type": "IP", "params": dict(parameters)},
                    timeout=CALL,
                )
            for hits in found:
                yield [(hit["entity"]["docid"], hit["distance"]) for hit in hits]

    def metadata(
        self, name: str, docids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """See `Engine`."""
        keys = [key_of(docid) for docid in docids]
        with self._failures("cannot be asked"):
            found = self._client.query(
                name,
                filter=f"key in {json.dumps(keys)}",
                output_fields=["docid", *fields],
                timeout=CALL,
            )
        return {row["docid"]: {field: row.get(field) for field in fields} for row in found}

    def name_in(self, name: str) -> str:
        """See `Store`: letters, digits and _, none of `OWN`."""
        found = re.sub(r"[^A-Za-z0-9_]", "_", name)
        return f"_{found}" if found[0].isdigit() or found in OWN else found

    def check_load(self, kind: str, passages: int) -> None:
        """See `Store`."""
        if is_embedded(self._place) and kind not in EMBEDDED_TYPES:
            raise I3Error(f"type {kind!r}: Milvus Lite has {', '.join(EMBEDDED_TYPES)}")

    def create(
        self,
        name: str,
        dimension: int,
        kind: str,
        fields: Mapping[str, tuple[str, ...]],
        record: str,
    ) -> None:
        """See `Store`."""
        from pymilvus import DataType  # noqa: PLC0415  (an extra)

        with self._failures("cannot make a collection"):
            schema = self._client.create_schema(auto_id=False)
            schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=LONGEST_KEY)
            schema.add_field("docid", DataType.VARCHAR, max_length=LONGEST_ID)
            schema.add_field("hash", DataType.INT64)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
            for own, (_, kind_of) in fields.items():
                more = {"max_length": LONGEST} if kind_of == "text" else {}
                schema.add_field(own, getattr(DataType, TYPES[kind_of]), nullable=True, **more)
            properties = {PROPERTY: record}
            self._client.create_collection(
                name, schema=schema, properties=properties, consistency_level="Strong"
            )

    def prepare(self, name: str, kind: str) -> None:
        """See `Store`."""
        with self._failures("cannot make an index"):
            if not self._client.list_indexes(name):  # nor may a load that was killed have made it
                vectors = self._client.prepare_index_params()
                vectors.add_index("vector", index_type=kind, metric_type="IP")
                self._client.create_index(name, vectors, timeout=CALL)
        self.open(name)

    def write_record(self, name: str, record: str) -> None:
        """See `Store`."""
        with self._failures("cannot be changed"):
            self._client.alter_collection_properties(name, {PROPERTY: record}, timeout=CALL)

    def rows(self, name: str) -> Iterator[tuple[list[str], list[int]]]:
        """See `Store`."""
        with self._failures("cannot be read"):
            found = self._client.query_iterator(
                name, batch_size=READ, output_fields=["key", "hash"], timeout=CALL
            )
            while some := found.next():
                yield [row["key"] for row in some], [row["hash"] for row in some]
            found.close()

    def upsert(self, name: str, rows: Sequence[Row]) -> None:
        """See `Store`."""
        for row in rows:
            if len(row.docid.encode()) > LONGEST_ID:
                raise I3Error(f"id {row.docid[:40]!r}… has more than {LONGEST_ID} bytes")
            for field, value in row.metadata.items():
                if isinstance(value, str) and len(value.encode()) > LONGEST:
                    raise I3Error(f"passage {row.docid!r}: {field} has more than {LONGEST:,} bytes")
        records = [
            {**row.metadata, "key": row.key, "docid": row.docid, "hash": row.hash}
            | {"vector": row.vector}
            for row in rows
        ]
        with self._failures(f"did not take {len(rows):,} rows from {rows[0].docid!r} on"):
            self._client.upsert(name, records, timeout=CALL)

    def delete(self, name: str, keys: Sequence[str]) -> None:
        """See `Store`."""
        with self._failures(f"did not delete {len(keys):,} rows"):
            self._client.delete(name, ids=list(keys), timeout=CALL)

    def flush(self, name: str) -> None:
        """See `Store`."""
        with self._failures("did not take the last rows"):
            self._client.flush(name, timeout=CALL)

    def count(self, name: str) -> int:
        """See `Store`."""
        with self._failures("cannot be asked"):
            found = self._client.query(name, filter="", output_fields=["count(*)"], timeout=CALL)
        return int(found[0]["count(*)"])

    def close(self) -> None:
        """Ends the connection; lets the file of an embedded engine go."""
        disconnect(self._place, self._client)

    def _failures(self, what: str) -> Any:
        return failures(self.address, what)
