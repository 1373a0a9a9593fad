"""BM25 of documents whose windows are indexed: by their best windows."""

from collections.abc import Mapping

import pandas as pd

from i3_pyserini.formats.chunks import DELIMITER
from i3_pyserini.formats.documents import WindowDocuments, best_windows
from i3_pyserini.search.bm25_index import Bm25
from i3_pyserini.search.fusion import hits_of

DEEPER = 2  # times the documents asked for: windows at first; and the factor of a deeper search


class DocumentBm25:
    """Ranks documents by what BM25 finds of their windows; see `Bm25`.

    A query is searched for more windows until it has enough documents, or no more are found.

    Args:
        windows: the index of windows.
        delimiter: between a document's id and a window's number.
    """

    def __init__(self, windows: Bm25, delimiter: str = DELIMITER) -> None:
        self._windows, self._delimiter = windows, delimiter

    def rank(self, topics: Mapping[str, str], hits: int, k1: float, b: float) -> pd.DataFrame:
        """See `Bm25.rank`; at most `hits` documents per query."""
        found: dict[str, pd.DataFrame] = {}
        left, depth = dict(topics), DEEPER * hits
        while left:
            windows = self._windows.rank(left, depth, k1, b)
            counts = windows.groupby("query_id", sort=False).size().to_dict()
            for qid, own in self._documents(windows, hits).groupby("query_id", sort=False):
                found[str(qid)] = own
            left = {
                qid: text
                for qid, text in left.items()
                if counts.get(qid, 0) >= depth and len(found[qid]) < hits
            }
            depth *= DEEPER
        some = [found[qid] for qid in topics if qid in found]
        columns = ["query_id", "doc_id", "score"]
        return pd.concat(some, ignore_index=True) if some else pd.DataFrame(columns=columns)

    def _documents(self, ranking: pd.DataFrame, hits: int) -> pd.DataFrame:
        if ranking.empty:
            return ranking
        qids, found, docids = hits_of(ranking)
        windows = WindowDocuments(docids, self._delimiter)
        named, names = windows.named(best_windows(found, windows, hits))
        rows = [
            (qid, hit.docid, hit.score)
            for qid, own in zip(qids, named.named(names), strict=True)
            for hit in own
        ]
        return pd.DataFrame(rows, columns=["query_id", "doc_id", "score"])
