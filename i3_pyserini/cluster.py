"""Connects to a Ray cluster, on whose machines parts are encoded and shards searched.

All machines of the cluster need this package, and the same paths. Ray schedules tasks and retries
those whose machine or process is lost.
"""

import logging
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error
from i3_pyserini.processes import DEVNULL, PIPE, run
from i3_pyserini.threads import thread_count

SECONDS_TO_ANSWER = 5.0
SECONDS_TO_CONNECT = 20.0
CLIENT_PORT = 10001  # of ray:// without a port
RETRIES = -1  # of a task whose machine or process is lost: without limit
# Ray logs the reason and may wait for minutes, so another process tries to connect first.
PROBE = """import logging, sys, ray
try:
    ray.init(sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)
except Exception as error:
    print(" ".join(str(error).split()))
    sys.exit(1)"""
_users: Counter[str] = Counter()  # open connections by address; Ray has one for a whole program


class Connection:
    """A connection to a Ray cluster. Those of one program to the same address share it.

    Args:
        address: "auto", "HOST:PORT", "ray://…"; "local" for a new cluster of this machine only.

    Raises:
        I3Error: Ray is not installed, the cluster does not answer, or this program is connected to
            another one.

    Attributes:
        ray: the connected module.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self.ray = _ray()
        if not self.ray.is_initialized():
            _users.clear()
            _connect(self.ray, address)
        elif not _users[address]:
            raise I3Error(
                f"--ray {address}: this program is already connected to a Ray cluster; "
                "ray.shutdown() ends that connection"
            )
        _users[address] += 1

    def cpus_of_task(self) -> int:
        """The number of CPUs that a task without a GPU takes: those of the smallest machine.

        Equal machines then run one task at a time, with all threads; larger ones run several.
        """
        machines = [node["Resources"].get("CPU", 0) for node in self.ray.nodes() if node["Alive"]]
        return max(1, int(min(filter(None, machines), default=1)))

    def result_of(self, reference: Any) -> Any:
        """What a task returned; waits for it.

        Raises:
            I3Error: the task raised it, or its machine lacks a package.
        """
        exceptions = self.ray.exceptions
        try:
            return self.ray.get(reference)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, I3Error):
                raise I3Error(str(error.cause)) from error
            unreadable = (ImportError, exceptions.RaySystemError)  # a missing module
            if isinstance(error.cause, unreadable) or "failed to import" in str(error):
                reason = str(error.cause).strip().splitlines()[-1]
                raise I3Error(
                    f"a machine of the cluster lacks a package ({reason}); install i3-pyserini "
                    f"{__version__} on all of them, with the same extras"
                ) from error
            raise

    def close(self) -> None:
        """Ends the connection, unless others of this program use it."""
        _users[self._address] -= 1
        if _users[self._address] < 1:
            self.ray.shutdown()


@contextmanager
def naming_the_machine() -> Iterator[None]:
    """Adds the name of this machine to errors of a task."""
    try:
        yield
    except I3Error as error:
        raise I3Error(f"{error} (on machine {socket.gethostname()} of the cluster)") from error


def _ray() -> Any:
    try:
        import ray  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise I3Error("--ray needs Ray: pip install ray") from error
    return ray


def _connect(ray: Any, address: str) -> None:
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
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise _unusable(address, str(error)) from error  # Ray's, of a node that starts slowly
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray's own handler would exit at once


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
