"""The encoding loop: passages in, vectors out, in the corpus's order."""

import itertools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from i3_pyserini import __version__
from i3_pyserini.encode.corpus import Corpus, Passage, collection_name
from i3_pyserini.encode.encoders import DocumentEncoder
from i3_pyserini.encode.store import Store
from i3_pyserini.errors import I3Error

WINDOW = 32  # batches that are read ahead, so that a batch can be of passages of one length


@dataclass(frozen=True)
class Shard:
    """Which of `number` equal parts of the corpus to encode, counted from 0."""

    id: int = 0
    number: int = 1

    def range(self, passages: int) -> tuple[int, int]:
        """First and past-the-last passage; the last shard takes the rest, as in Pyserini."""
        size = passages // self.number
        start = self.id * size
        return start, passages if self.id == self.number - 1 else start + size


@dataclass(frozen=True)
class Encoding:
    """How to encode.

    Attributes:
        batch_size: passages that go through the model together.
        with_titles: whether titles are given to the encoder.
        shard: the part of the corpus to encode.
    """

    batch_size: int = 64
    with_titles: bool = True
    shard: Shard = Shard()


def encode_corpus(
    corpus: Corpus, encoder: DocumentEncoder, store: Store, how: Encoding | None = None
) -> int:
    """Encodes a corpus into a store.

    The corpus is read twice: once to check it, so that a bad last line is found before hours of
    encoding, and once to encode it, a window of batches at a time.

    Args:
        corpus: the corpus.
        encoder: the encoder.
        store: where the vectors go; entered and left here.
        how: see `Encoding`.

    Returns:
        The number of passages encoded.

    Raises:
        I3Error: the corpus has a mistake, or the store cannot be written.
    """
    how = how or Encoding()
    summary = corpus.check()
    start, end = how.shard.range(summary.passages)
    if start == end:
        raise I3Error(
            f"{corpus.path}: shard {how.shard.id} of {how.shard.number} is empty: there are "
            f"only {summary.passages} passages; use fewer shards"
        )
    store.manifest = {
        "i3_pyserini": __version__,
        "model": encoder.describe(),
        "corpus": {
            "name": collection_name(corpus.path),
            "path": str(corpus.path),
            "files": summary.files,
            "passages": summary.passages,
            "sha256": summary.sha256,
            "fields": list(corpus.fields),
        },
        "shard": {"id": how.shard.id, "number": how.shard.number},
        "titles": how.with_titles,
    }
    passages = itertools.islice(corpus, start, end)
    interval = 0.5 if sys.stderr.isatty() else 30.0  # seconds; a log file gets a line now and then
    bar = tqdm(total=end - start, unit="passage", desc="encode", mininterval=interval, delay=2)
    with bar, store:
        for window in _windows(passages, WINDOW * how.batch_size):
            store.add(window, _encode_window(window, encoder, how, bar))
    return store.count


def _windows(passages: Iterable[Passage], size: int) -> Iterator[list[Passage]]:
    iterator = iter(passages)
    while window := list(itertools.islice(iterator, size)):
        yield window


def _encode_window(
    window: list[Passage], encoder: DocumentEncoder, how: Encoding, bar: Any
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Encodes passages of like length together, and puts the vectors back in their order."""
    order = sorted(range(len(window)), key=lambda row: len(window[row].text))
    vectors = None
    for start in range(0, len(order), how.batch_size):
        rows = order[start : start + how.batch_size]
        texts = [window[row].text for row in rows]
        titles = [window[row].title for row in rows] if how.with_titles else None
        encoded = encoder.encode(texts, titles)
        if vectors is None:
            vectors = np.empty((len(window), encoded.shape[1]), dtype=np.float32)
        vectors[rows] = encoded
        bar.update(len(rows))
    assert vectors is not None  # noqa: S101  (a window is never empty)
    return vectors
