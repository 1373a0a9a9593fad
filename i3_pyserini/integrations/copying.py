"""Makes a collection of a vector engine equal to an index.

Every row has a hash of its vector and metadata. The keys and hashes that a collection has are read,
and only what differs is sent: all rows of a new collection, those that an interrupted load did not
send, or those that an update of the index changed. Rows whose passages are gone are deleted. The
collection is marked as not complete before its first row changes: nobody searches a mixture.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from tqdm import tqdm

from i3_pyserini.encode.base_index import comparable
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.collection_copy import CopyRecord, source_of
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.index import IndexManifest, read_manifest
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.records import differences
from i3_pyserini.formats.textstore import TextStore
from i3_pyserini.formats.vector_files import Shape, read_files
from i3_pyserini.integrations.engine_fields import EngineFields
from i3_pyserini.integrations.store import Row, Store, key_of
from i3_pyserini.search.engine import Described
from i3_pyserini.search.index.norms import Norms, note_skewed

GRAPHS = "HNSW"  # how the names of their types begin
KEY = np.dtype("S16")
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Copied:
    """What a collection holds.

    Attributes:
        passages: rows.
        sent: how many of them were sent now.
        removed: rows that were deleted.
    """

    passages: int
    sent: int = 0
    removed: int = 0


def copy_index(
    store: Store,
    index: Path,
    name: str,
    batch: int = 2000,
    kind: str = "FLAT",
    texts: TextStore | None = None,
) -> Copied:
    """Makes a collection equal to an index; what is equal already is not sent again.

    Args:
        store: the engine.
        index: a directory of encoded vectors.
        name: of the collection.
        batch: rows of a call.
        kind: index type of the engine, of inner products: "FLAT" is exact.
        texts: the passages, whose metadata become fields; None for no metadata.

    Raises:
        I3Error: the vectors are damaged, the collection is of another index, or the engine fails.
    """
    shape, blocks = read_files(index)
    store.check_load(kind, shape.passages)
    fields = EngineFields.of(texts, store.name_in)
    wanted = CopyRecord(
        load=str(uuid4()),
        source=source_of(index, fields.sha256),
        index=str(index.resolve()),
        type=kind,
        fields=fields.fields,
        manifest=_without_files(read_manifest(index)),
    )
    place = f"{store.address}: collection {name!r}"
    known = store.described(name)
    if known is None:
        store.create(name, shape.dimension, kind, fields.fields, wanted.text())
    elif _is_copy(store, name, known, wanted, shape):
        return Copied(shape.passages)
    else:
        store.write_record(name, wanted.text())
    store.prepare(name, kind)
    norms, is_graph = Norms(), kind.startswith(GRAPHS)
    present = _Present(store.rows(name))
    rows = _rows(norms.of(blocks) if is_graph else blocks, batch, fields, texts)
    sent = _send(store, name, rows, present, wanted, shape.passages)
    removed = 0
    for keys in present.left(batch):
        _refuse_others(store, name, wanted)
        store.delete(name, keys)
        removed += len(keys)
    store.flush(name)
    _check(store, name, wanted, index, shape)
    store.write_record(name, replace(wanted, complete=True).text())
    if is_graph:
        note_skewed(norms, place, "type IVF_FLAT or FLAT")
    return Copied(shape.passages, sent, removed)


def _is_copy(store: Store, name: str, known: Described, wanted: CopyRecord, shape: Shape) -> bool:
    """Whether a collection is the wanted one already; its record is brought up to date then.

    Raises:
        I3Error: it is of another index, or was loaded otherwise.
    """
    place = f"{store.address}: collection {name!r}"
    found = CopyRecord.read(known.record, place)
    _refuse_other(found, wanted, place)
    if known.dimension != shape.dimension:
        raise I3Error(
            f"{place} has vectors of {known.dimension} dimensions, but {wanted.index} of "
            f"{shape.dimension}; choose another collection"
        )
    if store.fixed_fields and found.fields != wanted.fields:
        raise I3Error(f"{place} was loaded with other metadata; choose another collection")
    same = found.complete and found.source == wanted.source
    if not same or store.count(name) != shape.passages:
        return False
    now = replace(wanted, complete=True, load=found.load)
    if now.text() != known.record:
        store.write_record(name, now.text())
    return True


def _refuse_other(found: CopyRecord, wanted: CopyRecord, place: str) -> None:
    """Raises if a collection is not of this index, or of an earlier state of it."""
    if found.type != wanted.type:
        raise I3Error(
            f"{place} is of type {found.type}, not {wanted.type}; choose another collection"
        )
    if found.source == wanted.source:
        return
    of = {found.index, found.manifest.corpus.path} - {None}
    new, update = wanted.manifest, wanted.manifest.update
    if not of & {wanted.index, new.corpus.path, update.of if update else None}:
        raise I3Error(
            f"{place} is of another index ({found.index}) than {wanted.index}; choose another "
            "collection"
        )
    before, now = comparable(found.manifest, new), comparable(new, found.manifest)
    if changes := differences(before, now):
        raise I3Error(
            f"{place} is of vectors that were encoded differently ({'; '.join(changes)}); choose "
            "another collection"
        )


def _rows(
    blocks: Iterable[Block], batch: int, fields: EngineFields, texts: TextStore | None
) -> Iterator[list[Row]]:
    """The rows of an index, in batches."""
    for block in blocks:
        for first in range(0, len(block.ids), batch):
            some = slice(first, first + batch)
            ids, vectors = block.ids[some], block.vectors[some].astype("<f4")
            finite = np.isfinite(vectors).all(axis=1)
            if not finite.all():
                raise I3Error(f"the vector of {ids[int(np.argmin(finite))]!r} is not finite")
            values = fields.values(texts, ids)
            yield [
                Row(key_of(docid), docid, _hash(vector, more), vector, more)
                for docid, vector, more in zip(ids, vectors, values, strict=True)
            ]


def _hash(vector: Scores, metadata: dict[str, Any]) -> int:
    content = vector.tobytes() + json.dumps(metadata, sort_keys=True).encode()
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little", signed=True)


def _send(
    store: Store,
    name: str,
    batches: Iterable[list[Row]],
    present: "_Present",
    wanted: CopyRecord,
    passages: int,
) -> int:
    sent = 0
    with tqdm(total=passages, desc="load", unit=" passages", delay=2) as bar:
        for rows in batches:
            same = present.has(rows)
            changed = [row for row, is_same in zip(rows, same, strict=True) if not is_same]
            if changed:
                _refuse_others(store, name, wanted)
                store.upsert(name, changed)
            sent += len(changed)
            bar.update(len(rows))
    return sent


def _check(store: Store, name: str, wanted: CopyRecord, index: Path, shape: Shape) -> None:
    """Raises if a collection has not become the copy that was wanted."""
    place = f"{store.address}: collection {name!r}"
    _refuse_others(store, name, wanted)
    found = store.count(name)
    if found != shape.passages:
        _refuse_second(index)
        raise I3Error(f"{place} has {found:,} rows, expected {shape.passages:,}; load it again")


def _refuse_others(store: Store, name: str, wanted: CopyRecord) -> None:
    """Raises if another load has begun to change a collection: their rows must not be mixed.

    If the other has marked it as complete meanwhile, rows of this one may be in it, and the mark is
    taken back.
    """
    place, known = f"{store.address}: collection {name!r}", store.described(name)
    found = None if known is None else CopyRecord.read(known.record, place)
    if found is not None and found.load == wanted.load:
        return
    if found is not None and found.complete:
        store.write_record(name, wanted.text())
    raise I3Error(f"{place} was changed by another load; load it again")


def _refuse_second(index: Path) -> None:
    seen: set[str] = set()
    for block in read_files(index)[1]:
        for docid in block.ids:
            if docid in seen:
                raise I3Error(f"{index}: id {docid!r} occurs twice, which an engine cannot hold")
            seen.add(docid)


def _without_files(manifest: IndexManifest) -> IndexManifest:
    """A manifest that fits into an engine's properties: a corpus may have thousands of files."""
    return replace(manifest, corpus=replace(manifest.corpus, files=None), sha256=None)


class _Present:
    """The rows that a collection has; 25 bytes for each in memory.

    Args:
        batches: their keys and hashes.
    """

    def __init__(self, batches: Iterable[tuple[list[str], list[int]]]) -> None:
        keys: list[Any] = [np.empty(0, KEY)]
        hashes: list[Any] = [np.empty(0, np.int64)]
        for some, contents in batches:
            keys.append(_as_array(some))
            hashes.append(np.array(contents, np.int64))
        joined = np.concatenate(keys)
        order = np.argsort(joined, kind="stable")
        self._keys, self._hashes = joined[order], np.concatenate(hashes)[order]
        self._seen = np.zeros(len(joined), np.bool_)

    def has(self, rows: Sequence[Row]) -> Flags:
        """Which of some rows are there with the same content; they are not `left` then."""
        if not len(self._keys):
            return np.zeros(len(rows), np.bool_)
        keys = _as_array([row.key for row in rows])
        places = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        there = self._keys[places] == keys
        self._seen[places[there]] = True
        same: Flags = there & (self._hashes[places] == np.array([row.hash for row in rows]))
        return same

    def left(self, batch: int) -> Iterator[list[str]]:
        """The keys of which no row was asked for."""
        gone = self._keys[~self._seen]
        for start in range(0, len(gone), batch):
            some = gone[start : start + batch].tobytes()
            yield [str(UUID(bytes=some[at : at + 16])) for at in range(0, len(some), 16)]


def _as_array(keys: Sequence[str]) -> Any:
    return np.frombuffer(b"".join(UUID(key).bytes for key in keys), KEY)
