"""Encodes one part: read, tokenize, batch by tokens, run the model, restore the order.

The vectors of a part depend only on the part and the options, so an interrupted encoding gives the
same bytes as an uninterrupted one, whichever process encodes a part.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from i3_pyserini.encode.ahead import tokenised_parts
from i3_pyserini.encode.job import Job
from i3_pyserini.encode.parallel import in_parallel

if TYPE_CHECKING:
    from i3_pyserini.encode.encoders import DocumentEncoder

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Batching:
    """How passages go through the model.

    Attributes:
        tokens: maximum tokens per batch with padding; a longer passage is its own batch. None for
            the encoder's default.
        passages: maximum passages per batch; None for no limit.
        with_titles: whether titles are passed to the encoder.
        store_dtype: type of the vectors in parts, "float32" or "float16".
    """

    tokens: int | None = None
    passages: int | None = None
    with_titles: bool = True
    store_dtype: str = "float32"

    @property
    def itemsize(self) -> int:
        """Bytes per stored number."""
        return np.dtype(self.store_dtype).itemsize


def encode_parts(
    job: Job,
    encoder: "DocumentEncoder",
    numbers: Iterable[int],
    how: Batching,
    progress: Callable[[int], object],
    stopped: Callable[[], bool],
    processes: int = 0,
) -> None:
    """Encodes parts, while the next part is read and tokenized and the last one is written.

    Args:
        job: the job.
        encoder: the encoder.
        numbers: the parts to encode.
        how: see `Batching`.
        progress: called with the number of passages after each batch.
        stopped: called after each part; whether to stop.
        processes: that tokenize; see `tokenised_parts`.

    Raises:
        I3Error: the corpus has changed, a vector is not finite, or a part cannot be written.
    """
    ready = tokenised_parts(job, encoder, numbers, how.with_titles, processes)
    with ThreadPoolExecutor(1) as writer, closing(ready):
        written: Future[None] | None = None
        while not stopped() and (part := next(ready, None)) is not None:
            number, tokenised = part
            vectors = encode_ids(encoder, tokenised.ids, how, progress)
            if written is not None:
                written.result()
            written = writer.submit(job.write, number, tokenised.docids, vectors, tokenised.cut)
        if written is not None:
            written.result()


def encode_ids(
    encoder: "DocumentEncoder",
    ids: Sequence[Sequence[int]],
    how: Batching,
    progress: Callable[[int], object] = lambda passages: None,
) -> Array:
    """Encodes N passages given as ids, in batches of similar length.

    Returns:
        float32 or float16 [N, H], in the order given.
    """
    vectors = np.empty((len(ids), encoder.dimension), dtype=how.store_dtype)
    tokens = how.tokens or encoder.batch_tokens

    def encode(rows: list[int]) -> int:
        with np.errstate(over="ignore"):  # the writer of the part checks for infinite values
            vectors[rows] = encoder.vectors([ids[row] for row in rows])
        return len(rows)

    batches = list(token_batches([len(one) for one in ids], tokens, how.passages))
    for passages in in_parallel(encode, batches, encoder.at_once):
        progress(passages)
    return vectors


def token_batches(
    lengths: Sequence[int], tokens: int, passages: int | None = None
) -> Iterator[list[int]]:
    """Splits passages, longest first, into batches of the maximum size.

    The longest come first, so that insufficient memory is detected immediately.

    Args:
        lengths: number of ids of each passage.
        tokens: see `Batching`.
        passages: see `Batching`.

    Yields:
        Positions in `lengths`, each exactly once.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, lengths[order[start]]))
        size = min(size, passages or size)
        yield order[start : start + size]
        start += size
