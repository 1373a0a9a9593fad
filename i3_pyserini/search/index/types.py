"""The named index types, and their parameters that depend on the collection."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.search.faiss_index import (
    apply_parameters,
    lists_of,
    parameters_of,
    parts_of,
)

VECTORS_A_LIST = 39  # training vectors per list that FAISS requires
TRAINED_A_LIST = 64
MOST_LISTS = 65_536
LISTS_A_PROBE = 16  # one in 16 lists is searched
LEAST_PROBES = 256  # minimum, since a thousand hits are spread over many lists
TRAINED = 65_536  # vectors, where that is not more for the lists


TYPES = {  # FAISS factory strings; the numbers of lists and sub-vectors are filled in
    "flat": "Flat",
    "fp16": "SQfp16",
    "sq8": "SQ8",
    "hnsw": "HNSW32",
    "ivf-flat": "IVF{lists},Flat",
    "ivf-sq8": "IVF{lists},SQ8",
    "ivf-pq": "IVF{lists},PQ{pieces}x4fs,Refine(SQfp16)",
    "rabitq": "RaBitQ,Refine(SQ8)",
}


@dataclass(frozen=True)
class Plan:
    """An index to build.

    Attributes:
        name: name of the type; None for a factory string of the user.
        factory: FAISS factory string.
        parameters: search parameters.
        training: number of training vectors.
    """

    name: str | None
    factory: str
    parameters: Mapping[str, int]
    training: int

    def empty(self, dimension: int) -> faiss.Index:
        """The empty index, with inner product and its parameters set.

        Raises:
            I3Error: see `plan`.
        """
        index = _made(self.factory, dimension)
        apply_parameters(index, self.parameters, f"type {self.factory}")
        return index


def plan(name: str, passages: int, dimension: int) -> Plan:
    """The plan for a type name or factory string and a collection.

    Args:
        name: one of `TYPES`, in any case, or a string of FAISS's `index_factory`.
        passages: number of vectors.
        dimension: their dimension.

    Raises:
        I3Error: the factory string is invalid, does not fit the dimension, or does not support
            inner products.
    """
    known = TYPES.get(name.lower())
    factory = name
    if known:
        factory = known.format(lists=lists_for(passages), pieces=max(1, dimension // 2))
    index = _made(factory, dimension)
    lists = lists_of(index)
    training = min(passages, max(TRAINED, TRAINED_A_LIST * lists))
    return Plan(name.lower() if known else None, factory, _parameters(index, lists), training)


def lists_for(passages: int) -> int:
    """Number of lists: the power of two nearest to 4·√N, but no more than can be trained.

    Source: FAISS's guidelines (4·√N to 16·√N).
    """
    wanted: int = 2 ** round(math.log2(4 * math.sqrt(passages)))
    most: int = 2 ** int(math.log2(max(1, passages // VECTORS_A_LIST)))
    return max(1, min(wanted, most, MOST_LISTS))


def _made(factory: str, dimension: int) -> faiss.Index:
    place = f"type {factory}"
    try:
        index = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise I3Error(
            f"{place}: FAISS cannot create it for {dimension} dimensions ({reason:.160}); named "
            f"types are {', '.join(TYPES)}"
        ) from error
    parts = list(parts_of(index))
    if any(isinstance(part, faiss.IndexIDMap) for part in parts):
        raise I3Error(f"{place}: ids are in the file 'docid'; omit IDMap")
    if any(part.metric_type != faiss.METRIC_INNER_PRODUCT for part in parts):
        raise I3Error(  # FAISS does not report it, and the hits would be wrong
            f"{place}: FAISS supports it for distances only, not for inner products; named types "
            f"are {', '.join(TYPES)}"
        )
    return index


def _parameters(index: faiss.Index, lists: int) -> dict[str, int]:
    """The defaults of a new index; FAISS's own defaults find few of a thousand hits."""
    nprobe = min(lists, max(LEAST_PROBES, lists // LISTS_A_PROBE))
    breadth = max(64, 2 * nprobe) if lists else 1024  # a graph of the lists, or of the vectors
    values = {"refine": 4, "nprobe": nprobe, "efSearch": breadth}
    return {name: values[name] for name in parameters_of(index)}
