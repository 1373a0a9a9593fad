"""The kinds of index that have a name here, and what of them depends on the collection."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import faiss

from i3_pyserini.errors import I3Error
from i3_pyserini.search.faiss_index import (
    apply_parameters,
    lists_of,
    parameters_of,
    parts_of,
)

VECTORS_A_LIST = 39  # what FAISS wants at least to train one
TRAINED_A_LIST = 64
MOST_LISTS = 65_536
LISTS_A_PROBE = 16  # one in so many lists is searched
LEAST_PROBES = 256  # a thousand hits lie in many lists, however small these are
TRAINED = 65_536  # vectors, where that is not more for the lists


TYPES = {  # FAISS's descriptions; the number of lists, and of pieces of a vector, are filled in
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
    """An index to be built.

    Attributes:
        name: of the type; None for a description of the user's.
        factory: FAISS's description.
        parameters: of searching.
        training: vectors to train with.
    """

    name: str | None
    factory: str
    parameters: Mapping[str, int]
    training: int

    def empty(self, dimension: int) -> faiss.Index:
        """The index without vectors, of inner products, with its parameters set.

        Raises:
            I3Error: see `plan`.
        """
        index = _made(self.factory, dimension)
        apply_parameters(index, self.parameters, f"type {self.factory}")
        return index


def plan(name: str, passages: int, dimension: int) -> Plan:
    """What a name or a description means for a collection.

    Args:
        name: one of `TYPES`, in any case, or a string of FAISS's `index_factory`.
        passages: number of vectors.
        dimension: numbers in each.

    Raises:
        I3Error: FAISS does not understand the description, or it does not fit the dimension, or
            is not of inner products.
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
    """Lists of an inverted file: the power of two nearest 4·√N, but no more than can be trained.

    Source: FAISS's own guidelines, which say 4·√N to 16·√N.
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
            f"{place}: FAISS cannot make that of {dimension} dimensions ({reason:.160}); named "
            f"types are {', '.join(TYPES)}"
        ) from error
    parts = list(parts_of(index))
    if any(isinstance(part, faiss.IndexIDMap) for part in parts):
        raise I3Error(f"{place}: ids are in the file 'docid'; leave IDMap out")
    if any(part.metric_type != faiss.METRIC_INNER_PRODUCT for part in parts):
        raise I3Error(  # FAISS says nothing, and the hits would be the wrong ones
            f"{place}: FAISS makes that for distances only, not for inner products; named types "
            f"are {', '.join(TYPES)}"
        )
    return index


def _parameters(index: faiss.Index, lists: int) -> dict[str, int]:
    """What a new index gets; FAISS's own values find little of a thousand hits."""
    nprobe = min(lists, max(LEAST_PROBES, lists // LISTS_A_PROBE))
    breadth = max(64, 2 * nprobe) if lists else 1024  # a graph of the lists, or of the vectors
    values = {"refine": 4, "nprobe": nprobe, "efSearch": breadth}
    return {name: values[name] for name in parameters_of(index)}
