"""An index file of any type that FAISS knows: reading it, its parameters, and exact search.

FAISS's flat index leaves matrix products for one dot product after the other when it is given few
queries at a time, as stock search gives them; and it reads the whole file first. Here the file of a
flat one is mapped, and the products are as large as they may be. `benchmarks/search_speed.py` has
the numbers.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Rows, Scores
from i3_pyserini.formats.index import read_manifest

# Our names and FAISS's; `refine` is the multiple of k that is scored again.
FAISS_NAMES = {"nprobe": "nprobe", "efSearch": "efSearch", "refine": "k_factor_rf"}
BELONGS_TO = {"nprobe": "IVF", "efSearch": "HNSW", "refine": "refined"}
# Where FAISS keeps an index inside another: refined, transformed, in lists, in a graph.
INNER = ("base_index", "index", "quantizer", "storage")
QUERIES = 4096  # searched together: the index is read once for all of them
PASSAGES = 16_384  # of a block of the index: its scores stay in the cache
LEAST_FOR_PRODUCTS = 20  # queries


def read_index(folder: Path) -> faiss.Index:
    """The index of a directory, mapped into memory rather than read where that is safe.

    FAISS can map all types, but then reads past the end of a file that was cut off. So it does
    that for files whose size is in the manifest; of others, only the lists of IVF types are mapped.

    Args:
        folder: a directory with `index`.

    Raises:
        I3Error: there is none, or it is damaged or of a type that this FAISS does not know.
    """
    path = folder / "index"
    if not path.is_file():
        raise I3Error(f"{folder}: no index here (no file 'index')")
    known = read_manifest(folder).built.bytes
    size = path.stat().st_size
    if known is not None and size != known:
        raise I3Error(
            f"{path}: cannot read it: {size:,} bytes where {known:,} are due; it was cut off or "
            "replaced; build it again"
        )
    try:
        return faiss.read_index(
            str(path), faiss.IO_FLAG_MMAP if known is None else faiss.IO_FLAG_MMAP_IFC
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise I3Error(
            f"{path}: FAISS {faiss.__version__} cannot read it ({reason:.120}); it was cut off, or "
            "is of a type that needs a newer FAISS"
        ) from error


def apply_parameters(index: faiss.Index, parameters: Mapping[str, int], place: str) -> None:
    """Sets parameters of an index in memory; FAISS keeps them in the file when it is written.

    Args:
        index: the index.
        parameters: values by name: nprobe, efSearch, refine.
        place: what the index is called in messages.

    Raises:
        I3Error: the index's type has no such parameter.
    """
    for name, value in parameters.items():
        try:
            faiss.ParameterSpace().set_index_parameter(index, FAISS_NAMES[name], value)
        except (RuntimeError, KeyError) as error:
            kind = type(faiss.downcast_index(index)).__name__.removeprefix("Index")
            raise I3Error(
                f"{place}: {name} is of {BELONGS_TO.get(name, 'no')} indexes, but this one is "
                f"{kind}; leave it out"
            ) from error


def parts_of(index: faiss.Index) -> Iterator[Any]:
    """An index and those inside it, outermost first, each as an object of its own class.

    They are only as long there as `index` is.
    """
    part: Any = index
    while part is not None:
        part = faiss.downcast_index(part)
        yield part
        inner = (getattr(part, name, None) for name in INNER)
        part = next((one for one in inner if one is not None), None)


def parameters_of(index: faiss.Index) -> dict[str, int]:
    """The parameters that an index's type has, with the values that are set; by our names."""
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
    """How many lists an index's vectors are in; 0 where there are none."""
    return next((int(part.nlist) for part in parts_of(index) if hasattr(part, "nlist")), 0)


def search_exactly(queries: Scores, vectors: Scores, k: int) -> tuple[Scores, Rows]:
    """The k passages of highest inner product.

    Args:
        queries: float32 [Q, H].
        vectors: float32 [N, H], in memory or mapped.
        k: hits of a query; at most N.

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
    """FAISS's settings of block sizes, which are the process's, for the time of a search."""
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
