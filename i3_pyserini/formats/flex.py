"""Reads and writes FlexIndex folders, the dense indexes of pyterrier_dr.

FLEX/vecs.f4        float32 [N, H], without a header
FLEX/docnos.npids   ids, in a format of the package npids that finds them in both directions
FLEX/pt_meta.json   number and dimension
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_folder
from i3_pyserini.formats.docids import IdFile
from i3_pyserini.formats.jsonl_vectors import BLOCK
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.passage_fields import checked_id
from i3_pyserini.formats.records import read_object
from i3_pyserini.formats.vector_files import Shape

VECTORS, IDS, META = "vecs.f4", "docnos.npids", "pt_meta.json"
KIND = {"type": "dense_index", "format": "flex"}


class FlexIds(IdFile):
    """The ids of a FlexIndex, by row from 1 on."""

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yields row numbers and ids.

        Raises:
            I3Error: the file cannot be read, or an id cannot be in run files.
        """
        for row, docno in enumerate(_read_ids(self.path), start=1):
            try:
                yield row, checked_id(docno)
            except I3Error as error:
                raise I3Error(f"{self.path}, row {row}: {error}") from error


def is_flex(folder: Path) -> bool:
    """Whether a folder is a FlexIndex, complete or damaged."""
    try:
        found = read_object(folder / META)
    except (FileNotFoundError, NotADirectoryError, I3Error):
        return False
    return {name: found.get(name) for name in KIND} == KIND


def open_flex(folder: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vectors of a FlexIndex, memory-mapped.

    Returns:
        float32 [N, H].

    Raises:
        I3Error: it is damaged.
    """
    meta = read_object(folder / META)
    passages, dimension = meta.get("doc_count"), meta.get("vec_size")
    # `type`, as true is an int, too; and two numbers below zero could have the file's size
    if type(passages) is not int or type(dimension) is not int or min(passages, dimension) < 1:
        raise I3Error(
            f"{folder}: no vectors in it ({META}: {passages!r:.40} of {dimension!r:.40} dimensions)"
        )
    path = folder / VECTORS
    expected, size = passages * dimension * 4, path.stat().st_size if path.is_file() else 0
    if size != expected:
        raise I3Error(f"{path}: expected {expected:,} bytes, got {size:,}; it was truncated")
    return np.memmap(path, np.dtype("<f4"), "r", shape=(passages, dimension))


def read_flex(folder: Path) -> Iterator[Block]:
    """The vectors of a FlexIndex with their ids, in blocks.

    Raises:
        I3Error: it is damaged, or has more ids than vectors, or fewer.
    """
    array, path = open_flex(folder), folder / IDS
    ids = (docid for _, docid in FlexIds(path))
    for start in range(0, len(array), BLOCK):
        vectors = np.array(array[start : start + BLOCK])
        own = [docid for _, docid in zip(range(len(vectors)), ids, strict=False)]
        if len(own) < len(vectors):
            raise I3Error(f"{path}: {start + len(own):,} ids for {len(array):,} vectors")
        yield Block(own, vectors)
    if next(ids, None) is not None:
        raise I3Error(f"{path}: more ids than the {len(array):,} vectors")


def write_flex(target: Path, blocks: Iterable[Block], shape: Shape, overwrite: bool) -> None:
    """Writes a FlexIndex, which appears when it is complete.

    Args:
        target: the folder.
        blocks: the vectors, in order.
        shape: of them.
        overwrite: replace an existing FlexIndex.

    Raises:
        I3Error: npids is not installed or cannot hold the ids, or the folder exists or cannot be
            written.
    """
    if target.exists() and not overwrite:
        raise I3Error(f"{target}: exists; choose another name, or --overwrite")
    if target.exists() and not is_flex(target):
        raise I3Error(f"{target}: is not a FlexIndex; only a FlexIndex is overwritten")
    with new_folder(target) as folder:
        _write_both(folder, blocks, target)
        meta = {**KIND, "vec_size": shape.dimension, "doc_count": shape.passages}
        (folder / META).write_text(json.dumps(meta), encoding="utf-8")


def _write_both(folder: Path, blocks: Iterable[Block], target: Path) -> None:
    """Writes vectors and ids, and reads the ids again: some sets of ids npids does not return."""
    lookup, written, found = _lookup(target), blake2b(), blake2b()
    with _refusing(target), (folder / VECTORS).open("wb") as file:
        with lookup.builder(folder / IDS) as docnos:
            for block in blocks:
                file.write(np.ascontiguousarray(block.vectors, dtype="<f4").data)
                for docid in block.ids:
                    written.update(f"{docid}\n".encode())
                    docnos.add(docid)
        for docid in lookup(folder / IDS):
            found.update(f"{docid}\n".encode())
        if found.digest() != written.digest():
            raise ValueError("other ids are read from it")


@contextmanager
def _refusing(target: Path) -> Iterator[None]:
    """Converts what npids raises of ids that it cannot hold."""
    try:
        yield
    except (I3Error, OSError):
        raise
    except Exception as error:  # it indexes arrays that are too short, and divides by zero
        raise I3Error(
            f"{target}: npids cannot hold these ids ({type(error).__name__}: {error}); export to "
            "npy or parquet"
        ) from error


def _read_ids(path: Path) -> Iterator[str]:
    lookup = _lookup(path)
    try:
        yield from lookup(path)
    except Exception as error:  # a damaged file raises almost anything
        raise I3Error(f"{path}: cannot be read ({type(error).__name__}: {error})") from error


def _lookup(place: Path) -> Any:
    try:
        from npids import Lookup  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise I3Error(f"{place}: needs npids: pip install 'i3-pyserini[pyterrier]'") from error
    return Lookup
