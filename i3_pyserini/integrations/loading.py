"""Loading an index into a vector engine."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.formats.paths import AnyPath


@dataclass(frozen=True)
class Loaded:
    """What a vector engine holds.

    Attributes:
        engine: its address.
        collection: the name there.
        passages: how many it has.
        sent: how many of them were sent now.
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
) -> Loaded:
    """Copies an index into a vector engine, which `search` then takes in place of it.

    A load that was interrupted resumes when it is started again.

    Args:
        index: a directory of encoded vectors.
        engine: milvus:FILE.db or milvus:http://HOST:19530.
        collection: the name there: letters, digits and _.
        type: the engine's index type; FLAT is exact.
        batch_size: passages that are sent together.

    Returns:
        What is there now.

    Raises:
        I3Error: the vectors are damaged, the collection is of others, or the engine fails.
    """
    if not collection.isidentifier() or not collection.isascii():
        raise I3Error(f"collection {collection!r}: letters, digits and _ only")
    at_least_1(batch_size=batch_size)
    from i3_pyserini.integrations.milvus import Milvus

    milvus = Milvus(engine, create=True)
    held = milvus.load(Path(index), collection, batch_size, type)
    milvus.close()
    return Loaded(engine, collection, held.passages, held.sent)
