"""Loads an index into a vector engine."""

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.formats.paths import AnyPath

if TYPE_CHECKING:
    from i3_pyserini.integrations.store import Store


@dataclass(frozen=True)
class Loaded:
    """A collection in a vector engine.

    Attributes:
        engine: its address.
        collection: its name.
        passages: number of passages.
        sent: number of passages sent by this call.
        removed: number of passages deleted by this call.
    """

    engine: str
    collection: str
    passages: int
    sent: int
    removed: int = 0

    def __str__(self) -> str:
        removed = f", {self.removed:,} deleted" if self.removed else ""
        return (
            f"{self.engine}: collection {self.collection} has {self.passages:,} passages, "
            f"{self.sent:,} of them sent now{removed}"
        )

    def to_json(self) -> str:
        """All fields."""
        return json.dumps(asdict(self))


def load_index(
    index: AnyPath,
    *,
    engine: str,
    collection: str,
    type: str = "FLAT",  # noqa: A002  (the option's name)
    batch_size: int = 2000,
    corpus: AnyPath | None = None,
    cache: AnyPath | None = None,
) -> Loaded:
    """Copies an index to a vector engine for `search`, or updates the copy there.

    The same call resumes an interrupted one, and takes over what has changed in the index since:
    only passages that are new or changed are sent, and those that are gone are deleted. Metadata
    that the corpus was imported with become fields of the collection.

    Args:
        index: a directory of encoded vectors.
        engine: address of the engine: milvus:FILE.db, milvus:http://HOST:19530, qdrant:FOLDER or
            qdrant:http://HOST:6333.
        collection: name of the collection: letters, digits and _.
        type: index type of the engine; FLAT is exact.
        batch_size: passages per request.
        corpus: the encoded corpus. Default: the one named in the manifest, if it still exists.
        cache: folder for its text store. Default: the folder of the corpus.

    Returns:
        The collection.

    Raises:
        I3Error: the vectors are damaged, the collection belongs to another index, or the engine
            fails.
    """
    if not collection.isidentifier() or not collection.isascii():
        raise I3Error(f"collection {collection!r}: letters, digits and _ only")
    at_least_1(batch_size=batch_size)
    if engine.endswith(":memory:"):
        raise I3Error(f"{engine}: exists only within a process; use qdrant:FOLDER")
    from i3_pyserini.formats.index_texts import corpus_of
    from i3_pyserini.formats.textstore import open_store
    from i3_pyserini.integrations.copying import copy_index
    from i3_pyserini.search.engine import open_engine

    read = corpus_of(Path(index), None if corpus is None else Path(corpus))
    with closing(cast("Store", open_engine(engine, create=True))) as store:
        texts = None
        if read is not None and read.keep:
            texts = open_store(read, None if cache is None else Path(cache))
        held = copy_index(store, Path(index), collection, batch_size, type, texts)
        return Loaded(store.address, collection, held.passages, held.sent, held.removed)
