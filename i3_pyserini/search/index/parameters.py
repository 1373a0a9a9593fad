"""What is set when an index is searched: how much of it is looked at."""

from collections.abc import Iterator, Mapping
from typing import Any

import faiss

from i3_pyserini.errors import I3Error

# Our names and FAISS's; `refine` is the multiple of k that is scored again.
FAISS_NAMES = {"nprobe": "nprobe", "efSearch": "efSearch", "refine": "k_factor_rf"}
BELONGS_TO = {"nprobe": "IVF", "efSearch": "HNSW", "refine": "refined"}
# Where FAISS keeps an index inside another: refined, transformed, in lists, in a graph.
INNER = ("base_index", "index", "quantizer", "storage")


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
