"""An index file of any type that FAISS knows: reading it, and what is set when it is searched."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import faiss

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import read_manifest

# Our names and FAISS's; `refine` is the multiple of k that is scored again.
FAISS_NAMES = {"nprobe": "nprobe", "efSearch": "efSearch", "refine": "k_factor_rf"}
BELONGS_TO = {"nprobe": "IVF", "efSearch": "HNSW", "refine": "refined"}
# Where FAISS keeps an index inside another: refined, transformed, in lists, in a graph.
INNER = ("base_index", "index", "quantizer", "storage")


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
