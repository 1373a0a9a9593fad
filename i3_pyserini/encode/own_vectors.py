"""Makes an index from vectors that were computed elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash, refuse_inputs
from i3_pyserini.formats.docids import IdFile, count_ids
from i3_pyserini.formats.flex import IDS, VECTORS, FlexIds, is_flex, open_flex, read_flex
from i3_pyserini.formats.index import EncoderRecord, IndexManifest, SourceRecord
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.jsonl_vectors import first_dimension, read_jsonl_vectors
from i3_pyserini.formats.lines import SUFFIXES
from i3_pyserini.formats.parquet_vectors import (
    ParquetIds,
    parquet_dimension,
    read_parquet_vectors,
)
from i3_pyserini.formats.parts import Array, Block
from i3_pyserini.formats.quantized import Quantization
from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.formats.vector_files import FILES, Shape, open_index, open_npy, read_array

FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class OwnVectors:
    """Vectors to import.

    Attributes:
        path: path given by the user.
        files: all files with vectors.
        ids: all files with ids.
        array: float [N, H], memory-mapped; None for JSON lines and Parquet.
        quantization: what makes vectors of the array if it has codes.
    """

    path: Path
    files: tuple[Path, ...]
    ids: tuple[IdFile, ...]
    array: Array | None = None
    quantization: Quantization | None = None

    @property
    def dimension(self) -> int:
        """The dimension; 0 if there are no vectors."""
        if self.array is not None:
            if self.quantization is not None:
                return self.quantization.dimension(self.array)
            return int(self.array.shape[1])
        first = self.files[0]
        return parquet_dimension(first) if is_parquet(first) else first_dimension(first)

    def blocks(self) -> Iterator[Block]:
        """The vectors, in order.

        Raises:
            I3Error: a line is invalid.
        """
        if isinstance(self.ids[0], FlexIds):
            yield from read_flex(self.path)
            return
        if self.array is not None:
            for block in read_array(self.array, self.ids[0].path):
                codes = self.quantization
                vectors = block.vectors if codes is None else codes.floats(block.vectors)
                yield Block(block.ids, vectors)
            return
        dimension = self.dimension
        for file in self.files:
            read = read_parquet_vectors if is_parquet(file) else read_jsonl_vectors
            for block in read(file):
                found = block.vectors.shape[1]
                if found != dimension:
                    raise I3Error(
                        f"{file}: vectors of {found} dimensions, but those of {self.files[0]} have "
                        f"{dimension}"
                    )
                yield block


def find_vectors(
    path: Path, ids: Path | None = None, quantization: Quantization | None = None
) -> OwnVectors:
    """Detects the format of a file or folder of vectors.

    Args:
        path: a `.npy` or `.parquet` file, a file or folder of JSON lines, a folder
            `{index, docid}`, or a FlexIndex.
        ids: the ids for a `.npy` file, one per line.
        quantization: how a `.npy` file of bytes was made.

    Raises:
        I3Error: the format is unknown, or no import is needed.
    """
    if path.suffix == ".npy" and path.is_file():
        if ids is None:
            raise I3Error(f"{path}: contains no ids; give a file of ids with --ids")
        return _of_array(path, ids, quantization)
    if quantization is not None:
        raise I3Error(f"--quantized {quantization.precision}: only for .npy files, not for {path}")
    if ids is not None:
        raise I3Error(f"--ids {ids}: only for .npy files; {path} must contain ids itself")
    if path.suffix in SUFFIXES and path.is_file():
        return OwnVectors(path, (path,), (IdFile(path, jsonl=True),))
    if is_parquet(path) and path.is_file():
        return OwnVectors(path, (path,), (ParquetIds(path),))
    if not path.is_dir():
        known = "neither .npy nor .jsonl nor .parquet nor a folder"
        state = known if path.exists() else "no such file"
        raise I3Error(f"{path}: {state}")
    return _find_in_folder(path)


def _of_array(path: Path, ids: Path, quantization: Quantization | None) -> OwnVectors:
    array = open_npy(path, "f" if quantization is None else "iu")
    if quantization is None:
        if array.dtype.name not in FLOATS:
            raise I3Error(f"{path}: {array.dtype}; expected one of {', '.join(FLOATS)}")
    else:
        try:
            quantization.dimension(array)
        except I3Error as error:
            raise I3Error(f"{path}: {error}") from error
    ranges = () if quantization is None or quantization.file is None else (quantization.file,)
    return OwnVectors(path, (path, ids, *ranges), (IdFile(ids),), array, quantization)


def is_parquet(path: Path) -> bool:
    """Whether a file's name is one of Parquet."""
    return path.suffix.lower() == ".parquet"


def write_own_vectors(source: OwnVectors, output: IndexOutput, name: str | None = None) -> Shape:
    """Writes an index of imported vectors.

    Vectors are written as float32; a float16 array stays float16 in a `.npy` file.

    Args:
        source: the vectors.
        output: the output.
        name: name of the model, for the manifest.

    Returns:
        Number and dimension of the vectors.

    Raises:
        I3Error: an id is invalid or occurs twice, the numbers of ids and vectors differ, a vector
            has NaN or infinite values, or the output cannot be written.
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
            source=tuple(_source_record(source, file) for file in source.files),
            store_dtype=dtype,
        )
        output.finish(_finite(source, dtype), shape, manifest, dtype)
    return shape


def _source_record(source: OwnVectors, file: Path) -> SourceRecord:
    codes = source.quantization if file == source.path else None
    return SourceRecord(
        file=file.name, sha256=file_hash(file), quantized=None if codes is None else codes.precision
    )


def _find_in_folder(folder: Path) -> OwnVectors:
    if (folder / MANIFEST).exists():
        raise I3Error(
            f"{folder}: is an index of this package (it has a {MANIFEST}); no import is needed"
        )
    if is_flex(folder):
        ids = folder / IDS
        return OwnVectors(folder, (folder / VECTORS, ids), (FlexIds(ids),), open_flex(folder))
    index, docids = (folder / name for name in FILES["faiss"])
    if index.is_file() and docids.is_file():
        return OwnVectors(folder, (index, docids), (IdFile(docids),), open_index(index))
    found = (file for file in folder.iterdir() if file.suffix in SUFFIXES)
    files = tuple(sorted(found, key=lambda file: file.name))
    if not files:
        raise I3Error(
            f"{folder}: no index and docid and no .jsonl files; expected these or a .npy file"
        )
    return OwnVectors(folder, files, tuple(IdFile(file, jsonl=True) for file in files))


def _shape(source: OwnVectors, scratch: Path) -> Shape:
    passages = sum(count_ids(source.ids, scratch))
    if source.array is not None and passages != len(source.array):
        raise I3Error(f"{source.ids[0].path}: {passages:,} ids for {len(source.array):,} vectors")
    if not passages or not source.dimension:
        raise I3Error(f"{source.path}: no vectors in it")
    return Shape(passages, source.dimension)


def _finite(source: OwnVectors, dtype: str) -> Iterator[Block]:
    """The vectors in the type to store.

    Raises:
        I3Error: a vector has NaN, infinite values or values out of range for the type.
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
                f"contains a NaN or a number out of range for {dtype}"
            )
        yield Block(block.ids, vectors, block.contents)
        row += len(block.ids)
