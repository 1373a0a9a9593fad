"""The hits of an encoded index, for mining."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import faiss
import numpy as np

from i3_pyserini.data.same_text import TextHashes
from i3_pyserini.encode.encoded_queries import check_index, encode_topics
from i3_pyserini.encode.encoders import I3QueryEncoder
from i3_pyserini.errors import I3Error

SEARCHED = 512  # queries searched at once: a flat index is read from memory once for all of them


class IndexHits:
    """Searches an index with a model's queries.

    Index and ids are in memory, and the queries' vectors while they are searched.

    Args:
        index: a folder with `index` and `docid`.
        encoder: the model's query encoder.
        batch_size: queries that are encoded together.

    Raises:
        I3Error: there is no index, it is of another model, is not searched by inner product, or
            does not have as many ids as vectors.
    """

    def __init__(self, index: Path, encoder: I3QueryEncoder, batch_size: int) -> None:
        check_index(index, encoder)
        self.path, self.encoder, self.batch_size = index, encoder, batch_size
        self._index = faiss.read_index(str(index / "index"))
        try:
            with (index / "docid").open(encoding="utf-8") as lines:
                self.docids = [line.rstrip("\n") for line in lines]
        except (OSError, UnicodeDecodeError) as error:
            raise I3Error(f"{index / 'docid'}: cannot be read ({error})") from error
        if len(self.docids) != self._index.ntotal:
            raise I3Error(
                f"{index}: {len(self.docids):,} ids but {self._index.ntotal:,} vectors; encode the "
                "corpus again"
            )
        if self._index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise I3Error(f"{index}: not an inner-product index, which the model's vectors need")

    def check_passages(self, texts: TextHashes) -> None:
        """Looks all the index's passages up, since a search may take hours.

        Args:
            texts: the collection's.

        Raises:
            I3Error: a passage is not in the collection.
        """
        _, known = texts.look_up(self.docids)
        if not known.all():
            line = int(np.argmin(known))
            raise I3Error(
                f"{self.path / 'docid'}, line {line + 1}: passage {self.docids[line]!r} is not in "
                "the collection; name the collection that was encoded"
            )

    def hits(self, topics: Mapping[str, str], last: int) -> Iterator[tuple[str, list[str]]]:
        """Yields each query's id and its passages at ranks 1 to `last`, the best first.

        As in a run that `eval` ranks, ties are in falling order of docid.

        Args:
            topics: query texts by query id.
            last: number of hits.
        """
        vectors = encode_topics(dict(topics), self.encoder, self.batch_size)
        qids = list(topics)
        count = min(last, self._index.ntotal)  # FAISS makes room for as many as it is asked for
        for start in range(0, len(qids), SEARCHED):
            some = slice(start, start + SEARCHED)
            found = zip(*self._index.search(vectors[some], count), strict=True)
            for qid, (scores, rows) in zip(qids[some], found, strict=True):
                pairs = zip(scores.tolist(), rows.tolist(), strict=True)
                # Row -1: an approximate index may find fewer.
                ranked = sorted((score, self.docids[row]) for score, row in pairs if row >= 0)
                yield qid, [docid for _, docid in reversed(ranked)]
