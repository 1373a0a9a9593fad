"""Loads an index into a vector engine."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.formats.paths import AnyPath


@dataclass(frozen=True)
class Loaded:
    """A collection in a vector engine.

    Attributes:
        engine: its address.
        collection: its name.
        passages: number of passages.
        sent: number of passages sent by this call.
    """

    engine: str
    collection: str
    passages: int
    sent: int

    def __str__(self) -> str:
        return (
            f"{self.engine}: collection {self.collection} has {self.passages:,} passages, "
            f"{self.sent:,} of them sent now"
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
    """Copies an index to a vector engine for `search`.

    The same call resumes an interrupted one. Metadata that the corpus was imported with become
    fields of the collection.

    Args:
        index: a directory of encoded vectors.
        engine: address of the engine, milvus:FILE.db or milvus:http://HOST:19530.
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
    from i3_pyserini.formats.index_texts import corpus_of
    from i3_pyserini.formats.textstore import open_store
    from i3_pyserini.integrations.milvus import Milvus

    read = corpus_of(Path(index), None if corpus is None else Path(corpus))
    milvus = Milvus(engine, create=True)
    texts = None
    if read is not None and read.keep:
        texts = open_store(read, None if cache is None else Path(cache))
    held = milvus.load(Path(index), collection, batch_size, type, texts)
    milvus.close()
    return Loaded(engine, collection, held.passages, held.sent)
