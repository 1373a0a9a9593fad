"""What is set when an index is searched: how much of it is looked at."""

from collections.abc import Mapping

import faiss

from i3_pyserini.errors import I3Error

# Our names and FAISS's; `refine` is the multiple of k that is scored again.
FAISS_NAMES = {"nprobe": "nprobe", "efSearch": "efSearch", "refine": "k_factor_rf"}
BELONGS_TO = {"nprobe": "IVF", "efSearch": "HNSW", "refine": "refined"}


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
