"""Groups of search options, in a module without slow imports."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from i3_pyserini.errors import I3Error, at_least_1


@dataclass(frozen=True)
class SearchParameters:
    """Parameters of an approximate index; by default those stored in the index.

    Attributes:
        nprobe: number of lists to search, for IVF types.
        ef_search: breadth of the search, for HNSW types.
        refine: candidates to rescore, as a multiple of the hits.

    Raises:
        I3Error: a number is below 1.
    """

    nprobe: int | None = None
    ef_search: int | None = None
    refine: int | None = None

    def __post_init__(self) -> None:
        at_least_1(**vars(self))

    def given(self) -> dict[str, int]:
        """The given values, with the names of the index manifest."""
        values = {"nprobe": self.nprobe, "efSearch": self.ef_search, "refine": self.refine}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Feedback:
    """Pseudo-relevance feedback, as in Pyserini.

    Attributes:
        prf_depth: number of first hits to use; 0 for no feedback.
        prf_method: "avg" for the mean of query and hits, "rocchio" for a weighted mean.
        rocchio_alpha: weight of the query.
        rocchio_beta: weight of the mean of the first `rocchio_topk` hits.
        rocchio_gamma: weight of the subtracted mean of the last `rocchio_bottomk` of these hits.
        rocchio_topk: see `rocchio_beta`.
        rocchio_bottomk: see `rocchio_gamma`; 0 for none.

    Raises:
        I3Error: the numbers of hits contradict each other.
    """

    prf_depth: int = 0
    prf_method: Literal["avg", "rocchio"] = "avg"
    rocchio_alpha: float = 0.9
    rocchio_beta: float = 0.1
    rocchio_gamma: float = 0.1
    rocchio_topk: int = 3
    rocchio_bottomk: int = 0

    def __post_init__(self) -> None:
        depth, bottom = self.prf_depth, self.rocchio_bottomk
        if depth < 0:
            raise I3Error(f"prf_depth is {depth}, must be at least 0")
        if depth and (self.rocchio_topk < 1 or not 0 <= bottom <= depth):
            raise I3Error(
                f"feedback of depth {depth}: needs 1 or more hits for rocchio_topk, and not more "
                "than these for rocchio_bottomk"
            )


class MaxPassage(NamedTuple):
    """Pyserini's MaxP, which ranks the documents of the hits and does not search for more.

    Attributes:
        delimiter: between a document's id and the rest of a passage's.
        hits: maximum documents per query.
    """

    delimiter: str = "#"
    hits: int = 100


AS_BUILT, NO_FEEDBACK = SearchParameters(), Feedback()
