"""Which passages say the same: a hash of every passage's words, by passage id.

One pass over the text store, then no look-up touches the disk again. Memory is 16 bytes for each
passage of the collection, 40 while it is built.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from i3_pyserini.data.known import BLOCK, Hashes, hashes_of
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.textstore import TextStore

Known = np.ndarray[Any, np.dtype[np.bool_]]


class TextHashes:
    """Hashes of passages' texts: equal where title and text are, white space and case apart.

    Ids and texts are held as 64-bit hashes; see `hashes_of`.

    Args:
        store: the collection.
    """

    def __init__(self, store: TextStore) -> None:
        pids: Hashes = np.empty(len(store), dtype=np.uint64)
        texts: Hashes = np.empty(len(store), dtype=np.uint64)
        with tqdm(
            total=len(store), desc="hash texts", unit=" passages", unit_scale=True, delay=2
        ) as progress:
            for start in range(0, len(store), BLOCK):
                block = store.slice(start, start + BLOCK)
                rows = slice(start, start + len(block))
                pids[rows] = hashes_of([passage.docid for passage in block])
                texts[rows] = hashes_of([words_of(passage) for passage in block])
                progress.update(len(block))
        order = np.argsort(pids)
        self._pids, self._texts = pids[order], texts[order]

    def look_up(self, pids: Sequence[str]) -> tuple[Hashes, Known]:
        """Text hashes of P passages.

        Args:
            pids: their ids.

        Returns:
            uint64 [P], of no meaning for a passage that the collection does not have; and
            bool [P], whether it has it.
        """
        hashes = hashes_of(pids)
        places = np.minimum(np.searchsorted(self._pids, hashes), len(self._pids) - 1)
        return self._texts[places], self._pids[places] == hashes


def words_of(passage: Passage) -> str:
    """Title and text in lower case with single spaces: equal for passages that say the same."""
    return " ".join(f"{passage.title or ''} {passage.text}".casefold().split())
