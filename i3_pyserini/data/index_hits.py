"""Hits of an encoded index, for mining."""

from collections.abc import Iterator, Mapping

import numpy as np

from i3_pyserini.data.same_text import TextHashes
from i3_pyserini.encode.query_encoders import note_cut
from i3_pyserini.errors import I3Error
from i3_pyserini.search.searcher import Searcher

SEARCHED = 512  # queries per search: their hits are in memory


class IndexHits:
    """Searches an index with queries encoded by its model.

    Args:
        searcher: the index and the encoder of queries.

    Raises:
        I3Error: there is no encoder and the manifest names none.
    """

    def __init__(self, searcher: Searcher) -> None:
        self.path, self.searcher, self._encoder = searcher.path, searcher, searcher.encoder

    def check_passages(self, texts: TextHashes) -> None:
        """Looks up all passages of the index before a search that may take hours.

        Args:
            texts: the collection's.

        Raises:
            I3Error: a passage is not in the collection.
        """
        docids = self.searcher.docids
        _, known = texts.look_up(list(docids))
        if not known.all():
            line = int(np.argmin(known))
            raise I3Error(
                f"{self.path / 'docid'}, line {line + 1}: passage {docids[line]!r} is not in the "
                "collection; give the collection that was encoded"
            )

    def hits(self, topics: Mapping[str, str], last: int) -> Iterator[tuple[str, list[str]]]:
        """Yields each query's id and its passages at ranks 1 to `last`, in the order of a run.

        Args:
            topics: query texts by query id.
            last: number of hits.
        """
        qids = list(topics)
        vectors = self._encoder.encode(list(topics.values()))
        note_cut(self._encoder, len(topics))
        for start in range(0, len(qids), SEARCHED):
            some = slice(start, start + SEARCHED)
            found = self.searcher.search(vectors[some], last)
            for qid, hits in zip(qids[some], found, strict=True):
                yield qid, [hit.docid for hit in hits]
