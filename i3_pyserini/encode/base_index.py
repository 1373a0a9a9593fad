"""The index that an update starts from, and which of its vectors a passage can take over."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from i3_pyserini.encode.scan import Shard, hash_of, scan
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.content_hashes import Hashes, HashWriter, read_hashes, written_hashes
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.index import EncoderRecord, IndexManifest
from i3_pyserini.formats.index_directory import IndexDirectory
from i3_pyserini.formats.index_texts import corpus_of
from i3_pyserini.formats.parts import Array
from i3_pyserini.formats.records import differences
from i3_pyserini.formats.unique import id_hash
from i3_pyserini.formats.vector_files import FILES, open_index, open_npy, write_files

NO_ROW = -1
# What of the two records may differ between two encodings of one model and one kind of corpus.
OWN_ENCODER: dict[str, Any] = {"cut": None, "libraries": None, "contradicted": None}
OWN_CHUNKS: dict[str, Any] = dict.fromkeys(("model", "of", "sha256", "documents", "reading"))

Rows = np.ndarray[Any, np.dtype[np.int64]]
Keys = np.ndarray[Any, np.dtype[np.uint64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass
class BaseIndex:
    """A flat index of an earlier state of a corpus.

    Attributes:
        path: its directory.
        manifest: its manifest.
        docids: its N ids.
        hashes: uint8 [N, 16], what the encoder read.
        vectors: float32 or float16 [N, H], memory-mapped.
    """

    path: Path
    manifest: IndexManifest
    docids: Docids
    hashes: Hashes
    vectors: Array

    def release(self) -> None:
        """Closes the files, which Windows would not let be replaced."""
        del self.hashes, self.vectors

    @classmethod
    def open(cls, path: Path, wanted: IndexManifest, scratch: Path) -> "BaseIndex":
        """Opens an index, if a passage's vector in it is the one that an encoding would give.

        Args:
            path: its directory.
            wanted: the manifest of the encoding.
            scratch: a folder for temporary files.

        Raises:
            I3Error: it is no such index, was encoded otherwise, or is damaged.
        """
        directory = IndexDirectory.open(path)
        _refuse_unfit(directory, wanted)
        if directory.kind == "jsonl":
            shape, blocks = directory.vectors()
            write_files("npy", scratch, blocks, shape)
            docids, vectors = scratch / "docid", open_npy(scratch / "embeddings.npy")
        else:
            first = path / FILES[directory.kind][0]
            vectors = open_index(first) if directory.kind == "faiss" else open_npy(first)
            docids = path / "docid"
        read = Docids.read(docids)
        if len(read) != len(vectors):
            raise I3Error(f"{path}: {len(read):,} ids for {len(vectors):,} vectors; it is damaged")
        hashes = read_hashes(path, len(read))
        if hashes is None:
            hashes = _hashes_of_corpus(directory, len(read), scratch)
        return cls(path, directory.manifest, read, hashes, vectors)


@dataclass
class Changes:
    """What became of passages.

    Attributes:
        unchanged: passages with the same id and content.
        changed: passages with the same id and other content.
        new: passages with a new id.
        removed: ids that are gone.
        encoded: those of the changed and new passages whose content is new.
    """

    unchanged: int = 0
    changed: int = 0
    new: int = 0
    removed: int = 0
    encoded: int = 0

    def __str__(self) -> str:
        known = self.changed + self.new - self.encoded
        line = (
            f"{self.unchanged:,} passages unchanged, {self.changed:,} changed, {self.new:,} new, "
            f"{self.removed:,} removed; {self.encoded:,} to encode"
        )
        if known:
            line += f"; {known:,} have the content of another passage, whose vector they get"
        return line


class KnownPassages:
    """Finds the row of a base index whose vector a passage can take over.

    Memory: about 50 bytes for each of the index's passages.

    Args:
        base: the index.
    """

    def __init__(self, base: BaseIndex) -> None:
        self._base = base
        keys = (int.from_bytes(id_hash(docid), "little") for docid in base.docids)
        self._ids = _Sorted(np.fromiter(keys, np.uint64, len(base.docids)))
        self._contents = _Sorted(_first_words(base.hashes))

    def find(self, docids: Sequence[str], hashes: Hashes, changes: Changes) -> Rows:
        """The rows of some passages, by id and content, or else by content alone.

        Args:
            docids: B ids.
            hashes: uint8 [B, 16], their contents.
            changes: counts of them are added; not those removed.

        Returns:
            int64 [B]; NO_ROW for a passage to encode.
        """
        keys = np.array([int.from_bytes(id_hash(docid), "little") for docid in docids], np.uint64)
        own = self._ids.find(keys)
        ids = self._base.docids.take(own.clip(0)) if len(self._base.docids) else None
        named = own != NO_ROW
        if ids is not None:  # two ids can share a hash
            named &= (ids == pl.Series(list(docids), dtype=pl.String)).to_numpy()
        same = named & self._equal(own, hashes)
        elsewhere = self._contents.find(_first_words(hashes))
        elsewhere[~self._equal(elsewhere, hashes)] = NO_ROW
        rows: Rows = np.where(same, own, elsewhere)
        changes.unchanged += int(same.sum())
        changes.changed += int((named & ~same).sum())
        changes.new += int((~named).sum())
        changes.encoded += int((rows == NO_ROW).sum())
        return rows

    def _equal(self, rows: Rows, hashes: Hashes) -> Flags:
        equal: Flags = (self._base.hashes[rows.clip(0)] == hashes).all(axis=1) & (rows != NO_ROW)
        return equal


class _Sorted:
    """Positions of numbers."""

    def __init__(self, keys: Keys) -> None:
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def find(self, keys: Keys) -> Rows:
        """The first position of each number; NO_ROW for one that is not there."""
        places = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        rows: Rows = np.where(self._keys[places] == keys, self._order[places], NO_ROW)
        return rows


def _first_words(hashes: Hashes) -> Keys:
    words: Keys = np.ascontiguousarray(hashes[:, :8]).view(np.uint64)[:, 0]
    return words


def _refuse_unfit(directory: IndexDirectory, wanted: IndexManifest) -> None:
    path, known = directory.path, directory.manifest
    advice = "encode the corpus without update"
    if not directory.has_manifest or known.encoder == EncoderRecord():
        raise I3Error(f"{path}: does not record the model that encoded it; {advice}")
    if known.built.type or known.built.factory:
        source = f" ({known.built.of})" if known.built.of else ""
        raise I3Error(
            f"{path}: an index of type {known.built.type or known.built.factory}; update the "
            f"encoded vectors that it was built from{source}, and build it again"
        )
    if known.shard is not None and known.shard.number > 1:
        raise I3Error(
            f"{path}: shard {known.shard.id} of {known.shard.number}; merge the shards first"
        )
    if changes := differences(comparable(known, wanted), comparable(wanted, known)):
        raise I3Error(
            f"{path}: encoded differently ({'; '.join(changes)}); use the same settings, or "
            f"{advice}"
        )
    if known.encoder.libraries and known.encoder.libraries != wanted.encoder.libraries:
        other = "; ".join(
            differences(dict(known.encoder.libraries), dict(wanted.encoder.libraries or {}))
        )
        note(f"{path}: encoded with other versions of libraries ({other})")


def comparable(manifest: IndexManifest, other: IndexManifest) -> dict[str, Any]:
    """What decides a passage's vector, and its form.

    Args:
        manifest: of an index.
        other: of the index that it is compared with.
    """
    encoder = replace(manifest.encoder, **OWN_ENCODER)
    if encoder.fingerprint and encoder.fingerprint == other.encoder.fingerprint:
        encoder = replace(encoder, name=None)  # the model may have been moved
    corpus, chunks = manifest.corpus, manifest.corpus.chunks
    return {
        "model": encoder.to_json(),
        "fields": list(corpus.fields or ()),
        "delimiter": corpus.delimiter or "\n",
        "chunks": None if chunks is None else vars(replace(chunks, **OWN_CHUNKS)),
        "titles": manifest.titles,
        "store_dtype": manifest.store_dtype,
        "output": manifest.kind,
    }


def _hashes_of_corpus(directory: IndexDirectory, passages: int, scratch: Path) -> Hashes:
    """The hashes of an index of an earlier version, from its corpus, if that has not changed."""
    path, known = directory.path, directory.manifest
    corpus = corpus_of(path)
    if corpus is None or known.corpus.sha256 != hash_of(corpus, Shard()):
        raise I3Error(
            f"{path}: has no content hashes, since an earlier version encoded it, and the corpus "
            "that was encoded is not there any more; encode the corpus without update once"
        )
    target = scratch / "base-hashes.bin"
    with HashWriter(target, known.titles is not False) as hashes:
        scan(corpus, None, scratch, each=lambda passage, _: hashes.add(passage))
    found = written_hashes(target)
    if found is None or len(found) != passages:
        raise I3Error(f"{path}: {passages:,} vectors, but its corpus has another number; damaged")
    return found
