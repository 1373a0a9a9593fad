"""Parts as tasks of a Ray cluster: Ray decides which machine takes which, and retries what is lost.

All machines of the cluster need this package and see the output's folder and the corpus under the
same paths. A task encodes one part and writes it there, as a process of one machine does.
"""

import functools
import logging
import os
import socket
from collections.abc import Callable
from typing import Any, cast

from i3_pyserini.encode.batches import Batching, encode_parts
from i3_pyserini.encode.encoders import DocumentEncoder
from i3_pyserini.encode.job import Job
from i3_pyserini.encode.spec import EncoderSource
from i3_pyserini.errors import I3Error

POLL = 0.5  # seconds between two looks at whether to stop
SECONDS_TO_ANSWER = 10.0
QUEUED = 2  # tasks handed to Ray beyond those that can run, so that no machine waits


def encode_on_ray(
    address: str,
    job: Job,
    source: EncoderSource,
    numbers: list[int],
    batching: Batching,
    progress: Callable[[int], object],
    stopped: Callable[[], bool],
) -> None:
    """Encodes parts on a Ray cluster that is there.

    A task takes a GPU where the cluster has some; otherwise as many CPUs as its smallest machine
    has, so that each machine encodes one part at a time with all its threads.

    Args:
        address: of the cluster: "auto", "HOST:PORT", "ray://…"; "local" for this machine alone.
        job: the job.
        source: makes each worker's encoder.
        numbers: the parts to encode.
        batching: see `Batching`.
        progress: is told the number of passages of every part that is done.
        stopped: asked now and then whether to leave it at the parts in work.

    Raises:
        I3Error: Ray is not installed, the cluster does not answer, a task failed for other
            reasons than its machine's, or its part cannot be seen here.
    """
    ray = _connect(address)
    try:
        resources = _resources(ray)
        task = ray.remote(max_retries=-1, **resources)(_encode_part)
        threads = resources["num_cpus"]
        rest = list(reversed(numbers))
        waiting: dict[Any, int] = {}
        while waiting or rest:
            if stopped():
                rest.clear()
            while rest and len(waiting) < _slots(ray, resources) + QUEUED:
                number = rest.pop()
                waiting[task.remote(job, source, number, batching, threads)] = number
            done, _ = ray.wait(list(waiting), timeout=POLL)
            for reference in done:
                _take(ray, reference)
                number = waiting.pop(reference)
                if not job.has(number):
                    raise I3Error(
                        f"{job.folder}: part {number} was written on another machine but is not "
                        "here; the cluster needs a folder that all its machines share"
                    )
                progress(job.parts[number].passages)
    finally:
        ray.shutdown()


def _connect(address: str) -> Any:
    try:
        import ray  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise I3Error("--ray needs Ray: pip install ray") from error
    _check_reachable(address)
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent from here
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise I3Error(f"--ray {address}: no such cluster ({reason}); is it started?") from error
    return ray


def _check_reachable(address: str) -> None:
    """Knocks at HOST:PORT, since Ray itself waits there for minutes.

    Raises:
        I3Error: nobody answers.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise I3Error(f"--ray {address}: nobody answers there ({error}); is it started?") from error


def _resources(ray: Any) -> dict[str, int]:
    if ray.cluster_resources().get("GPU"):
        return {"num_cpus": 1, "num_gpus": 1}
    machines = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return {"num_cpus": max(1, int(min(filter(None, machines), default=1)))}


def _slots(ray: Any, resources: dict[str, int]) -> int:
    """Tasks that the cluster, as large as it is now, can run at a time."""
    total = ray.cluster_resources()
    kind = "GPU" if "num_gpus" in resources else "CPU"
    return int(total.get(kind, 0)) // resources[f"num_{kind.lower()}s"]


def _encode_part(
    job: Job, source: EncoderSource, number: int, batching: Batching, threads: int
) -> None:
    """What runs on a worker."""
    import torch  # noqa: PLC0415  (set here, on the worker)

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(threads)
    encoder = _encoder(cast("Any", source), device)
    encode_parts(job, encoder, [number], batching, lambda passages: None, lambda: False)


@functools.lru_cache(maxsize=1)
def _encoder(source: Any, device: str) -> DocumentEncoder:
    """Kept by a worker between its tasks: reading the weights can take longer than a part."""
    encoder: DocumentEncoder = source.load(device)
    return encoder


def _take(ray: Any, reference: Any) -> None:
    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, I3Error):
            raise I3Error(str(error.cause)) from error
        if isinstance(error.cause, ImportError):
            raise I3Error(f"a machine of the cluster lacks a package: {error.cause}") from error
        raise
