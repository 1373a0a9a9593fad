"""Encoding one part: read, tokenise, batch by tokens, run the model, put the order back.

What a part's vectors are depends on the part and the options alone, so that an encoding that was
interrupted gives the bytes of one that was not, whoever encodes which part.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from i3_pyserini.encode.job import Job

if TYPE_CHECKING:
    from i3_pyserini.encode.encoders import DocumentEncoder

TOKENISED = 512  # passages a call: what the tokenizer holds besides ids is many times as large

Ids = list[list[int]]
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Batching:
    """How passages go through the model.

    Attributes:
        tokens: most tokens of a batch, padding counted; a longer passage is a batch by itself.
            None for the encoder's own choice.
        passages: most passages of a batch; None for any number.
        with_titles: whether titles are given to the encoder.
        store_dtype: "float32" or "float16", what parts hold.
    """

    tokens: int | None = None
    passages: int | None = None
    with_titles: bool = True
    store_dtype: str = "float32"

    @property
    def itemsize(self) -> int:
        """Bytes of a stored number."""
        return np.dtype(self.store_dtype).itemsize


def encode_parts(
    job: Job,
    encoder: "DocumentEncoder",
    numbers: Iterable[int],
    how: Batching,
    progress: Callable[[int], object],
    stopped: Callable[[], bool],
) -> None:
    """Encodes parts and writes each, while the next one is read and tokenised.

    Args:
        job: the job.
        encoder: the encoder.
        numbers: the parts to encode.
        how: see `Batching`.
        progress: is called with the number of passages of every batch that is done.
        stopped: asked after each part whether to leave it at that.

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
    """Encodes N passages of ids, those of like length together.

    Returns:
        float32 or float16 [N, H], in the order given.
    """
    vectors = np.empty((len(ids), encoder.dimension), dtype=how.store_dtype)
    tokens = how.tokens or encoder.batch_tokens
    for rows in token_batches([len(one) for one in ids], tokens, how.passages):
        with np.errstate(over="ignore"):  # infinite is what the part's writer looks for
            vectors[rows] = encoder.vectors([ids[row] for row in rows])
        progress(len(rows))
    return vectors


def token_batches(
    lengths: Sequence[int], tokens: int, passages: int | None = None
) -> Iterator[list[int]]:
    """Cuts passages, longest first, into batches that are as large as allowed.

    The longest come first so that memory that does not suffice is found out at once.

    Args:
        lengths: the passages' numbers of ids.
        tokens: see `Batching`.
        passages: see `Batching`.

    Yields:
        Positions in `lengths`; every position once.
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
    """Reads a part and makes ids of its texts.

    Returns:
        The passages' ids in the corpus, their word-piece ids, and how many of them were cut; None
        for an encoder that does not say.

    Raises:
        I3Error: the corpus has changed.
    """
    passages = list(job.passages(number))
    if len(passages) < job.parts[number].passages:
        raise job.changed()
    ids: Ids = []
    cut: int | None = 0
    for start in range(0, len(passages), TOKENISED):
        block = passages[start : start + TOKENISED]
        titles = [passage.title for passage in block] if with_titles else None
        found = encoder.ids([passage.text for passage in block], titles)
        more = getattr(found, "cut", None)
        cut = None if cut is None or more is None else cut + more
        ids += found
    return [passage.docid for passage in passages], ids, cut


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
