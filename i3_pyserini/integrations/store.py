"""What loading needs of a vector engine, besides what searching does."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from i3_pyserini.formats.hits import Scores
from i3_pyserini.search.engine import Engine


class Row(NamedTuple):
    """A passage in an engine.

    Attributes:
        key: see `key_of`.
        docid: its id.
        hash: a signed 64-bit hash of the vector and the metadata, to find what has changed.
        vector: float32 [H].
        metadata: values by the engine's names.
    """

    key: str
    docid: str
    hash: int
    vector: Scores
    metadata: Mapping[str, Any]


def key_of(docid: str) -> str:
    """The primary key of a passage: a UUID, which every engine takes, from 128 bits of a hash."""
    return str(UUID(bytes=blake2b(docid.encode(), digest_size=16).digest()))


class Store(Engine, Protocol):
    """A vector engine that can be loaded.

    Attributes:
        fixed_fields: whether the fields of a collection cannot change once it has been made.
    """

    fixed_fields: bool

    def name_in(self, name: str) -> str:
        """The name of a field in the engine for one of the corpus."""
        ...

    def check_load(self, kind: str, passages: int) -> None:
        """Raises `I3Error` if the engine has no such index type; may note what is too much."""
        ...

    def create(
        self,
        name: str,
        dimension: int,
        kind: str,
        fields: Mapping[str, tuple[str, ...]],
        record: str,
    ) -> None:
        """Makes an empty collection."""
        ...

    def prepare(self, name: str, kind: str) -> None:
        """Completes what `create` may have left, and opens the collection for changes."""
        ...

    def write_record(self, name: str, record: str) -> None:
        """Replaces the record of a collection, before this returns."""
        ...

    def rows(self, name: str) -> Iterator[tuple[list[str], list[int]]]:
        """Yields the keys and hashes of all rows, in batches."""
        ...

    def upsert(self, name: str, rows: Sequence[Row]) -> None:
        """Adds rows, or replaces those of the same keys."""
        ...

    def delete(self, name: str, keys: Sequence[str]) -> None:
        """Deletes rows."""
        ...

    def flush(self, name: str) -> None:
        """Waits until all changes are durable and found."""
        ...

    def count(self, name: str) -> int:
        """The exact number of rows."""
        ...
