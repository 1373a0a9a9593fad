"""Encodes parts as tasks of a Ray cluster. Ray schedules them and retries lost ones.

All machines of the cluster need this package, and the same paths for the output folder, the corpus
and the model. A task encodes and writes one part, like a process on one machine.
"""

import functools
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from i3_pyserini import __version__
from i3_pyserini.encode.batches import Batching, encode_parts
from i3_pyserini.encode.encoders import DocumentEncoder
from i3_pyserini.encode.job import Job
from i3_pyserini.encode.spec import EncoderSource, EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.records import differences
from i3_pyserini.processes import DEVNULL, PIPE, run
from i3_pyserini.threads import thread_count

POLL = 0.5  # seconds between two checks whether to stop
SECONDS_TO_ANSWER = 5.0
SECONDS_TO_CONNECT = 20.0
SECONDS_TO_APPEAR = 60.0  # seconds for which network disks may cache that a file does not exist
CLIENT_PORT = 10001  # of ray:// without a port
# Ray logs the reason and may wait for minutes, so another process tries to connect first.
PROBE = """import logging, sys, ray
try:
    ray.init(sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)
except Exception as error:
    print(" ".join(str(error).split()))
    sys.exit(1)"""


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

    A task takes one GPU if the cluster has GPUs. Otherwise it takes N CPUs and N threads, where N
    is the number of CPUs of the smallest machine. Equal machines then encode one part at a time
    with all threads; larger machines encode several. Ray retries a task whose machine or process is
    lost without limit; a task that failed for another reason is not retried.

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
    ray = _connect(address)
    try:
        resources = _resources(ray)
        task = ray.remote(max_retries=-1, **resources)(_encode_part)
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
                if _is_encoded(ray, reference, cancelled):
                    _await_part(job, number)
                    progress(job.parts[number].passages)
    finally:
        ray.shutdown()


def _connect(address: str) -> Any:
    try:
        import ray  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise I3Error("--ray needs Ray: pip install ray") from error
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage statistics
    else:
        _check_answers(address)
        _check_connects(address)
    before = signal.getsignal(signal.SIGTERM)
    try:
        # Warnings report lost workers and machines.
        ray.init(
            address=address,
            num_cpus=thread_count() if address == "local" else None,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _unusable(address, str(error)) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray's own handler would exit at once
    return ray


def _check_answers(address: str) -> None:
    """Connects to HOST:PORT, to detect a wrong address immediately.

    Raises:
        I3Error: there is no answer.
    """
    place = address.removeprefix("ray://")
    host, colon, port = place.rpartition(":")
    if place != address and not colon:
        host, port = place, str(CLIENT_PORT)
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise I3Error(f"--ray {address}: no answer ({error}); is the cluster running?") from error


def _check_connects(address: str) -> None:
    """Connects in a separate process, which can be killed.

    Raises:
        I3Error: it is not a cluster, or it has another Python or Ray version.
    """
    try:
        words = [sys.executable, "-c", PROBE, address]
        tried = run(words, stdout=PIPE, stderr=DEVNULL, timeout=SECONDS_TO_CONNECT)
    except TimeoutError as error:
        raise _unusable(address, f"no answer in {SECONDS_TO_CONNECT:.0f} s") from error
    if tried.returncode:
        raise _unusable(address, tried.stdout or f"exit code {tried.returncode}")


def _unusable(address: str, reason: str) -> I3Error:
    reason = " ".join(reason.split()).rstrip(".")
    return I3Error(f"--ray {address}: cannot be used as a Ray cluster ({reason})")


def _resources(ray: Any) -> dict[str, Any]:
    """The resources of a task."""
    if ray.cluster_resources().get("GPU"):
        # Otherwise Ray ends a worker after every GPU task, and the next one reads the weights
        # again.
        # A reused worker must be able to use another GPU than its first one, so Ray must not
        # hide any GPU from it.
        shown = {"env_vars": {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}}
        return {"num_cpus": 1, "num_gpus": 1, "max_calls": 0, "runtime_env": shown}
    machines = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return {"num_cpus": max(1, int(min(filter(None, machines), default=1)))}


def _absolute(job: Job) -> Job:
    """Makes paths absolute, since workers have other working directories."""
    return replace(job, folder=job.folder.absolute(), corpus=job.corpus.absolute())


def _absolute_source(source: EncoderSource) -> EncoderSource:
    if isinstance(source, EncoderSpec) and Path(source.name).is_dir():
        return replace(source, name=str(Path(source.name).absolute()))
    return source


def _is_encoded(ray: Any, reference: Any, cancelled: bool) -> bool:
    """Whether a finished task encoded its part; False if it was cancelled."""
    try:
        ray.get(reference)
    except ray.exceptions.TaskCancelledError:
        if not cancelled:
            raise
        return False
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, I3Error):
            raise I3Error(str(error.cause)) from error
        unreadable = (ImportError, ray.exceptions.RaySystemError)  # a missing module
        if isinstance(error.cause, unreadable) or "failed to import" in str(error):
            reason = str(error.cause).strip().splitlines()[-1]
            raise I3Error(
                f"a machine of the cluster lacks a package ({reason}); install i3-pyserini "
                f"{__version__} on all of them, with what this encoder needs"
            ) from error
        raise
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
    try:
        device = _assigned_gpu() if on_gpu else "cpu"
        encoder = _encoder(cast("Any", source), device, json.dumps(job.settings))
        encode_parts(job, encoder, [number], batching, lambda passages: None, lambda: False)
    except I3Error as error:
        raise I3Error(f"{error} (on machine {socket.gethostname()} of the cluster)") from error


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
