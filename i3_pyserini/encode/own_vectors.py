"""Making an index of vectors that something else has computed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash, refuse_inputs
from i3_pyserini.formats.docids import IdFile, count_ids
from i3_pyserini.formats.index import EncoderRecord, IndexManifest, SourceRecord
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.jsonl_vectors import first_dimension, read_jsonl_vectors
from i3_pyserini.formats.lines import SUFFIXES
from i3_pyserini.formats.parts import Array, Block
from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.formats.vector_files import FILES, Shape, open_index, open_npy, read_array

FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class OwnVectors:
    """Vectors to import.

    Attributes:
        path: what the user named.
        files: all files that they are in.
        ids: those of them that have the ids.
        array: float [N, H], mapped into memory; None for JSON lines.
    """

    path: Path
    files: tuple[Path, ...]
    ids: tuple[IdFile, ...]
    array: Array | None = None

    @property
    def dimension(self) -> int:
        """Numbers in a vector; 0 where there is none."""
        if self.array is not None:
            return int(self.array.shape[1])
        return first_dimension(self.files[0])

    def blocks(self) -> Iterator[Block]:
        """The vectors, in order.

        Raises:
            I3Error: a line is invalid.
        """
        if self.array is not None:
            yield from read_array(self.array, self.ids[0].path)
            return
        dimension = self.dimension
        for file in self.files:
            for block in read_jsonl_vectors(file):
                found = block.vectors.shape[1]
                if found != dimension:
                    raise I3Error(
                        f"{file}: vectors of {found} dimensions, but those of {self.files[0]} have "
                        f"{dimension}"
                    )
                yield block


def find_vectors(path: Path, ids: Path | None = None) -> OwnVectors:
    """Sees what a file or folder of vectors is.

    Args:
        path: a `.npy` file, a file or folder of JSON lines, or a folder `{index, docid}`.
        ids: the ids of a `.npy` file, one a line.

    Raises:
        I3Error: it is none of these, or needs no import.
    """
    if path.suffix == ".npy" and path.is_file():
        if ids is None:
            raise I3Error(f"{path}: has no ids in it; name a file of them with --ids")
        array = open_npy(path)
        if array.dtype.name not in FLOATS:
            raise I3Error(f"{path}: {array.dtype}; expected one of {', '.join(FLOATS)}")
        return OwnVectors(path, (path, ids), (IdFile(ids),), array)
    if ids is not None:
        raise I3Error(f"--ids {ids}: is for a .npy file; {path} has to have ids in it")
    if path.suffix in SUFFIXES and path.is_file():
        return OwnVectors(path, (path,), (IdFile(path, jsonl=True),))
    if not path.is_dir():
        state = "neither .npy nor .jsonl nor a folder" if path.exists() else "no such file"
        raise I3Error(f"{path}: {state}")
    return _find_in_folder(path)


def write_own_vectors(source: OwnVectors, output: IndexOutput, name: str | None = None) -> Shape:
    """Writes an index of own vectors.

    Float32 is what is written; a float16 array stays one in a `.npy` file.

    Args:
        source: the vectors.
        output: where they go.
        name: the model they are of, for the manifest.

    Returns:
        Number and dimension of the vectors.

    Raises:
        I3Error: an id is unusable or occurs twice, ids and vectors are not as many, a vector is
            not finite, or the output cannot be written.
    """
    refuse_inputs([output.target], [*source.files, *(file.parent for file in source.files)])
    with output.work() as folder:
        output.refuse_interrupted()
        shape = _shape(source, folder)
        halves = source.array is not None and source.array.dtype == np.float16
        dtype = "float16" if halves and output.kind == "npy" else "float32"
        output.check_space(output.bytes_needed(shape, itemsize=np.dtype(dtype).itemsize))
        manifest = IndexManifest(
            version=__version__,
            encoder=EncoderRecord(kind="imported", name=name, dimension=shape.dimension),
            source=tuple(
                SourceRecord(file=file.name, sha256=file_hash(file)) for file in source.files
            ),
            store_dtype=dtype,
        )
        output.finish(_finite(source, dtype), shape, manifest, dtype)
    return shape


def _find_in_folder(folder: Path) -> OwnVectors:
    if (folder / MANIFEST).exists():
        raise I3Error(f"{folder}: is an index of this package (it has a {MANIFEST}); use it as is")
    index, docids = (folder / name for name in FILES["faiss"])
    if index.is_file() and docids.is_file():
        return OwnVectors(folder, (index, docids), (IdFile(docids),), open_index(index))
    files = tuple(sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES))
    if not files:
        raise I3Error(f"{folder}: neither index and docid nor .jsonl files; or name a .npy file")
    return OwnVectors(folder, files, tuple(IdFile(file, jsonl=True) for file in files))


def _shape(source: OwnVectors, scratch: Path) -> Shape:
    passages = sum(count_ids(source.ids, scratch))
    if source.array is not None and passages != len(source.array):
        raise I3Error(f"{source.ids[0].path}: {passages:,} ids for {len(source.array):,} vectors")
    if not passages or not source.dimension:
        raise I3Error(f"{source.path}: no vectors in it")
    return Shape(passages, source.dimension)


def _finite(source: OwnVectors, dtype: str) -> Iterator[Block]:
    """The vectors as they will be stored.

    Raises:
        I3Error: one is not finite, or float32 cannot hold it.
    """
    row = 0
    for block in source.blocks():
        with np.errstate(over="ignore"):
            vectors = block.vectors.astype(dtype)
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            bad = int(np.argmin(finite))
            raise I3Error(
                f"{source.path}: the vector of id {block.ids[bad]!r} (row {row + bad}, from 0) "
                f"has a NaN, or a number that {dtype} cannot hold"
            )
        yield Block(block.ids, vectors, block.contents)
        row += len(block.ids)
