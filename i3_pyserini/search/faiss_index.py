"""FAISS index files of any type: reading, parameters, and exact search.

For few queries at a time, as in stock search, FAISS's flat index computes single dot products
instead of matrix products, and it reads the whole file first. This module memory-maps flat files
and uses large products. See `benchmarks/search_speed.py`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.atomic import BLOCK
from i3_pyserini.formats.hits import Rows, Scores
from i3_pyserini.formats.index import read_manifest

# Our names and FAISS's; `refine` is the number of candidates to rescore as a multiple of k.
FAISS_NAMES = {"nprobe": "nprobe", "efSearch": "efSearch", "refine": "k_factor_rf"}
BELONGS_TO = {"nprobe": "IVF", "efSearch": "HNSW", "refine": "refined"}
# Attributes in which FAISS nests indexes: refined, transformed, in lists, in a graph.
INNER = ("base_index", "index", "quantizer", "storage")
QUERIES = 4096  # searched together, so that the index is read once for all
PASSAGES = 16_384  # rows per block of the index: its scores stay in the CPU cache
LEAST_FOR_PRODUCTS = 20  # queries


def write_index(index: faiss.Index, path: Path) -> None:
    """Writes an index file.

    FAISS's own writing of files says nothing when the last of its bytes do not fit on the disk.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb") as file:
        writer = faiss.PyCallbackIOWriter(file.write, BLOCK)  # type: ignore[attr-defined]  # not in its stubs
        faiss.write_index(index, writer)


def read_index(folder: Path) -> faiss.Index:
    """Opens the index of a directory, memory-mapped if that is safe.

    FAISS can map all types, but reads past the end of a truncated file. So only files whose size is
    in the manifest are mapped completely; of other files, only the lists of IVF types.

    Args:
        folder: a directory with `index`.

    Raises:
        I3Error: it does not exist, is damaged, or has a type that this FAISS version does not know.
    """
    path = folder / "index"
    if not path.is_file():
        raise I3Error(f"{folder}: not an index (no file 'index')")
    known = read_manifest(folder).built.bytes
    size = path.stat().st_size
    if known is not None and size != known:
        raise I3Error(
            f"{path}: cannot be read: expected {known:,} bytes, got {size:,}; it was truncated "
            "or replaced; build it again"
        )
    try:
        return faiss.read_index(
            str(path), faiss.IO_FLAG_MMAP if known is None else faiss.IO_FLAG_MMAP_IFC
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise I3Error(
            f"{path}: FAISS {faiss.__version__} cannot read it ({reason:.120}); it was "
            "truncated, or needs a newer FAISS"
        ) from error


def apply_parameters(index: faiss.Index, parameters: Mapping[str, int], place: str) -> None:
    """Sets parameters of an index in memory; FAISS saves them when it writes the file.

    Args:
        index: the index.
        parameters: values by name: nprobe, efSearch, refine.
        place: name of the index in messages.

    Raises:
        I3Error: the index's type has no such parameter.
    """
    for name, value in parameters.items():
        try:
            faiss.ParameterSpace().set_index_parameter(index, FAISS_NAMES[name], value)
        except (RuntimeError, KeyError) as error:
            kind = type(faiss.downcast_index(index)).__name__.removeprefix("Index")
            raise I3Error(
                f"{place}: {name} applies to {BELONGS_TO.get(name, 'no')} indexes, but this one "
                f"is {kind}; omit it"
            ) from error


def parts_of(index: faiss.Index) -> Iterator[Any]:
    """An index and its nested indexes, outermost first, each as an object of its own class.

    They are valid only as long as `index` exists.
    """
    part: Any = index
    while part is not None:
        part = faiss.downcast_index(part)
        yield part
        inner = (getattr(part, name, None) for name in INNER)
        part = next((one for one in inner if one is not None), None)


def parameters_of(index: faiss.Index) -> dict[str, int]:
    """The parameters of an index's type with their current values, by our names."""
    found: dict[str, int] = {}
    for part in parts_of(index):
        if hasattr(part, "k_factor"):
            found["refine"] = int(part.k_factor)
        if hasattr(part, "nprobe"):
            found["nprobe"] = int(part.nprobe)
        if hasattr(part, "hnsw"):
            found["efSearch"] = int(part.hnsw.efSearch)
    return found


def lists_of(index: faiss.Index) -> int:
    """The number of lists of an index; 0 if it has none."""
    return next((int(part.nlist) for part in parts_of(index) if hasattr(part, "nlist")), 0)


def search_exactly(queries: Scores, vectors: Scores, k: int) -> tuple[Scores, Rows]:
    """The k passages with the highest inner products.

    Args:
        queries: float32 [Q, H].
        vectors: float32 [N, H], in memory or memory-mapped.
        k: hits per query; at most N.

    Returns:
        Scores, float32 [Q, k], descending; and rows, int64 [Q, k].
    """
    scores = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    with _large_products():
        for start in range(0, len(queries), QUERIES):
            some = slice(start, start + QUERIES)
            scores[some], rows[some] = faiss.knn(
                queries[some], vectors, k, metric=faiss.METRIC_INNER_PRODUCT
            )
    return scores, rows


@contextmanager
def _large_products() -> Iterator[None]:
    """Sets FAISS's block sizes, which are global, during a search."""
    settings = {
        "distance_compute_blas_threshold": LEAST_FOR_PRODUCTS,
        "distance_compute_blas_database_bs": PASSAGES,
        "distance_compute_blas_query_bs": QUERIES,
    }
    before = {name: getattr(faiss.cvar, name) for name in settings}
    try:
        for name, value in settings.items():
            setattr(faiss.cvar, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(faiss.cvar, name, value)
