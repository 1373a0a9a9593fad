"""Reads and writes vector files of Pyserini, Anserini and NumPy in blocks.

| kind    | files               | what they are                                                 |
| ------- | ------------------- | ------------------------------------------------------------- |
| `faiss` | `index`, `docid`    | a FAISS `IndexFlatIP` and one id a line: stock search's        |
| `jsonl` | `embeddings.jsonl`  | `id`, `contents` and `vector`: Pyserini's and Anserini's       |
| `npy`   | `embeddings.npy`, `docid` | float32 or float16 [N, H] and one id a line               |
"""

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.docids import read_docids, write_docids
from i3_pyserini.formats.jsonl_vectors import (
    BLOCK,
    first_dimension,
    read_jsonl_ids,
    read_jsonl_vectors,
)
from i3_pyserini.formats.parts import Block

Kind = Literal["faiss", "jsonl", "npy"]
FILES: dict[Kind, tuple[str, ...]] = {
    "faiss": ("index", "docid"),
    "jsonl": ("embeddings.jsonl",),
    "npy": ("embeddings.npy", "docid"),
}
# Offsets in FAISS's file of an IndexFlatIP, from its index_write.cpp: number of vectors after
# "IxFI" and the dimension; number of floats right before the floats.
FAISS_COUNT = 8
FAISS_FLOATS = -8


@dataclass(frozen=True)
class Shape:
    """What is known of an output before its vectors are.

    Attributes:
        passages: number of vectors.
        dimension: numbers in each.
    """

    passages: int
    dimension: int


def write_files(
    kind: Kind, folder: Path, blocks: Iterable[Block], shape: Shape, dtype: str = "float32"
) -> None:
    """Writes the files of a kind, with one block in memory at a time.

    Args:
        kind: the kind.
        folder: where to write.
        blocks: the vectors, in order; with `contents` for `jsonl`.
        shape: how many there are, and their dimension.
        dtype: of `embeddings.npy`; an `index` is always float32.

    Raises:
        OSError: writing failed.
    """
    writer = {"faiss": _write_faiss, "jsonl": _write_jsonl, "npy": _write_npy}[kind]
    bar = tqdm(total=shape.passages, desc="write", unit=" passages", unit_scale=True, delay=2)
    with bar:
        writer(folder, _counted(blocks, bar), shape, np.dtype(dtype))


def kind_of(folder: Path) -> Kind:
    """The kind of the files in a folder.

    Raises:
        I3Error: there is none.
    """
    for kind, names in FILES.items():
        if all((folder / name).is_file() for name in names):
            return kind
    expected = "; ".join(" and ".join(names) for names in FILES.values())
    raise I3Error(f"{folder}: no vectors here (expected one of: {expected})")


def read_files(folder: Path) -> tuple[Shape, Iterator[Block]]:
    """The vectors of a folder, a block in memory at a time.

    Args:
        folder: a folder with files of one of the kinds.

    Returns:
        Their shape, and the blocks; those of `jsonl` have `contents`.

    Raises:
        I3Error: there is nothing of that, or it is damaged.
    """
    kind = kind_of(folder)
    if kind == "jsonl":
        return _jsonl_shape(folder / FILES[kind][0]), read_jsonl_vectors(folder / FILES[kind][0])
    array = open_index(folder / "index") if kind == "faiss" else open_npy(folder / "embeddings.npy")
    return Shape(*array.shape), read_array(array, folder / "docid")


def open_index(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vectors of a FAISS `IndexFlatIP`, memory-mapped.

    Returns:
        float32 [N, H].

    Raises:
        I3Error: it is not such an index, or is truncated.
    """
    header = _faiss_header(0)
    try:
        with path.open("rb") as file:
            found = file.read(len(header))
            size = file.seek(0, 2)
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror})") from error
    if len(found) < len(header) or found[:4] != header[:4]:
        raise I3Error(f"{path}: not a FAISS flat inner-product index as written by encode")
    (dimension,) = struct.unpack_from("<i", found, 4)
    (passages,) = struct.unpack_from("<q", found, FAISS_COUNT)
    if passages < 0 or dimension < 0 or (not dimension and passages):  # the product may be right
        raise I3Error(f"{path}: damaged ({passages:,} vectors of {dimension:,} dimensions)")
    expected = len(header) + passages * dimension * 4
    if size != expected:
        raise I3Error(f"{path}: expected {expected:,} bytes, got {size:,}; it was truncated")
    return np.memmap(path, np.float32, "r", offset=len(header), shape=(passages, dimension))


def open_npy(path: Path, kinds: str = "f") -> np.ndarray[Any, np.dtype[Any]]:
    """The vectors of a `.npy` file, memory-mapped.

    Args:
        path: the file.
        kinds: NumPy's letters of the kinds of numbers that it may have: "f" floats, "iu" integers.

    Returns:
        [N, H].

    Raises:
        I3Error: it is none, or not of two dimensions, or of other numbers.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # neither archives nor pickles
    except Exception as error:  # NumPy parses the header as Python source: SyntaxError and more
        reason = " ".join(str(error).split())
        raise I3Error(f"{path}: not a .npy file that can be memory-mapped ({reason})") from error
    if array.ndim != 2 or array.dtype.kind not in kinds:  # noqa: PLR2004  ([N, H])
        expected = "floats" if kinds == "f" else "integers"
        raise I3Error(
            f"{path}: {array.dtype} {list(array.shape)}; expected {expected} [passages, dimensions]"
        )
    mapped: np.ndarray[Any, np.dtype[Any]] = array
    return mapped


def read_array(array: np.ndarray[Any, np.dtype[Any]], docids: Path) -> Iterator[Block]:
    """Blocks of an array and of the file with its ids.

    Raises:
        I3Error: there are more ids than vectors, or fewer, or an id is invalid.
    """
    lines = read_docids(docids)
    for start in range(0, len(array), BLOCK):
        vectors = np.array(array[start : start + BLOCK])
        ids = [docid for _, docid in zip(range(len(vectors)), lines, strict=False)]
        if len(ids) < len(vectors):
            raise I3Error(f"{docids}: {start + len(ids):,} ids for {len(array):,} vectors")
        yield Block(ids, vectors)
    if next(lines, None) is not None:
        raise I3Error(f"{docids}: more ids than the {len(array):,} vectors")


def _jsonl_shape(path: Path) -> Shape:
    return Shape(sum(1 for _ in read_jsonl_ids(path)), first_dimension(path))


def _counted(blocks: Iterable[Block], bar: Any) -> Iterator[Block]:
    for block in blocks:
        yield block
        bar.update(len(block.ids))


def _faiss_header(dimension: int) -> bytes:
    """What FAISS itself writes of an empty index."""
    from i3_pyserini.faiss_library import faiss  # noqa: PLC0415  (half a second that other kinds need not pay)

    header: bytes = faiss.serialize_index(faiss.IndexFlatIP(dimension)).tobytes()
    return header


def _write_faiss(folder: Path, blocks: Iterable[Block], shape: Shape, _: np.dtype[Any]) -> None:
    """FAISS writes only what it holds in memory, so its header is filled in here."""
    header = bytearray(_faiss_header(shape.dimension))
    struct.pack_into("<q", header, FAISS_COUNT, shape.passages)
    struct.pack_into("<Q", header, len(header) + FAISS_FLOATS, shape.passages * shape.dimension)
    with (folder / "index").open("wb") as file:
        file.write(header)
        for block in write_docids(folder / "docid", blocks):
            file.write(np.ascontiguousarray(block.vectors, dtype="<f4").data)


def _write_npy(folder: Path, blocks: Iterable[Block], shape: Shape, dtype: np.dtype[Any]) -> None:
    description = np.lib.format.dtype_to_descr(dtype)
    header = {
        "descr": description,
        "fortran_order": False,
        "shape": (shape.passages, shape.dimension),
    }
    with (folder / "embeddings.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in write_docids(folder / "docid", blocks):
            file.write(np.ascontiguousarray(block.vectors, dtype=dtype).data)


def _write_jsonl(folder: Path, blocks: Iterable[Block], _: Shape, __: np.dtype[Any]) -> None:
    with (folder / "embeddings.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for block in blocks:
            contents = block.contents or [""] * len(block.ids)
            rows = zip(block.ids, contents, block.vectors.tolist(), strict=True)
            for docid, text, vector in rows:
                record = {"id": docid, "contents": text, "vector": vector}
                file.write(json.dumps(record) + "\n")
