"""`Searcher`: an index directory, searched by texts or by vectors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import faiss
import numpy as np

from i3_pyserini.encode.flags import QueryFlags
from i3_pyserini.encode.index_encoder import (
    encoder_for,
    record_of,
    refuse_other_dimension,
    refuse_other_encoder,
)
from i3_pyserini.encode.query_encoders import QueryEncoder
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import NO_HIT, Hit, Hits, Rows, Scores, in_order
from i3_pyserini.formats.index import EncoderRecord, IndexDirectory
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.records import write_record
from i3_pyserini.formats.vector_files import open_index
from i3_pyserini.search.faiss_index import apply_parameters, read_index, search_exactly

FLAT = b"IxFI"  # how FAISS's file of an IndexFlatIP begins
SPARE = 16  # hits beyond k, among which equal ones at the end are put in order


class Searcher:
    """Searches an index that `i3_pyserini.encode` or stock Pyserini made, or `index build`.

    A flat index is mapped rather than read, and searched exactly. Hits are in trec_eval's order.

    Example:
        >>> searcher = Searcher("INDEX")
        >>> searcher.search(["how long to boil an egg"], k=2)
        [[Hit(docid='d7', score=0.83), Hit(docid='d2', score=0.61)]]

    Args:
        index: a directory with `index`, `docid` and perhaps `manifest.json`.
        encoder: for searches by text: an encoder, or a model's directory or hub name. It has to
            be the model that the manifest names. None for that one; it is loaded when texts are
            first searched.
        parameters: of an approximate index, such as {"nprobe": 64}; None for those in its file.

    Raises:
        I3Error: there is no index, it is damaged, has not as many ids as vectors, is not of inner
            products, is of another model or dimension, or has not these parameters.
    """

    def __init__(
        self,
        index: str | Path,
        encoder: QueryEncoder | str | Path | None = None,
        parameters: Mapping[str, int] | None = None,
    ) -> None:
        self.path = Path(index)
        self.manifest = IndexDirectory.open(self.path, "faiss").manifest
        self.docids = Docids.read(self.path / "docid")
        file = self.path / "index"
        self._vectors = open_index(file) if _is_flat(file) else None
        self._index: Any = None if self._vectors is not None else read_index(self.path)
        found: Any = self._vectors if self._index is None else self._index
        shape = found.shape if self._index is None else (found.ntotal, found.d)
        self.count, self.dimension = map(int, shape)
        self._check()
        if parameters:
            target = faiss.IndexFlatIP(self.dimension) if self._index is None else self._index
            apply_parameters(target, parameters, str(index))
        self._encoder: QueryEncoder | None = None
        if isinstance(encoder, str | Path):
            self.load_encoder(QueryFlags(str(encoder)))
        elif encoder is not None:
            self.use(encoder)

    @property
    def made_by(self) -> EncoderRecord:
        """What the manifest says of the encoder; an empty record if nothing."""
        return self.manifest.encoder

    @property
    def encoder(self) -> QueryEncoder:
        """The encoder of texts; the one that the manifest names if no other was given.

        Raises:
            I3Error: the manifest names none, or it cannot be loaded.
        """
        return self._encoder or self.load_encoder(QueryFlags())

    def load_encoder(self, flags: QueryFlags, threads: int | None = None) -> QueryEncoder:
        """Loads the encoder of texts that the user names, or else the manifest.

        Args:
            flags: what the user says.
            threads: for encoding without torch; None for all cores.

        Raises:
            I3Error: see `encoder_for` and `use`.
        """
        encoder = encoder_for(self.made_by, str(self.path), flags, threads)
        self.use(encoder)
        return encoder

    def use(self, encoder: QueryEncoder) -> None:
        """Takes an encoder for searches by text.

        Raises:
            I3Error: it is of another dimension or model than the index, or pools or scales
                otherwise than its passages were.
        """
        refuse_other_dimension(encoder, self.dimension, str(self.path))
        refuse_other_encoder(record_of(encoder), encoder.name, self.made_by, str(self.path))
        self._encoder = encoder

    def corpus(
        self, path: Path | None = None, reading: Mapping[str, Any] = MappingProxyType({})
    ) -> Corpus:
        """The corpus that the index was made of, read as it was when it was encoded.

        Args:
            path: where it is now; None for where the manifest says that it was.
            reading: how it is read, where the manifest does not say; see `Corpus.from_options`.

        Raises:
            I3Error: the manifest names none, or it is not there any more.
        """
        known = self.manifest.corpus
        if path is None and known.path is None:
            raise I3Error(f"{self.path}: its manifest names no corpus; name the one it was made of")
        options = {**write_record(known), **reading}
        return Corpus.from_options(path or Path(str(known.path)), options)

    def search(self, queries: Sequence[str] | Scores, k: int = 1000) -> list[list[Hit]]:
        """The k passages of highest inner product with each query.

        Args:
            queries: Q texts, or their vectors, float32 [Q, H].
            k: hits of a query; no more than the index has passages are given.

        Returns:
            The hits of each query, the best first; an approximate index may find fewer than k.

        Raises:
            I3Error: see `search_arrays`.
        """
        return self.search_arrays(queries, k).named(self.docids)

    def search_arrays(self, queries: Sequence[str] | Scores, k: int = 1000) -> Hits:
        """The same hits as arrays of scores and rows, for searches of many queries.

        Args:
            queries: see `search`.
            k: likewise.

        Returns:
            Scores and rows, [Q, min(k, passages)].

        Raises:
            I3Error: k is below 1, texts come without a model to encode them, or a vector has
                another dimension or is not finite.
        """
        if k < 1:
            raise I3Error(f"asked for {k} hits, must be at least 1")
        vectors, k = self.vectors_of(queries), min(k, self.count)
        if self._vectors is not None:
            scores, rows = search_exactly(vectors, self._vectors, min(k + SPARE, self.count))
        else:  # what an approximate index finds depends on how many it is asked for
            scores, rows = self._index.search(vectors, k)
        return in_order(scores, rows, self.docids, k)

    def vectors_of(self, queries: Sequence[str] | Scores) -> Scores:
        """The vectors of queries, checked; those of texts by the encoder.

        Raises:
            I3Error: see `search_arrays`.
        """
        if isinstance(queries, str):
            raise I3Error(f"queries are one text ({queries!r:.60}); expected a list of texts")
        if isinstance(queries, np.ndarray):
            vectors = np.ascontiguousarray(queries, dtype=np.float32)
        else:
            vectors = self.encoder.encode(queries)
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:  # noqa: PLR2004
            raise I3Error(
                f"queries are vectors {list(vectors.shape)}, but {self.path} has vectors of "
                f"{self.dimension} dimensions"
            )
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            bad = int(np.argmin(finite))
            text = "" if isinstance(queries, np.ndarray) else f" ({queries[bad]!r:.60})"
            raise I3Error(
                f"query {bad + 1} of {len(vectors)}{text}: its vector is not finite; is the model "
                "sound?"
            )
        return vectors

    def passages(self, rows: Rows) -> Scores:
        """The vectors of some rows, for feedback.

        Args:
            rows: int64 of any shape; -1 gives zeros.

        Returns:
            float32 [*rows.shape, H]; an approximate index gives what it has kept of them.

        Raises:
            I3Error: the index cannot give its vectors back.
        """
        found = np.where(rows == NO_HIT, 0, rows).ravel()
        if self._vectors is not None:
            vectors = self._vectors[found]
        else:
            try:
                if hasattr(self._index, "make_direct_map"):
                    self._index.make_direct_map()
                vectors = np.stack([self._index.reconstruct(int(row)) for row in found])
            except RuntimeError as error:
                raise I3Error(
                    f"{self.path}: this type of index cannot give vectors back, which feedback "
                    "needs; use a flat one"
                ) from error
        shaped: Scores = vectors.reshape(*rows.shape, self.dimension)
        return np.where((rows == NO_HIT)[..., None], np.float32(0), shaped)

    def _check(self) -> None:
        if len(self.docids) != self.count:
            raise I3Error(
                f"{self.path}: {len(self.docids):,} ids but {self.count:,} vectors; encode the "
                "corpus again"
            )
        if not self.count:
            raise I3Error(f"{self.path}: no passages in it")
        if self._index is not None and self._index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise I3Error(f"{self.path}: not an inner-product index, which the vectors need")


def _is_flat(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(FLAT)) == FLAT
