"""`Searcher`: searches an index directory with texts or vectors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from i3_pyserini.encode.flags import QueryFlags
from i3_pyserini.encode.index_encoder import (
    encoder_for,
    record_of,
    refuse_other_dimension,
    refuse_other_encoder,
)
from i3_pyserini.encode.merge import FinishedShard, merged_manifest, shards_of
from i3_pyserini.encode.query_encoders import QueryEncoder
from i3_pyserini.errors import I3Error, note
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.first_dimensions import for_index, whole_dimension
from i3_pyserini.formats.hits import NO_HIT, SPARE, TIES, Hit, Hits, Rows, Scores, in_order
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.index_directory import IndexDirectory
from i3_pyserini.formats.index_state import stale, state_of
from i3_pyserini.formats.index_texts import place_of_corpus, with_offsets
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.records import write_record
from i3_pyserini.search.cluster import ClusterVectors
from i3_pyserini.search.faiss_index import apply_parameters, read_index
from i3_pyserini.search.flat import FlatVectors, searches_there
from i3_pyserini.search.scalar_codes import search_compressed
from i3_pyserini.threads import limit_loaded

FLAT = b"IxFI"  # first bytes of a FAISS IndexFlatIP file
CELLS = 1 << 24  # hits of one search: 200 MB


class Searcher:
    """Searches an index of `i3_pyserini.encode`, stock Pyserini or `index build`.

    A flat index is memory-mapped and searched exactly. Hits are in trec_eval's order. The shards of
    an encoding are searched one after the other, with the hits of their merged index.

    Example:
        >>> searcher = Searcher("INDEX")
        >>> searcher.search(["how long to boil an egg"], k=2)
        [[Hit(docid='d7', score=0.83), Hit(docid='d2', score=0.61)]]

    Args:
        index: a directory with `index`, `docid` and optionally `manifest.json`; or a pattern such
            as "SHARD-*" for all shards of an encoding.
        encoder: encoder for texts, or the directory or hub name of its model, which must be the
            model named in the manifest. None for that model, loaded on first use.
        parameters: parameters of an approximate index, such as {"nprobe": 64}; None for the stored
            ones.
        device: where to search a flat index, such as "cuda:0"; None for the CPU.
        ray: address of a Ray cluster that searches a flat index or the shards; see `close`.

    Raises:
        I3Error: the index does not exist, is damaged, has different numbers of ids and vectors,
            does not use inner products, belongs to another model or dimension, or lacks these
            parameters; or the cluster does not answer.

    Attributes:
        path: the directory, or the pattern.
        parts: the directory, or those of the shards in their order.
        manifest: of the index, or that of the merged shards.
        docids: the ids of all passages.
        count: their number.
        dimension: of their vectors.
    """

    def __init__(
        self,
        index: str | Path,
        encoder: QueryEncoder | str | Path | None = None,
        parameters: Mapping[str, int] | None = None,
        device: str | None = None,
        ray: str | None = None,
    ) -> None:
        limit_loaded()
        self.path = Path(index)
        shards = shards_of(self.path)
        self.parts = [self.path] if shards is None else [one.path for one in shards]
        known = [IndexDirectory.open(path, "faiss").manifest for path in self.parts]
        self.manifest = known[0] if shards is None else merged_manifest(shards)
        if line := stale(
            str(self.path),
            self.manifest.built.of,
            state_of(self.manifest),
            "build it again with i3-pyserini index build",
        ):
            note(line)
        ids = {path: Docids.read(path / "docid") for path in self.parts}
        self.docids = Docids.joined(ids)
        files = [path / "index" for path in self.parts]
        self._vectors: FlatVectors | None = None
        if shards or _is_flat(files[0]):
            self._vectors = FlatVectors(files, device)
        elif searches_there(device):
            note(f"{self.path}: is not flat, so it is searched on the CPU, not on {device}")
        if shards and self._vectors:
            _check_shards(shards, self._vectors, list(ids.values()))
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
        if ray is not None:
            self._vectors = self._on_cluster(files, ray)

    @property
    def made_by(self) -> EncoderRecord:
        """The encoder described in the manifest; an empty record if there is none."""
        return self.manifest.encoder

    @property
    def whole_dimension(self) -> int:
        """Dimension of the vectors of queries, before they are shortened as the index is."""
        return whole_dimension(self.manifest, self.dimension)

    @property
    def exact(self) -> bool:
        """Whether all vectors are compared, so that k hits are the first k of more."""
        return self._vectors is not None

    @property
    def encoder(self) -> QueryEncoder:
        """The encoder for texts: the given one, or the one named in the manifest.

        Raises:
            I3Error: the manifest names none, or it cannot be loaded.
        """
        return self._encoder or self.load_encoder(QueryFlags())

    def load_encoder(self, flags: QueryFlags, threads: int | None = None) -> QueryEncoder:
        """Loads the encoder for texts named by the user, or else by the manifest.

        Args:
            flags: settings given by the user.
            threads: for encoding without torch; None for one on each usable CPU.

        Raises:
            I3Error: see `encoder_for` and `use`.
        """
        encoder = encoder_for(self.made_by, str(self.path), flags, threads)
        self.use(encoder)
        return encoder

    def use(self, encoder: QueryEncoder) -> None:
        """Sets the encoder for texts.

        Raises:
            I3Error: its dimension, model, pooling or normalization differs from that of the index.
        """
        refuse_other_dimension(encoder, self.whole_dimension, str(self.path))
        refuse_other_encoder(record_of(encoder), encoder.name, self.made_by, str(self.path))
        self._encoder = encoder

    def corpus(
        self, path: Path | None = None, reading: Mapping[str, Any] = MappingProxyType({})
    ) -> Corpus:
        """The corpus of the index, read with the same settings as for encoding.

        Args:
            path: its path; None for the path in the manifest.
            reading: how to read it, if the manifest does not record it; see `Corpus.from_options`.

        Raises:
            I3Error: the manifest names none, or it no longer exists.
        """
        known = self.manifest.corpus
        if path is None and known.path is None:
            raise I3Error(
                f"{self.path}: its manifest names no corpus; give the corpus that was encoded"
            )
        options = {**write_record(known), **reading}
        corpus = Corpus.from_options(path or place_of_corpus(self.parts[0], known), options)
        return with_offsets(corpus) if known.chunks else corpus

    def search(self, queries: Sequence[str] | Scores, k: int = 1000) -> list[list[Hit]]:
        """Finds the k passages with the highest inner products for each query.

        Args:
            queries: Q texts, or their vectors, float32 [Q, H].
            k: hits per query; at most the number of passages.

        Returns:
            The hits of each query, best first; an approximate index may find fewer than k.

        Raises:
            I3Error: see `search_arrays`.
        """
        return self.search_arrays(queries, k).named(self.docids)

    def search_arrays(self, queries: Sequence[str] | Scores, k: int = 1000) -> Hits:
        """Like `search`, with the hits as arrays of scores and rows, for many queries.

        Args:
            queries: see `search`.
            k: see `search`.

        Returns:
            Scores and rows, [Q, min(k, passages)].

        Raises:
            I3Error: k is below 1, there is no model to encode texts, or a vector has another
                dimension or NaN or infinite values.
        """
        if k < 1:
            raise I3Error(f"k is {k}, must be at least 1")
        vectors, k = self.vectors_of(queries), min(k, self.count)
        if self._vectors is None:  # the hits of an approximate index depend on k
            scores, rows = search_compressed(self._index, vectors, k)
            return in_order(scores, rows, self.docids, k)
        scores, rows = self._vectors.search(vectors, min(k + SPARE, self.count))
        hits = in_order(scores, rows, self.docids, k)
        if scores.shape[1] < self.count:
            tied = np.flatnonzero(scores[:, k - 1] == scores[:, -1])
            self._search_ties(vectors, k, tied, hits)
        return hits

    def close(self) -> None:
        """Ends the connection to a Ray cluster, if there is one."""
        if isinstance(self._vectors, ClusterVectors):
            self._vectors.close()

    def vectors_of(self, queries: Sequence[str] | Scores, whole: bool = False) -> Scores:
        """The checked vectors of queries; texts are encoded.

        Args:
            queries: see `search`.
            whole: do not shorten them as the index is.

        Raises:
            I3Error: see `search_arrays`.
        """
        if isinstance(queries, str):
            raise I3Error(f"queries are one text ({queries!r:.60}); expected a list of texts")
        if isinstance(queries, np.ndarray):
            vectors = np.ascontiguousarray(queries, dtype=np.float32)
        else:
            vectors = self.encoder.encode(queries)
        wanted = self.whole_dimension if whole else self.dimension
        vectors = vectors if whole else for_index(vectors, self.manifest)
        if vectors.ndim != 2 or vectors.shape[1] != wanted:  # noqa: PLR2004  ([Q, H])
            raise I3Error(
                f"queries are vectors {list(vectors.shape)}, but {self.path} has vectors of "
                f"{wanted} dimensions"
            )
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            bad = int(np.argmin(finite))
            text = "" if isinstance(queries, np.ndarray) else f" ({queries[bad]!r:.60})"
            raise I3Error(
                f"query {bad + 1} of {len(vectors)}{text}: its vector is not finite; "
                "is the model damaged?"
            )
        return vectors

    def passages(self, rows: Rows) -> Scores:
        """The vectors of given rows, for feedback and the mean of a document's windows.

        Args:
            rows: int64 of any shape; -1 returns zeros.

        Returns:
            float32 [*rows.shape, H]; approximated if the index compresses vectors.

        Raises:
            I3Error: the index cannot reconstruct its vectors.
        """
        found = np.where(rows == NO_HIT, 0, rows).ravel()
        if self._vectors is not None:
            vectors = self._vectors[found]
        else:
            try:
                if hasattr(self._index, "make_direct_map"):
                    self._index.make_direct_map()
                vectors = self._index.reconstruct_batch(found)
            except RuntimeError as error:
                raise I3Error(
                    f"{self.path}: this index type cannot reconstruct vectors, which feedback and "
                    "documents mean3 need; use a flat index"
                ) from error
        shaped: Scores = vectors.reshape(*rows.shape, self.dimension)
        return np.where((rows == NO_HIT)[..., None], np.float32(0), shaped)

    def _search_ties(self, vectors: Scores, k: int, queries: Rows, hits: Hits) -> None:
        """Replaces the hits of some queries, whose scores at rank k and after it are equal."""
        assert self._vectors is not None  # noqa: S101  (of a flat index)
        deep = min(k + TIES, self.count)
        step = max(1, CELLS // deep)
        for start in range(0, len(queries), step):
            some = queries[start : start + step]
            found = in_order(*self._vectors.search(vectors[some], deep), self.docids, k)
            hits.scores[some], hits.rows[some] = found.scores, found.rows

    def _on_cluster(self, files: Sequence[Path], address: str) -> ClusterVectors:
        if self._vectors is None:
            raise I3Error(
                f"{self.path}: is an approximate index; --ray searches flat indexes and shards"
            )
        return ClusterVectors(files, address)

    def _check(self) -> None:
        if len(self.docids) != self.count:
            raise I3Error(
                f"{self.path}: {len(self.docids):,} ids but {self.count:,} vectors; encode the "
                "corpus again"
            )
        if not self.count:
            raise I3Error(f"{self.path}: no passages in it")
        if self._index is not None and self._index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise I3Error(f"{self.path}: not an inner-product index")


def _check_shards(
    shards: Sequence[FinishedShard], vectors: FlatVectors, ids: Sequence[Docids]
) -> None:
    for shard, shape, own in zip(shards, vectors.shapes, ids, strict=True):
        if shape != shard.shape or len(own) != shape.passages:
            raise I3Error(
                f"{shard.path}: {shape.passages:,} vectors of {shape.dimension} dimensions and "
                f"{len(own):,} ids, but its manifest says {shard.shape.passages:,} of "
                f"{shard.shape.dimension}; encode it again"
            )


def _is_flat(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(FLAT)) == FLAT
