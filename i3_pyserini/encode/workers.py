"""Encodes on several devices of one machine: one process per device, one queue of parts."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from queue import Empty
from typing import Any

from i3_pyserini.encode.ahead import tokenising_processes
from i3_pyserini.encode.batches import Batching, encode_parts
from i3_pyserini.encode.children import end_with_parent
from i3_pyserini.encode.job import Job
from i3_pyserini.encode.spec import EncoderSource
from i3_pyserini.errors import I3Error
from i3_pyserini.threads import thread_count

POLL = 0.2  # seconds between two checks whether the processes are alive


def encode_on_devices(
    devices: Sequence[str],
    job: Job,
    source: EncoderSource,
    numbers: list[int],
    batching: Batching,
    progress: Callable[[int], object],
    stopped: Callable[[], bool],
) -> None:
    """Encodes parts on several devices.

    CPU workers share the machine's threads evenly. A worker ends with this process, even if that is
    killed; its output is kept.

    Args:
        devices: devices with one process each.
        job: the job.
        source: makes each process's encoder.
        numbers: the parts to encode.
        batching: see `Batching`.
        progress: called with the number of passages after each batch.
        stopped: called regularly; whether to stop after the running parts.

    Raises:
        I3Error: a worker raised it, or died.
    """
    context = multiprocessing.get_context("spawn")
    team = _Team(context, numbers, len(devices))
    threads = _threads_each(devices)
    tokenising = tokenising_processes(devices, len(numbers))
    processes = [
        context.Process(
            target=_work,
            args=(job, source, batching, device, threads, tokenising, team.ends()),
            daemon=not tokenising,  # else it could start no processes; it ends with this one anyway
        )
        for device in devices
    ]
    try:
        for process in processes:
            process.start()
        _watch(processes, team, progress, stopped)
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
        for process in processes:
            process.join()


class _Team:
    """The queues between the processes."""

    def __init__(self, context: SpawnContext, numbers: list[int], workers: int) -> None:
        self.tasks: Any = context.Queue()
        self.results: Any = context.Queue()
        self.stop = context.Event()
        for number in [*numbers, *[None] * workers]:
            self.tasks.put(number)

    def ends(self) -> tuple[Any, Any, Any]:
        return self.tasks, self.results, self.stop


def _watch(
    processes: Sequence[BaseProcess],
    team: _Team,
    progress: Callable[[int], object],
    stopped: Callable[[], bool],
) -> None:
    finished = 0
    while finished < len(processes):
        if stopped():
            team.stop.set()
        try:
            kind, value = team.results.get(timeout=POLL)
        except Empty:
            _refuse_dead(processes)
            continue
        if kind == "error":
            raise I3Error(value)
        if kind == "passages":
            progress(value)
        finished += kind == "end"


def _refuse_dead(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        if process.exitcode:
            reason = f"signal {-process.exitcode}" if process.exitcode < 0 else "see above"
            raise I3Error(
                f"an encoding process died ({reason}; out of memory?); run the same command "
                "again to resume, if necessary with smaller --batch-tokens"
            )


def _threads_each(devices: Sequence[str]) -> int:
    """CPU threads of a worker."""
    on_cpu = sum(device.startswith("cpu") for device in devices)
    return max(1, thread_count() // max(1, on_cpu))


def _work(
    job: Job,
    source: EncoderSource,
    batching: Batching,
    device: str,
    threads: int,
    tokenising: int,
    ends: tuple[Any, Any, Any],
) -> None:
    tasks, results, stop = ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process handles Ctrl-C
    end_with_parent()
    import torch  # noqa: PLC0415  (only here, in the new process)

    if device.startswith("cpu"):
        torch.set_num_threads(threads)
    try:
        encoder = source.load(device)
        encode_parts(
            job,
            encoder,
            _taken(tasks),
            batching,
            lambda passages: results.put(("passages", passages)),
            stop.is_set,
            tokenising,
        )
        results.put(("end", device))
    except I3Error as error:
        results.put(("error", str(error)))


def _taken(tasks: Any) -> Iterator[int]:
    while (number := tasks.get()) is not None:
        yield number
