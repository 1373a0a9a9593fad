"""Looks up passage ids by their hashes, before long work."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from i3_pyserini.data.candidates import Candidates
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.textstore import TextStore

BLOCK = 2000
Item = TypeVar("Item")
Hashes = np.ndarray[Any, np.dtype[np.uint64]]


class KnownPassages:
    """The ids of a collection as hashes, in 8 bytes of memory each.

    Args:
        store: the collection.
    """

    def __init__(self, store: TextStore) -> None:
        self.store = store
        self._hashes: Hashes = np.empty(len(store), dtype=np.uint64)
        filled = 0
        for pids in blocks(store.pids(), BLOCK):
            self._hashes[filled : filled + len(pids)] = hashes_of(pids)
            filled += len(pids)
        self._hashes.sort()

    def check(self, queries: Sequence[Candidates]) -> None:
        """Raises if the collection lacks a passage of these queries.

        Raises:
            I3Error: names the passage, and the query's file and line.
        """
        hashes = hashes_of([pid for one in queries for pid in (*one.positives, *one.negatives)])
        # np.isin would sort all hashes again for every call
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        if not (self._hashes[places] == hashes).all():
            self._refuse_unknown(queries)

    def _refuse_unknown(self, queries: Sequence[Candidates]) -> None:
        for one in queries:
            for kind, pids in (("positive", one.positives), ("negative", one.negatives)):
                for pid in pids:
                    if self.store.get(pid) is None:
                        raise I3Error(f"{one.place}: {kind} {pid} is not in the collection")


def blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items; the last one may be shorter."""
    rest = iter(items)
    while block := list(islice(rest, size)):
        yield block


def hashes_of(texts: Sequence[str]) -> Hashes:
    """64-bit hashes (SipHash with a fixed key) of N texts, uint64 [N].

    That two among ten million share one by chance has a probability of about 3 in a million.
    """
    hashes: Hashes = pd.util.hash_array(np.array(texts, dtype=object), categorize=False)
    return hashes
