"""Milvus: embedded in this process (Milvus Lite, a file) or a cluster, by the same calls.

A collection has a row for every passage: its number in the index, its docid, its vector. What it
is a copy of, and whether it is complete, is in the collection's properties.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from i3_pyserini.encode.output import read_manifest
from i3_pyserini.encode.vector_files import read_files
from i3_pyserini.errors import I3Error
from i3_pyserini.files import file_hash
from i3_pyserini.search.hits import Scores

KIND = "milvus:"
TOKEN = "MILVUS_TOKEN"  # noqa: S105  (the name of an environment variable)
SOURCE, COMPLETE, MODEL = "i3.source", "i3.complete", "i3.model"
TIMEOUT = 30  # seconds until an address counts as not reachable
LONGEST_ID = 512
MOST_HITS = 16_384  # that Milvus gives for a query
SEARCHED = 32  # queries of a call: their hits have to fit into one message


@dataclass(frozen=True)
class Loaded:
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
            cluster is taken from the environment variable MILVUS_TOKEN.

    Raises:
        I3Error: the address is none, pymilvus is not installed, or nobody answers there.
    """

    def __init__(self, address: str) -> None:
        place = address.removeprefix(KIND)
        if not address.startswith(KIND) or not place:
            raise I3Error(f"{address}: expected milvus:FILE.db or milvus:http://HOST:19530")
        if find_spec("pymilvus") is None:
            raise I3Error("vector engines need pymilvus: pip install 'i3-pyserini[engine]'")
        if "://" not in place and not Path(place).absolute().parent.is_dir():
            raise I3Error(f"{address}: no such folder {Path(place).parent}")
        from pymilvus import MilvusClient  # noqa: PLC0415  (an extra)

        self.address = address
        with self._failures("cannot be reached"):
            self._client: Any = MilvusClient(
                uri=place, token=os.environ.get(TOKEN, ""), timeout=TIMEOUT
            )

    def load(self, index: Path, name: str, batch: int = 2000, kind: str = "FLAT") -> Loaded:
        """Copies an encoded directory; what is there already is not sent again.

        Rows are sent in order, and sending one twice leaves one, so that a load that was
        interrupted at any moment goes on with the last batch that may not be complete.

        Args:
            index: a directory of encoded vectors.
            name: of the collection.
            batch: rows of a call.
            kind: index type of the engine, of inner products: "FLAT" is exact.

        Raises:
            I3Error: the vectors are damaged, the collection is of others, or the engine fails.
        """
        shape, blocks = read_files(index)
        source = _source(index)
        self._prepare(name, shape.dimension, source, index, kind)
        start = self._rows(name) // batch * batch
        sent = 0
        with tqdm(total=shape.passages, initial=start, desc="load", unit=" passages") as bar:
            row = 0
            for block in blocks:
                for first in range(0, len(block.ids), batch):
                    some = slice(first, first + batch)
                    rows = range(row + first, row + min(first + batch, len(block.ids)))
                    if rows.stop <= start:
                        continue
                    self._send(name, rows, block.ids[some], block.vectors[some])
                    sent += len(rows)
                    bar.update(len(rows))
                row += len(block.ids)
        with self._failures("did not take the last rows"):
            self._client.flush(name)
        found = self._rows(name)
        if found != shape.passages:
            raise I3Error(
                f"{self.address}: collection {name!r} has {found:,} rows where {shape.passages:,} "
                "are due; load it again"
            )
        self._set(name, {COMPLETE: "yes"})
        return Loaded(found, sent)

    def search(self, name: str, vectors: Scores, k: int) -> Iterator[list[tuple[int, str, float]]]:
        """Yields each query's hits: row, docid and score, the best first.

        Args:
            name: of the collection.
            vectors: float32 [Q, H].
            k: hits of a query.

        Raises:
            I3Error: there is no such collection, it is not complete or of another dimension, k is
                too large, or the engine fails.
        """
        self.check(name, vectors.shape[1], k)
        for start in range(0, len(vectors), SEARCHED):
            with self._failures("cannot search"):
                found = self._client.search(
                    name,
                    list(vectors[start : start + SEARCHED]),
                    limit=k,
                    output_fields=["docid"],
                    search_params={"metric_type": "IP"},
                )
            for hits in found:
                yield [(hit["row"], hit["entity"]["docid"], hit["distance"]) for hit in hits]

    def check(self, name: str, dimension: int, k: int) -> None:
        """Raises if a collection cannot be searched so.

        Raises:
            I3Error: see `search`.
        """
        if not 0 < k <= MOST_HITS:
            raise I3Error(f"asked for {k:,} hits; Milvus gives 1 to {MOST_HITS:,}")
        known = self._described(name)
        if known is None:
            with self._failures("cannot be asked"):
                names = sorted(self._client.list_collections())
            raise I3Error(
                f"{self.address}: no collection {name!r}; there are {', '.join(names) or 'none'}"
            )
        if known["properties"].get(COMPLETE) != "yes":
            raise I3Error(
                f"{self.address}: collection {name!r} is not completely loaded; run "
                "i3_pyserini.search.engines load again"
            )
        if known["dimension"] != dimension:
            raise I3Error(
                f"{self.address}: collection {name!r} has vectors of {known['dimension']} "
                f"dimensions, but the queries' have {dimension}"
            )
        with self._failures("cannot be opened"):
            self._client.load_collection(name)

    def model(self, name: str) -> str | None:
        """Fingerprint of the model whose vectors a collection holds; None if it is not known."""
        known = self._described(name)
        return known["properties"].get(MODEL) or None if known else None

    def close(self) -> None:
        """Lets the file of an embedded engine go."""
        self._client.close()

    def _prepare(self, name: str, dimension: int, source: str, index: Path, kind: str) -> None:
        known = self._described(name)
        if known is not None:
            if known["properties"].get(SOURCE) != source:
                raise I3Error(
                    f"{self.address}: collection {name!r} is of another index than {index}; name "
                    "another collection"
                )
            return
        from pymilvus import DataType  # noqa: PLC0415

        model = (read_manifest(index).get("model") or {}).get("fingerprint") or ""
        with self._failures("cannot make a collection"):
            schema = self._client.create_schema(auto_id=False)
            schema.add_field("row", DataType.INT64, is_primary=True)
            schema.add_field("docid", DataType.VARCHAR, max_length=LONGEST_ID)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
            vectors = self._client.prepare_index_params()
            vectors.add_index("vector", index_type=kind, metric_type="IP")
            self._client.create_collection(name, schema=schema, index_params=vectors)
        self._set(name, {SOURCE: source, MODEL: model})

    def _send(self, name: str, rows: range, ids: list[str], vectors: Scores) -> None:
        bad = next((docid for docid in ids if len(docid.encode()) > LONGEST_ID), None)
        if bad is not None:
            raise I3Error(f"id {bad[:40]!r}… has more than {LONGEST_ID} bytes")
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            raise I3Error(f"the vector of {ids[int(np.argmin(finite))]!r} is not finite")
        records = [
            {"row": row, "docid": docid, "vector": vector}
            for row, docid, vector in zip(rows, ids, vectors.astype(np.float32), strict=True)
        ]
        with self._failures(f"did not take rows {rows.start:,} to {rows.stop:,}"):
            self._client.upsert(name, records)

    def _rows(self, name: str) -> int:
        with self._failures("cannot be asked"):
            self._client.load_collection(name)
            counted = self._client.query(name, filter="", output_fields=["count(*)"])
        return int(counted[0]["count(*)"])

    def _described(self, name: str) -> dict[str, Any] | None:
        with self._failures("cannot be asked"):
            if not self._client.has_collection(name):
                return None
            known = self._client.describe_collection(name)
        vector = next((field for field in known["fields"] if field["name"] == "vector"), None)
        dimension = int(vector["params"]["dim"]) if vector else 0
        return {"properties": known.get("properties") or {}, "dimension": dimension}

    def _set(self, name: str, properties: dict[str, str]) -> None:
        with self._failures("cannot be changed"):
            self._client.alter_collection_properties(name, properties)

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415

        try:
            yield
        except I3Error:
            raise
        except (MilvusException, OSError, ValueError, RuntimeError) as error:
            reason = str(getattr(error, "message", error)).strip().splitlines()[0]
            raise I3Error(f"{self.address}: {what} ({reason:.160})") from error


def _source(index: Path) -> str:
    """Hash of all files of a directory of vectors."""
    files = sorted(path for path in index.iterdir() if path.is_file())
    hashes = "".join(file_hash(path) for path in files if path.name != "manifest.json")
    return hashlib.sha256(hashes.encode()).hexdigest()
