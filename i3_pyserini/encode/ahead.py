"""Reads and tokenizes parts before they are encoded, in a thread or in processes.

A thread is enough for a CPU. A GPU encodes more passages per second than one process tokenizes, and
a thread that runs Python code beside the one that starts the model's kernels delays each of them.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from i3_pyserini.encode.children import end_with_parent, without_main
from i3_pyserini.encode.job import Job
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.threads import thread_count

if TYPE_CHECKING:
    from i3_pyserini.encode.encoders import DocumentEncoder

TOKENISED = 512  # passages per call: the tokenizer's other output is many times larger than the ids
MOST_PROCESSES = 8  # each has its own tokenizer and libraries, some 400 MB
PARTS_WORTH_A_PROCESS = 8  # are tokenized in the seconds that a process takes to start

IdsOf = Callable[..., Sequence[Sequence[int]]]  # of texts and titles, as `DocumentEncoder.ids`


class PackedIds(Sequence[Any]):
    """The ids of N passages in one array, which another process sends quickly.

    Args:
        ids: their ids.
    """

    def __init__(self, ids: Sequence[Sequence[int]]) -> None:
        self._bounds = np.cumsum([0, *map(len, ids)])
        self._flat = np.fromiter(chain.from_iterable(ids), np.int32, self._bounds[-1])

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, row: int) -> Any: ...
    @overload
    def __getitem__(self, row: slice) -> Any: ...
    def __getitem__(self, row: Any) -> Any:
        """The ids of a passage, int32."""
        start, end = self._bounds[row], self._bounds[row + 1]
        return self._flat[start:end]


@dataclass(frozen=True)
class Tokenised:
    """A part.

    Attributes:
        docids: of its passages.
        ids: their token ids.
        cut: the number of truncated passages; None if the encoder does not report it.
    """

    docids: list[str]
    ids: Sequence[Sequence[int]]
    cut: int | None


def tokenising_processes(devices: Sequence[str], parts: int) -> int:
    """Processes that tokenize for each of some devices; 0 for CPUs and for few parts.

    Args:
        devices: their names, all of this machine.
        parts: that will be encoded.
    """
    if not devices or not all(name.startswith("cuda") for name in devices):
        return 0
    each = thread_count() // len(devices) - 1  # one CPU starts the model
    return max(0, min(MOST_PROCESSES, each, parts // len(devices) // PARTS_WORTH_A_PROCESS))


def tokenised_parts(
    job: Job, encoder: "DocumentEncoder", numbers: Iterable[int], with_titles: bool, processes: int
) -> Generator[tuple[int, Tokenised], None, None]:
    """Yields parts with their numbers, in the order given, while the next ones are prepared.

    Args:
        job: the job.
        encoder: the encoder.
        numbers: the parts.
        with_titles: whether titles are encoded.
        processes: number of processes; 0 for a thread of this one.

    Raises:
        I3Error: the corpus has changed, or a process died.
    """
    rest = iter(numbers)
    executor: Executor = ThreadPoolExecutor(1)
    if processes:
        spawn = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(
            processes, spawn, initializer=_begin, initargs=(job, encoder.ids, with_titles)
        )

    def start(number: int) -> "Future[Tokenised]":
        if processes:
            with without_main():  # the first parts start processes
                return executor.submit(_tokenised, number)
        return executor.submit(tokenise, job, number, encoder.ids, with_titles)

    try:
        ready = deque((number, start(number)) for number in islice(rest, processes + 1))
        while ready:
            number, waiting = ready.popleft()
            part = waiting.result()
            ready.extend((another, start(another)) for another in islice(rest, 1))
            yield number, part
    except BrokenProcessPool as error:
        raise I3Error(
            "a process that tokenizes died (out of memory?); run the same command again to resume"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def tokenise(job: Job, number: int, ids_of: IdsOf, with_titles: bool) -> Tokenised:
    """Reads and tokenizes a part.

    Raises:
        I3Error: the corpus has changed.
    """
    passages = list(job.passages(number))
    if len(passages) < job.parts[number].passages:
        raise job.changed()
    docids = [passage.docid for passage in passages]
    return Tokenised(docids, *passage_ids(ids_of, passages, with_titles))


def passage_ids(
    ids_of: IdsOf, passages: Sequence[Passage], with_titles: bool
) -> tuple[list[Sequence[int]], int | None]:
    """Tokenizes passages.

    Returns:
        The token ids, and the number of truncated passages (see `Tokenised`).
    """
    ids: list[Sequence[int]] = []
    cut: int | None = 0
    for start in range(0, len(passages), TOKENISED):
        block = passages[start : start + TOKENISED]
        titles = [passage.title for passage in block] if with_titles else None
        found = ids_of([passage.text for passage in block], titles)
        more = getattr(found, "cut", None)
        cut = None if cut is None or more is None else cut + more
        ids += found
    return ids, cut


class _Work:
    """What a process tokenizes; set once, so that it is not sent with every part."""

    job: Job
    ids_of: IdsOf
    with_titles: bool


def _begin(job: Job, ids_of: IdsOf, with_titles: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process handles Ctrl-C
    end_with_parent()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the other processes have the other CPUs
    _Work.job, _Work.ids_of, _Work.with_titles = job, staticmethod(ids_of), with_titles


def _tokenised(number: int) -> Tokenised:
    part = tokenise(_Work.job, number, _Work.ids_of, _Work.with_titles)
    return Tokenised(part.docids, PackedIds(part.ids), part.cut)
