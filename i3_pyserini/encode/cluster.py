"""Encodes parts as tasks of a Ray cluster.

All machines of the cluster need the same paths for the output folder, the corpus and the model. A
task encodes and writes one part, like a process on one machine.
"""

import functools
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from i3_pyserini import __version__
from i3_pyserini.cluster import RETRIES, Connection, naming_the_machine
from i3_pyserini.encode.batches import Batching, encode_parts
from i3_pyserini.encode.encoders import DocumentEncoder
from i3_pyserini.encode.job import Job
from i3_pyserini.encode.spec import EncoderSource, EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.records import differences

POLL = 0.5  # seconds between two checks whether to stop
SECONDS_TO_APPEAR = 60.0  # seconds for which network disks may cache that a file does not exist


def encode_on_ray(
    address: str,
    job: Job,
    source: EncoderSource,
    numbers: list[int],
    batching: Batching,
    progress: Callable[[int], object],
    stopped: Callable[[], bool],
) -> None:
    """Encodes parts on an existing Ray cluster.

    A task takes one GPU if the cluster has GPUs; otherwise as many CPUs and threads as
    `Connection.cpus_of_task` says. Ray retries a task whose machine or process is lost without
    limit; a task that failed for another reason is not retried.

    Args:
        address: address of the cluster: "auto", "HOST:PORT", "ray://…"; "local" for this machine
            only.
        job: the job.
        source: makes each worker's encoder.
        numbers: the parts to encode.
        batching: see `Batching`.
        progress: called with the number of passages after each part.
        stopped: called regularly; whether to stop after the running parts.

    Raises:
        I3Error: Ray is not installed, the cluster does not answer, a task failed for a reason other
            than a lost machine, or its part is not visible here.
    """
    with closing(Connection(address)) as cluster:
        ray, resources = cluster.ray, _resources(cluster)
        task = ray.remote(max_retries=RETRIES, **resources)(_encode_part)
        shared = ray.put((_absolute(job), _absolute_source(source), batching))
        on_gpu = "num_gpus" in resources
        waiting = {task.remote(shared, n, resources["num_cpus"], on_gpu): n for n in numbers}
        cancelled = False
        while waiting:
            if stopped() and not cancelled:
                cancelled = True
                for reference in waiting:
                    ray.cancel(reference)
            done, _ = ray.wait(list(waiting), timeout=POLL)
            for reference in done:
                number = waiting.pop(reference)
                if _is_encoded(cluster, reference, cancelled):
                    _await_part(job, number)
                    progress(job.parts[number].passages)


def _resources(cluster: Connection) -> dict[str, Any]:
    """The resources of a task."""
    if cluster.ray.cluster_resources().get("GPU"):
        # Otherwise Ray ends a worker after every GPU task, and the next one reads the weights
        # again.
        # A reused worker must be able to use another GPU than its first one, so Ray must not
        # hide any GPU from it.
        shown = {"env_vars": {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}}
        return {"num_cpus": 1, "num_gpus": 1, "max_calls": 0, "runtime_env": shown}
    return {"num_cpus": cluster.cpus_of_task()}


def _absolute(job: Job) -> Job:
    """Makes paths absolute, since workers have other working directories."""
    return replace(job, folder=job.folder.absolute(), corpus=job.corpus.absolute())


def _absolute_source(source: EncoderSource) -> EncoderSource:
    if isinstance(source, EncoderSpec) and Path(source.name).is_dir():
        return replace(source, name=str(Path(source.name).absolute()))
    return source


def _is_encoded(cluster: Connection, reference: Any, cancelled: bool) -> bool:
    """Whether a finished task encoded its part; False if it was cancelled."""
    try:
        cluster.result_of(reference)
    except cluster.ray.exceptions.TaskCancelledError:
        if not cancelled:
            raise
        return False
    return True


def _await_part(job: Job, number: int) -> None:
    deadline = time.monotonic() + SECONDS_TO_APPEAR
    while not job.has(number):
        if time.monotonic() > deadline:
            raise I3Error(
                f"{job.folder}: part {number} was written on another machine but is not here; "
                "all machines of the cluster must share this folder"
            )
        time.sleep(POLL)
        list(job.folder.iterdir())  # refreshes the cache of a network disk


def _encode_part(
    shared: tuple[Job, EncoderSource, Batching], number: int, threads: int, on_gpu: bool
) -> None:
    """Runs on a worker."""
    # Ray interrupts a running task to cancel it; only waiting tasks must be cancelled.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch  # noqa: PLC0415  (set here, on the worker)

    job, source, batching = shared
    if not on_gpu:
        torch.set_num_threads(threads)
    with naming_the_machine():
        device = _assigned_gpu() if on_gpu else "cpu"
        encoder = _encoder(cast("Any", source), device, json.dumps(job.settings))
        encode_parts(job, encoder, [number], batching, lambda passages: None, lambda: False)


def _assigned_gpu() -> str:
    import ray  # noqa: PLC0415  (an extra)

    assigned = str(ray.get_gpu_ids()[0])
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return f"cuda:{visible.index(assigned) if assigned in visible else assigned}"


@functools.lru_cache(maxsize=1)
def _encoder(source: Any, device: str, settings: str) -> DocumentEncoder:
    """The encoder, cached between tasks: reading the weights can take longer than encoding a part.

    Raises:
        I3Error: this machine would not compute the vectors described by the job's settings.
    """
    known = json.loads(settings)
    known = {"i3_pyserini": known["i3_pyserini"], "model": known["model"]}
    found = {"i3_pyserini": __version__, "model": source.describe().to_json()}
    found["model"]["name"] = known["model"].get("name")  # the path may be spelled differently
    if changes := differences(known, found):
        raise I3Error(
            f"a different model or library version on this machine ({'; '.join(changes)})"
        )
    encoder: DocumentEncoder = source.load(device)
    return encoder
