"""Milvus: embedded in this process (Milvus Lite, a file) or a cluster, by the same calls.

A collection has a row for every passage: its number in the index, its docid, its vector, and its
metadata (see `milvus_metadata`). What it is a copy of, and whether it is complete, is in the
collection's properties.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.chunks import ChunksRecord
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.textstore import TextStore
from i3_pyserini.formats.vector_files import read_files
from i3_pyserini.integrations.connection import (
    CONNECT,
    connect,
    disconnect,
    failures,
    is_embedded,
)
from i3_pyserini.integrations.milvus_metadata import MilvusMetadata
from i3_pyserini.integrations.origin import (
    chunks_of,
    encoder_of,
    read_chunks,
    source_of,
    stale_note,
    state_text,
)
from i3_pyserini.search.index.norms import Norms, note_skewed

SOURCE, TYPE, COMPLETE, MADE_BY = "i3.source", "i3.type", "i3.complete", "i3.made_by"
STATE = "i3.state"  # see `state_text`
METADATA, CHUNKS = "i3.metadata", "i3.chunks"
# What Milvus Lite 3.2 builds; it would take other names and fail when it is searched.
EMBEDDED_TYPES = ("FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8", "AUTOINDEX")
GRAPHS = "HNSW"  # how the names of their types begin
LONGEST_ID = 512
MOST_HITS = 16_384  # that Milvus gives for a query
SEARCHED = 32  # queries of a call: their hits have to fit into one message
CALL = 600  # seconds until a call counts as lost


@dataclass(frozen=True)
class Held:
    """What a collection holds.

    Attributes:
        passages: rows.
        sent: how many of them this call has sent.
    """

    passages: int
    sent: int


class Milvus:
    """A Milvus database.

    Args:
        address: `milvus:FILE.db` for an embedded one, or `milvus:http://HOST:19530`; the token of a
            server is taken from the environment variable MILVUS_TOKEN.
        create: create an embedded database if it does not exist.

    Raises:
        I3Error: the address is invalid, pymilvus is not installed, or there is no answer.
    """

    most_hits = MOST_HITS

    def __init__(self, address: str, create: bool = False) -> None:
        self.address = address
        self._client = connect(address, create)

    def load(
        self,
        index: Path,
        name: str,
        batch: int = 2000,
        kind: str = "FLAT",
        texts: TextStore | None = None,
    ) -> Held:
        """Copies an encoded directory; existing rows are not sent again.

        An interrupted load resumes at the first missing row.

        Args:
            index: a directory of encoded vectors.
            name: of the collection.
            batch: rows of a call.
            kind: index type of the engine, of inner products: "FLAT" is exact.
            texts: the passages, whose metadata become fields; None for no metadata.

        Raises:
            I3Error: the vectors are damaged, the collection is of others, or the engine fails.
        """
        if is_embedded(self.address) and kind not in EMBEDDED_TYPES:
            raise I3Error(f"type {kind!r}: Milvus Lite has {', '.join(EMBEDDED_TYPES)}")
        shape, blocks = read_files(index)
        norms, is_graph = Norms(), kind.startswith(GRAPHS)
        metadata = MilvusMetadata.of(texts)
        self._prepare(name, shape.dimension, index, kind, metadata)
        start = self._first_missing(name)
        bar = tqdm(total=shape.passages, initial=start, desc="load", unit=" passages", delay=2)
        with bar:
            row = 0
            for block in norms.of(blocks) if is_graph else blocks:
                for first in range(max(0, start - row), len(block.ids), batch):
                    some = slice(first, first + batch)
                    ids = block.ids[some]
                    more = metadata.values(texts, ids)
                    self._send(name, row + first, ids, block.vectors[some], more)
                    bar.update(len(ids))
                row += len(block.ids)
        with self._failures("did not take the last rows"):
            self._client.flush(name, timeout=CALL)
        found = self._count(name)
        if found != shape.passages:
            raise I3Error(
                f"{self.address}: collection {name!r} has {found:,} rows, expected "
                f"{shape.passages:,}; load it again"
            )
        with self._failures("cannot be changed"):
            known = {COMPLETE: "yes", MADE_BY: encoder_of(index), CHUNKS: chunks_of(index)}
            known[STATE] = state_text(index)
            self._client.alter_collection_properties(name, known)
        if is_graph:
            place = f"{self.address}, collection {name}"
            note_skewed(norms, place, "type IVF_FLAT or FLAT")
        return Held(found, shape.passages - start)

    def search(
        self,
        name: str,
        vectors: Scores,
        k: int,
        parameters: Mapping[str, int] | None = None,
        filter: str | None = None,  # noqa: A002  (the option's name)
    ) -> Iterator[list[tuple[int, str, float]]]:
        """Yields each query's hits: row, docid and score, the best first.

        Args:
            name: of the collection.
            vectors: float32 [Q, H].
            k: hits of a query.
            parameters: of the engine's approximate types, such as {"nprobe": 64} or {"ef": 2000};
                None for its own defaults.
            filter: condition on metadata, such as "price < 20"; None for none.

        Raises:
            I3Error: there is no such collection, it is not complete or of another dimension, k is
                too large, a vector is not finite, or the engine fails.
        """
        self.check(name, vectors.shape[1], k)
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            bad = int(np.argmin(finite)) + 1
            raise I3Error(f"query {bad} of {len(vectors)}: its vector is not finite")
        for start in range(0, len(vectors), SEARCHED):
            with self._failures("cannot search" + (f" with filter {filter!r}" if filter else "")):
                found = self._client.search(
                    name,
                    list(vectors[start : start + SEARCHED]),
                    filter=filter or "",
                    limit=k,
                    output_fields=["docid"],
                    search_params={"metric_type": "IP", "params": dict(parameters or {})},
                    timeout=CALL,
                )
            for hits in found:
                yield [(hit["row"], hit["entity"]["docid"], hit["distance"]) for hit in hits]

    def check(self, name: str, dimension: int | None, k: int) -> None:
        """Raises if a collection cannot be searched with these parameters.

        Args:
            name: of the collection.
            dimension: dimension of the queries; None if unknown.
            k: hits of a query.

        Raises:
            I3Error: see `search`.
        """
        if not 0 < k <= MOST_HITS:
            raise I3Error(f"k is {k:,}; Milvus supports 1 to {MOST_HITS:,} hits")
        known = self._described(name)
        if known is None:
            with self._failures("cannot be asked"):
                names = sorted(self._client.list_collections(timeout=CONNECT))
            raise I3Error(
                f"{self.address}: no collection {name!r}; available: {', '.join(names) or 'none'}"
            )
        if known["properties"].get(COMPLETE) != "yes":
            raise I3Error(
                f"{self.address}: collection {name!r} is not completely loaded; run "
                "i3-pyserini index load again"
            )
        if dimension is not None and known["dimension"] != dimension:
            raise I3Error(
                f"{self.address}: collection {name!r} has vectors of {known['dimension']} "
                f"dimensions, but the queries' have {dimension}"
            )
        if dimension is None and (  # it is opened; said once
            line := stale_note(known["properties"].get(STATE), f"{self.address}: {name}")
        ):
            note(line)
        with self._failures("cannot be opened"):
            self._client.load_collection(name, timeout=CALL)

    def metadata(self, name: str, docids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Metadata of passages by id, without fields that a passage lacks."""
        known = self._described(name)
        fields = MilvusMetadata.from_property(known["properties"].get(METADATA) if known else None)
        if not fields.fields or not docids:
            return {}
        with self._failures("cannot be asked"):
            found = self._client.query(
                name,
                filter=f"docid in {json.dumps(list(docids), ensure_ascii=False)}",
                output_fields=["docid", *fields.fields],
                timeout=CALL,
            )
        return {record["docid"]: fields.named(record) for record in found}

    def made_by(self, name: str) -> EncoderRecord:
        """What the index's manifest says of the encoder; an empty record if nothing."""
        known = self._described(name)
        encoder = json.loads(known["properties"].get(MADE_BY) or "{}") if known else {}
        return EncoderRecord.from_json(encoder, f"{self.address}: collection {name!r}")

    def chunks(self, name: str) -> ChunksRecord | None:
        """How documents were cut into the collection's windows; None if they were not."""
        known = self._described(name)
        found = known["properties"].get(CHUNKS) if known else None
        return read_chunks(found, f"{self.address}: collection {name!r}")

    def close(self) -> None:
        """Ends the connection; lets the file of an embedded engine go."""
        disconnect(self.address, self._client)

    def _prepare(
        self, name: str, dimension: int, index: Path, kind: str, metadata: MilvusMetadata
    ) -> None:
        """Creates a collection, or resumes loading an existing copy of this index."""
        source, known = source_of(index), self._described(name)
        if known is None:
            properties = {SOURCE: source, TYPE: kind, MADE_BY: encoder_of(index)}
            properties[METADATA] = metadata.as_property()
            self._create(name, dimension, properties, metadata)
        elif known["properties"].get(SOURCE) != source:
            raise I3Error(
                f"{self.address}: collection {name!r} is of another index than {index}; choose "
                "another collection"
            )
        elif known["properties"].get(TYPE) != kind:
            raise I3Error(
                f"{self.address}: collection {name!r} is of type {known['properties'].get(TYPE)}, "
                f"not {kind}; choose another collection"
            )
        elif MilvusMetadata.from_property(known["properties"].get(METADATA)) != metadata:
            raise I3Error(
                f"{self.address}: collection {name!r} was loaded with other metadata; choose "
                "another collection"
            )
        with self._failures("cannot make an index"):
            if not self._client.list_indexes(name):  # nor may a load that was killed have made it
                vectors = self._client.prepare_index_params()
                vectors.add_index("vector", index_type=kind, metric_type="IP")
                self._client.create_index(name, vectors, timeout=CALL)
            self._client.load_collection(name, timeout=CALL)

    def _create(
        self, name: str, dimension: int, properties: dict[str, str], metadata: MilvusMetadata
    ) -> None:
        from pymilvus import DataType  # noqa: PLC0415  (an extra)

        with self._failures("cannot make a collection"):
            schema = self._client.create_schema(auto_id=False)
            schema.add_field("row", DataType.INT64, is_primary=True)
            schema.add_field("docid", DataType.VARCHAR, max_length=LONGEST_ID)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
            metadata.add_to(schema)
            self._client.create_collection(
                name, schema=schema, properties=properties, consistency_level="Strong"
            )

    def _send(
        self,
        name: str,
        start: int,
        ids: list[str],
        vectors: Scores,
        metadata: list[dict[str, Any]],
    ) -> None:
        bad = next((docid for docid in ids if len(docid.encode()) > LONGEST_ID), None)
        if bad is not None:
            raise I3Error(f"id {bad[:40]!r}… has more than {LONGEST_ID} bytes")
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            raise I3Error(f"the vector of {ids[int(np.argmin(finite))]!r} is not finite")
        records = [
            {"row": row, "docid": docid, "vector": vector, **more}
            for row, (docid, vector, more) in enumerate(
                zip(ids, vectors.astype(np.float32), metadata, strict=True), start
            )
        ]
        with self._failures(f"did not take rows {start:,} to {start + len(ids):,}"):
            self._client.upsert(name, records, timeout=CALL)  # twice leaves one

    def _first_missing(self, name: str) -> int:
        """The first missing row; a cluster may have stored only a part of a batch."""
        rows = self._count(name)
        with self._failures("cannot be asked"):
            beyond = self._client.query(
                name, filter=f"row >= {rows}", output_fields=["row"], limit=1, timeout=CALL
            )
        if not beyond:
            return rows
        return bisect_left(
            range(rows), True, key=lambda row: self._count(name, f"row <= {row}") <= row
        )

    def _count(self, name: str, which: str = "") -> int:
        with self._failures("cannot be asked"):
            counted = self._client.query(
                name, filter=which, output_fields=["count(*)"], timeout=CALL
            )
        return int(counted[0]["count(*)"])

    def _described(self, name: str) -> dict[str, Any] | None:
        with self._failures("cannot be asked"):
            if not self._client.has_collection(name, timeout=CONNECT):
                return None
            known = self._client.describe_collection(name, timeout=CONNECT)
        vector = next((field for field in known["fields"] if field["name"] == "vector"), None)
        dimension = int(vector["params"]["dim"]) if vector else 0
        return {"properties": known.get("properties") or {}, "dimension": dimension}

    def _failures(self, what: str) -> Any:
        return failures(self.address, what)
