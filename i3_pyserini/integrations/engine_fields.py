"""Metadata of passages as fields of a collection, which a search can filter by."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.index_texts import not_in_corpus
from i3_pyserini.formats.metadata import FieldTypes
from i3_pyserini.formats.textstore import TextStore


@dataclass(frozen=True)
class EngineFields:
    """The fields of a collection.

    Attributes:
        fields: for each name in the engine, the name in the corpus and the type.
        sha256: of all values; "" for none.
    """

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sha256: str = ""

    @classmethod
    def of(cls, store: TextStore | None, name_in: Callable[[str], str]) -> "EngineFields":
        """The fields of the passages in a text store, which is read once.

        Args:
            store: the passages; None for no metadata.
            name_in: gives the name that the engine takes for a name in the corpus.

        Raises:
            I3Error: two fields would have the same name in the engine.
        """
        if store is None:
            return cls()
        types, content = FieldTypes(()), hashlib.sha256()
        for extra in store.metadata():
            types.add(extra)
            content.update(json.dumps(extra, sort_keys=True).encode())
        fields: dict[str, tuple[str, ...]] = {}
        for name, kind in types.known.items():
            own = name_in(name)
            if own in fields:
                raise I3Error(f"metadata {name!r} and {fields[own][0]!r} both become field {own}")
            if own != name:
                note(f"metadata {name!r} becomes field {own}")
            fields[own] = name, kind
        return cls(fields, content.hexdigest() if fields else "")

    def values(self, store: TextStore | None, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The values of some passages by the engine's names, without those that one lacks.

        Raises:
            I3Error: a passage is not in the store.
        """
        if store is None or not self.fields:
            return [{} for _ in ids]
        return [self._values(store, docid) for docid in ids]

    def _values(self, store: TextStore, docid: str) -> dict[str, Any]:
        passage = store.get(docid)
        if passage is None:
            raise not_in_corpus(docid, store)
        values = {own: passage.extra.get(name) for own, (name, _) in self.fields.items()}
        return {own: value for own, value in values.items() if value is not None}
