"""What a collection of a vector engine is a copy of: a text that the engine keeps with it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.content_hashes import HASHES
from i3_pyserini.formats.index import IndexManifest
from i3_pyserini.formats.index_state import stale, state_of
from i3_pyserini.formats.records import MANIFEST, Record, read_record, write_record

PROPERTY = "i3_pyserini"  # its name among an engine's own properties of a collection


@dataclass(frozen=True)
class CopyRecord(Record):
    """What a collection is a copy of.

    Attributes:
        complete: whether it is the whole index and nothing else.
        load: the load that changed the collection last, a random name.
        source: hash of the index's vectors, ids and metadata.
        index: the index's directory.
        type: index type of the engine.
        fields: for each field of metadata in the engine, its name in the corpus and its type.
        manifest: of the index.
    """

    complete: bool = False
    load: str = ""
    source: str = ""
    index: str = ""
    type: str = ""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    manifest: IndexManifest = field(default_factory=IndexManifest)

    @classmethod
    def read(cls, text: str | None, place: str) -> "CopyRecord":
        """Reads what `text` gave.

        Args:
            text: the text; None if the engine has none.
            place: the collection, for messages.

        Raises:
            I3Error: it is not there or damaged.
        """
        if not text:
            raise I3Error(
                f"{place}: was not loaded by i3-pyserini index load, or by an earlier version; "
                "load the index into a new collection"
            )
        try:
            found = json.loads(text)
        except ValueError as error:
            raise I3Error(f"{place}: its property {PROPERTY} is damaged ({error})") from error
        return read_record(cls, found, place)

    def text(self) -> str:
        """The record as a text."""
        return json.dumps(write_record(self))

    def stale_note(self, place: str) -> str | None:
        """A note if the index has another state now; None if not, or if it is not there."""
        remedy = "update the collection with i3-pyserini index load"
        return stale(place, self.index, state_of(self.manifest), remedy)


def source_of(index: Path, metadata: str) -> str:
    """Hash of an index's vectors and ids, and of its metadata.

    Args:
        index: the directory.
        metadata: a hash of the metadata; "" for none.
    """
    found = (path for path in index.iterdir() if path.is_file())
    files = sorted(found, key=lambda path: path.name)
    hashes = "".join(file_hash(path) for path in files if path.name not in (MANIFEST, HASHES))
    return hashlib.sha256((hashes + metadata).encode()).hexdigest()
