"""Encodes one part: read, tokenize, batch by tokens, run the model, restore the order.

The vectors of a part depend only on the part and the options, so an interrupted encoding gives the
same bytes as an uninterrupted one, whichever process encodes a part.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from i3_pyserini.encode.job import Job
from i3_pyserini.encode.parallel import in_parallel
from i3_pyserini.formats.passage_fields import Passage

if TYPE_CHECKING:
    from i3_pyserini.encode.encoders import DocumentEncoder

TOKENISED = 512  # passages per call: the tokenizer's other output is many times larger than the ids

Ids = list[list[int]]
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
) -> None:
    """Encodes and writes parts, while the next part is read and tokenized.

    Args:
        job: the job.
        encoder: the encoder.
        numbers: the parts to encode.
        how: see `Batching`.
        progress: called with the number of passages after each batch.
        stopped: called after each part; whether to stop.

    Raises:
        I3Error: the corpus has changed, a vector is not finite, or a part cannot be written.
    """
    rest = iter(numbers)
    with ThreadPoolExecutor(1) as ahead:
        ready = _next(ahead, job, encoder, rest, how)
        while ready is not None and not stopped():
            number, tokenised = ready
            docids, ids, cut = tokenised.result()
            ready = _next(ahead, job, encoder, rest, how)
            vectors = encode_ids(encoder, ids, how, progress)
            job.write(number, docids, vectors, cut)


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


def tokenise(
    job: Job, encoder: "DocumentEncoder", number: int, with_titles: bool
) -> tuple[list[str], Ids, int | None]:
    """Reads and tokenizes a part.

    Returns:
        The docids, the token ids, and the number of truncated passages (None if the encoder does
        not report it).

    Raises:
        I3Error: the corpus has changed.
    """
    passages = list(job.passages(number))
    if len(passages) < job.parts[number].passages:
        raise job.changed()
    return [passage.docid for passage in passages], *passage_ids(encoder, passages, with_titles)


def passage_ids(
    encoder: "DocumentEncoder", passages: Sequence[Passage], with_titles: bool
) -> tuple[Ids, int | None]:
    """Tokenizes passages.

    Returns:
        The token ids, and the number of truncated passages (see `tokenise`).
    """
    ids: Ids = []
    cut: int | None = 0
    for start in range(0, len(passages), TOKENISED):
        block = passages[start : start + TOKENISED]
        titles = [passage.title for passage in block] if with_titles else None
        found = encoder.ids([passage.text for passage in block], titles)
        more = getattr(found, "cut", None)
        cut = None if cut is None or more is None else cut + more
        ids += found
    return ids, cut


def _next(
    ahead: ThreadPoolExecutor,
    job: Job,
    encoder: "DocumentEncoder",
    numbers: Iterator[int],
    how: Batching,
) -> tuple[int, Any] | None:
    number = next(numbers, None)
    if number is None:
        return None
    return number, ahead.submit(tokenise, job, encoder, number, how.with_titles)
