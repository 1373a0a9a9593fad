"""Merges separately encoded shards of a corpus into one index."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from i3_pyserini.encode.scan import Shard
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.atomic import refuse_inputs, unfinished
from i3_pyserini.formats.chunks import CHUNKS
from i3_pyserini.formats.content_hashes import Hashes, read_hashes
from i3_pyserini.formats.docids import count_ids
from i3_pyserini.formats.index import EncoderRecord, IndexManifest, ShardRecord
from i3_pyserini.formats.index_directory import IndexDirectory
from i3_pyserini.formats.index_output import Beside, IndexOutput
from i3_pyserini.formats.jsonl_vectors import read_jsonl_vectors
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.records import MANIFEST, differences
from i3_pyserini.formats.vector_files import FILES, Kind, Shape, kind_of, read_files

STORE_DTYPES = ("float32", "float16")
# Keys of a manifest's `corpus` that differ between shards or machines.
OWN = ("sha256", "passages", "path")


@dataclass(frozen=True)
class FinishedShard:
    """The output directory of one shard.

    Attributes:
        path: the directory.
        manifest: its manifest.
        shard: which shard of how many it is.
        shape: number and dimension of its vectors, from the manifest.
    """

    path: Path
    manifest: IndexManifest
    shard: Shard
    shape: Shape

    @property
    def kind(self) -> Kind:
        """The kind of its files."""
        return kind_of(self.path)


def merge(paths: Sequence[Path], target: Path, overwrite: bool = False) -> Shape:
    """Writes an index identical to one encoding of the whole corpus.

    Args:
        paths: the output directories of all shards, in any order.
        target: the directory to write, in the format of the shards.
        overwrite: replace an existing index.

    Returns:
        Number and dimension of the vectors.

    Raises:
        I3Error: a shard is missing, given twice, incomplete, damaged or from another encoding, an
            id occurs in two shards, or the output cannot be written.
    """
    refuse_inputs([target], paths)
    shards = all_shards([load_shard(path) for path in paths])
    first = shards[0]
    shape = Shape(sum(one.shape.passages for one in shards), first.shape.dimension)
    output = IndexOutput(target, first.kind, overwrite)
    with output.work() as folder:
        output.refuse_interrupted()
        output.check_space(sum(_bytes(one) for one in shards))
        _check_counts(shards, folder)
        blocks = (block for one in shards for block in _blocks(one))
        dtype, chunks = first.manifest.store_dtype or "float32", first.path / CHUNKS
        cut = chunks if chunks.is_dir() else None
        hashes = _hashes(shards)
        beside = Beside(cut, lambda: hashes)
        output.finish(blocks, shape, merged_manifest(shards), dtype, beside)
    return shape


def shards_of(pattern: Path) -> list[FinishedShard] | None:
    """All shards of an encoding, by a pattern such as "SHARD-*".

    Args:
        pattern: a pattern, or the path of an index.

    Returns:
        The shards in order; None if it is no pattern.

    Raises:
        I3Error: see `load_shard` and `all_shards`; or nothing has such a name.
    """
    if pattern.exists() or not set(pattern.name) & set("*?["):
        return None
    paths = sorted(pattern.parent.glob(pattern.name))
    if not paths:
        raise I3Error(f"{pattern}: no directory has such a name")
    return all_shards([load_shard(path) for path in paths])


def load_shard(path: Path) -> FinishedShard:
    """Reads the manifest of a shard.

    Raises:
        I3Error: the directory does not exist, is incomplete, or is not a shard.
    """
    manifest = IndexManifest.read(path)
    if manifest is None:
        raise _unfinished(path)
    found = _shard_of(path, manifest)
    if found.shard.number == 1:
        raise I3Error(
            f"{path}: is a whole index, not a shard; only outputs of --shard-id can be merged"
        )
    kind = kind_of(path)
    if kind != manifest.kind:
        raise I3Error(f"{path}: has files of kind {kind}, but its manifest says {manifest.kind}")
    return found


def all_shards(shards: Sequence[FinishedShard]) -> list[FinishedShard]:
    """Checks that shards belong together and none is missing.

    Returns:
        The shards in order.

    Raises:
        I3Error: a shard is from another encoding, given twice, or missing.
    """
    first = shards[0]
    found: dict[int, FinishedShard] = {}
    for one in shards:
        if changes := differences(_common(first), _common(one)):
            raise I3Error(
                f"{one.path}: not of the same encoding as {first.path} ({'; '.join(changes)})"
            )
        if one.shard.id in found:
            raise I3Error(
                f"{one.path}: shard {one.shard.id} is given twice, {found[one.shard.id].path} has "
                "it too"
            )
        found[one.shard.id] = one
    missing = [str(number) for number in range(first.shard.number) if number not in found]
    if missing:
        raise I3Error(
            f"shards missing (of {first.shard.number}, from 0): {', '.join(missing)}; encode "
            "them and add their directories"
        )
    return [found[number] for number in range(first.shard.number)]


def _shard_of(path: Path, manifest: IndexManifest) -> FinishedShard:
    needed = ("shard", "passages", "dimension", "kind", "store_dtype")
    shard = manifest.shard or ShardRecord()
    reason = next((f"no {name}" for name in needed if getattr(manifest, name) is None), None)
    if manifest.encoder == EncoderRecord():
        reason = "no model"
    elif manifest.store_dtype not in STORE_DTYPES:
        reason = f"store_dtype {manifest.store_dtype}"
    elif shard.id not in range(shard.number):
        reason = f"shard {shard.id} of {shard.number}"
    if reason:
        raise I3Error(
            f"{path / MANIFEST}: not of a shard ({reason}); only outputs of --shard-id can be "
            "merged"
        )
    shape = Shape(manifest.passages or 0, manifest.dimension or 0)
    return FinishedShard(path, manifest, Shard(shard.id, shard.number), shape)


def _unfinished(path: Path) -> I3Error:
    partial = unfinished(path.resolve())
    if partial.is_dir():
        return I3Error(f"{path}: incomplete (see {partial}); run its encode command again")
    if not path.is_dir():
        return I3Error(f"{path}: no such directory")
    return I3Error(f"{path}: no {MANIFEST}; not a complete shard")


def _common(shard: FinishedShard) -> dict[str, Any]:
    """The properties that all shards of an encoding share."""
    common = shard.manifest.to_json()
    for name in OWN:
        common["corpus"].pop(name, None)
    if shard.manifest.encoder.fingerprint:  # the model may be in another folder on other machines
        common["model"].pop("name", None)
    common["model"].pop("cut", None)
    common["corpus"].get("chunks", {}).pop("of", None)
    common.pop("sha256", None)
    del common["passages"], common["shard"]["id"]
    return common


def _check_counts(shards: Sequence[FinishedShard], scratch: Path) -> None:
    files = [IndexDirectory.open(one.path).ids for one in shards]
    for one, file in zip(shards, files, strict=True):
        file.refuse_cut_off()
        if one.kind != "jsonl":  # their lines are counted below
            shape, _ = read_files(one.path)
            if shape != one.shape:
                raise I3Error(
                    f"{one.path}: {shape.passages:,} vectors of {shape.dimension} dimensions, but "
                    f"its manifest says {one.shape.passages:,} of {one.shape.dimension}; encode it "
                    "again"
                )
    for one, file, count in zip(shards, files, count_ids(files, scratch), strict=True):
        if count != one.shape.passages:
            raise I3Error(
                f"{file.path}: {count:,} ids, but its manifest says {one.shape.passages:,} "
                "passages; encode it again"
            )


def _blocks(shard: FinishedShard) -> Iterator[Block]:
    if shard.kind != "jsonl":
        _, blocks = read_files(shard.path)
        yield from blocks
        return
    path = shard.path / FILES["jsonl"][0]
    for block in read_jsonl_vectors(path):
        if block.vectors.shape[1] != shard.shape.dimension:
            raise I3Error(
                f"{path}: vectors of {block.vectors.shape[1]} dimensions, but its manifest says "
                f"{shard.shape.dimension}; encode it again"
            )
        yield block


def _hashes(shards: Sequence[FinishedShard]) -> Hashes | None:
    """The content hashes; None if a shard of an earlier version has none."""
    known = [read_hashes(one.path, one.shape.passages) for one in shards]
    found = [one for one in known if one is not None]
    if len(found) == len(known):
        return np.concatenate(found)
    if found:
        lacking = next(one.path for one, own in zip(shards, known, strict=True) if own is None)
        note(
            f"{lacking}: has no content hashes, so the merged index has none and cannot be "
            "updated (encode --update)"
        )
    return None


def _bytes(shard: FinishedShard) -> int:
    return sum((shard.path / name).stat().st_size for name in FILES[shard.kind])


def merged_manifest(shards: Sequence[FinishedShard]) -> IndexManifest:
    """The manifest of the merged index; the corpus hash is known only for each shard."""
    known = shards[0].manifest
    passages = sum(one.shape.passages for one in shards)
    hashes = tuple(one.manifest.corpus.sha256 for one in shards)
    return replace(
        known,
        encoder=replace(known.encoder, cut=_share_cut(shards)),
        corpus=replace(known.corpus, passages=passages, sha256=None, shards=hashes),
        shard=ShardRecord(id=0, number=1),
        sha256=None,
    )


def _share_cut(shards: Sequence[FinishedShard]) -> float | None:
    """The share of truncated passages; None if a shard does not record it."""
    known = [(one.manifest.encoder.cut, one.shape.passages) for one in shards]
    cut = [share * passages for share, passages in known if share is not None]
    return sum(cut) / sum(passages for _, passages in known) if len(cut) == len(known) else None
