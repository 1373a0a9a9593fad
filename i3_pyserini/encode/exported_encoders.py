"""Encoders of exported folders: onnxruntime computes the vectors, without torch."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from i3_pyserini.encode.batches import token_batches
from i3_pyserini.formats.hits import Scores
from i3_pyserini.model.exported import (
    ExportedTokenizer,
    ExportRecord,
    Side,
    check_graph,
    read_export,
    settings_of_export,
)
from i3_pyserini.model.onnx_session import OnnxFunction
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.model.texts import TokenIds, padded_batch
from i3_pyserini.threads import thread_count

QUERY_TOKENS, PASSAGE_TOKENS = 512, 1024  # per batch, with padding
AT_ONCE = 16  # batches; more would wait for Python's lock


class _Encoder:
    """One side of an exported folder."""

    def __init__(self, folder: Path, side: Side, threads: int) -> None:
        self.record: ExportRecord = read_export(folder)
        self.settings: EncoderSettings = settings_of_export(self.record)
        self.dimension: int = self.record.dimension
        self.name, self.fingerprint = str(folder), self.record.fingerprint
        self.tokenizer = ExportedTokenizer(folder, side, self.record)
        self._pad_id = getattr(self.record, side).pad_id
        graph = check_graph(folder, side, self.record)
        # One batch on each thread is faster than all threads on one batch.
        self.at_once = min(AT_ONCE, threads)
        self._run = OnnxFunction(graph, max(1, threads // self.at_once))

    def vectors(self, ids: Sequence[Sequence[int]]) -> Scores:
        """Encodes a batch of B texts given as ids to float32 [B, H]."""
        return self._run(*padded_batch(ids, self._pad_id))


class ExportedQueryEncoder(_Encoder):
    """The query encoder of an exported folder; see `QueryEncoder`.

    Args:
        folder: the folder.
        threads: number of parallel batches; None for one on each usable CPU.

    Raises:
        I3Error: onnxruntime is not installed, or the folder is damaged.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        super().__init__(folder, "query", thread_count(threads))
        self.cut = 0
        self._pool = ThreadPoolExecutor(self.at_once, "encode")  # see `NumpyQueryEncoder`

    def ids(self, queries: Sequence[str]) -> TokenIds:
        """The ids of Q queries, with special tokens, truncated to the model's length."""
        return self.tokenizer.queries(queries)

    def encode(self, queries: Sequence[str]) -> Scores:
        """Encodes Q queries to float32 [Q, H], in batches of similar length."""
        ids = self.ids(queries)
        self.cut = ids.cut
        vectors = np.empty((len(ids), self.dimension), dtype=np.float32)

        def encode(rows: Sequence[int]) -> None:
            vectors[rows] = self.vectors([ids[row] for row in rows])

        batches = list(token_batches([len(one) for one in ids], QUERY_TOKENS))
        done = self._pool.map(encode, batches)
        list(tqdm(done, total=len(batches), desc="encode", unit=" batches", delay=2))
        return vectors


class ExportedDocumentEncoder(_Encoder):
    """The passage encoder of an exported folder; see `DocumentEncoder`.

    Args:
        folder: the folder.
        threads: number of parallel batches; None for one on each usable CPU.

    Raises:
        I3Error: onnxruntime is not installed, or the folder is damaged.
    """

    batch_tokens = PASSAGE_TOKENS

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        super().__init__(folder, "passage", thread_count(threads))

    def ids(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> TokenIds:
        """The ids of N passages; see `DocumentEncoder`."""
        return self.tokenizer.passages(texts, titles)

    def encode(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> Scores:
        """Encodes B passages in one batch to float32 [B, H]."""
        return self.vectors(self.ids(texts, titles))
