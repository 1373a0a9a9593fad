"""Metadata of passages as fields of a Milvus collection, which a search can filter by."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.index_texts import not_in_corpus
from i3_pyserini.formats.metadata import FieldTypes
from i3_pyserini.formats.textstore import TextStore

OWN = ("row", "docid", "vector")  # fields of every collection
LONGEST = 65_535  # bytes of a text that Milvus takes
TYPES = {
    "integer": "INT64",
    "number": "DOUBLE",
    "boolean": "BOOL",
    "text": "VARCHAR",
    "json": "JSON",
}


@dataclass(frozen=True)
class MilvusMetadata:
    """The metadata of a collection.

    Attributes:
        fields: name in the corpus and type by the name in the engine.
        sha256: of all values; "" for none.
    """

    fields: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sha256: str = ""

    @classmethod
    def of(cls, store: TextStore | None) -> "MilvusMetadata":
        """The metadata of the passages in a text store, which is read once.

        Raises:
            I3Error: two fields would have the same name in the engine.
        """
        if store is None:
            return cls()
        types, content = FieldTypes(()), hashlib.sha256()
        for extra in store.metadata():
            types.add(extra)
            content.update(json.dumps(extra, sort_keys=True).encode())
        fields: dict[str, tuple[str, str]] = {}
        for name, kind in types.known.items():
            own = _allowed(name)
            if own in fields:
                raise I3Error(f"metadata {name!r} and {fields[own][0]!r} are both {own} in Milvus")
            if own != name:
                note(f"metadata {name!r} is {own} in Milvus")
            fields[own] = name, kind
        return cls(fields, content.hexdigest() if fields else "")

    @classmethod
    def from_property(cls, text: str | None) -> "MilvusMetadata":
        """What `as_property` wrote."""
        if not text:
            return cls()
        known = json.loads(text)
        fields = {own: (name, kind) for own, (name, kind) in known["fields"].items()}
        return cls(fields, known["sha256"])

    def as_property(self) -> str:
        """A text for the properties of a collection."""
        return json.dumps({"fields": self.fields, "sha256": self.sha256})

    def add_to(self, schema: Any) -> None:
        """Adds the fields to a schema; a passage may lack each of them."""
        from pymilvus import DataType  # noqa: PLC0415  (an extra)

        for own, (_, kind) in self.fields.items():
            more = {"max_length": LONGEST} if kind == "text" else {}
            schema.add_field(own, getattr(DataType, TYPES[kind]), nullable=True, **more)

    def values(self, store: TextStore | None, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The fields of some passages.

        Raises:
            I3Error: a passage is not in the store, or a text is too long.
        """
        if store is None or not self.fields:
            return [{} for _ in ids]
        return [self._values(store, docid) for docid in ids]

    def named(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The metadata of a passage, by the names in the corpus, from the engine's fields."""
        return {
            name: found[own] for own, (name, _) in self.fields.items() if found.get(own) is not None
        }

    def _values(self, store: TextStore, docid: str) -> dict[str, Any]:
        passage = store.get(docid)
        if passage is None:
            raise not_in_corpus(docid, store)
        values = {own: passage.extra.get(name) for own, (name, _) in self.fields.items()}
        for own, value in values.items():
            if isinstance(value, str) and len(value.encode()) > LONGEST:
                raise I3Error(f"passage {docid!r}: {own} has more than {LONGEST:,} bytes")
        return values


def _allowed(name: str) -> str:
    """A name that Milvus takes for a field: letters, digits and _, none of `OWN`."""
    found = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"_{found}" if found[0].isdigit() or found in OWN else found
