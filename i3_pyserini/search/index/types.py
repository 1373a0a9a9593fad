"""The kinds of index that have a name here, and what of them depends on the collection."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import faiss

from i3_pyserini.errors import I3Error
from i3_pyserini.search.index.parameters import apply_parameters

VECTORS_A_LIST = 39  # what FAISS wants at least to train one
TRAINED_A_LIST = 64
MOST_LISTS = 65_536


@dataclass(frozen=True)
class IndexType:
    """A kind of index.

    Attributes:
        factory: FAISS's description; `{lists}` and `{pieces}` are filled in.
        what: for people.
        nprobe: one in so many lists is searched; None where there are none.
        parameters: other parameters that a new index gets.
    """

    factory: str
    what: str
    nprobe: int | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)


TYPES = {
    "flat": IndexType("Flat", "all vectors, exact"),
    "fp16": IndexType("SQfp16", "all vectors, half precision"),
    "sq8": IndexType("SQ8", "all vectors, a byte a number"),
    "hnsw": IndexType("HNSW32", "graph of all vectors", parameters={"efSearch": 1024}),
    "ivf-flat": IndexType("IVF{lists},Flat", "lists of vectors", nprobe=16),
    "ivf-sq8": IndexType("IVF{lists},SQ8", "lists, a byte a number", nprobe=16),
    "ivf-pq": IndexType(
        "IVF{lists},PQ{pieces}x4fs,Refine(SQfp16)",
        "lists, 2 bits a number, first hits scored again in half precision",
        nprobe=16,
        parameters={"refine": 4},
    ),
    "rabitq": IndexType(
        "RaBitQ,Refine(SQ8)",
        "all vectors, a bit a number, first hits scored again with a byte a number",
        parameters={"refine": 4},
    ),
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
        """The index without vectors, of inner products.

        Raises:
            I3Error: FAISS does not understand the description, or it does not fit the dimension.
        """
        try:
            index = faiss.index_factory(dimension, self.factory, faiss.METRIC_INNER_PRODUCT)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise I3Error(
                f"--type {self.factory}: FAISS cannot make that of {dimension} dimensions "
                f"({reason:.160}); named types are {', '.join(TYPES)}"
            ) from error
        apply_parameters(index, self.parameters, f"--type {self.factory}")
        return index


def plan(name: str, passages: int, dimension: int) -> Plan:
    """What a name or a description means for a collection.

    Args:
        name: one of `TYPES`, in any case, or a string of FAISS's `index_factory`.
        passages: number of vectors.
        dimension: numbers in each.
    """
    known = TYPES.get(name.lower())
    lists = lists_for(passages)
    if known is None:
        trained = "IVF" in name.upper() or "PQ" in name.upper()
        return Plan(None, name, {}, min(passages, TRAINED_A_LIST * lists if trained else 65_536))
    factory = known.factory.format(lists=lists, pieces=max(1, dimension // 2))
    parameters = dict(known.parameters)
    if known.nprobe:
        parameters["nprobe"] = max(1, lists // known.nprobe)
    training = TRAINED_A_LIST * lists if known.nprobe else 65_536
    return Plan(name.lower(), factory, parameters, min(passages, training))


def lists_for(passages: int) -> int:
    """Lists of an inverted file: the power of two nearest 4·√N, but no more than can be trained.

    Source: FAISS's own guidelines, which say 4·√N to 16·√N.
    """
    wanted: int = 2 ** round(math.log2(4 * math.sqrt(passages)))
    most: int = 2 ** int(math.log2(max(1, passages // VECTORS_A_LIST)))
    return max(1, min(wanted, most, MOST_LISTS))
