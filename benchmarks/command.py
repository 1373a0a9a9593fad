"""What a whole command takes, measured from outside."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

INTERVAL = 0.05  # seconds between two looks at a process's memory


@dataclass(frozen=True)
class Taken:
    """What a command took.

    Memory is that of the command's own process, looked at every twentieth of a second. The kernel's
    `ru_maxrss` would not do: a child begins with its parent's.

    Attributes:
        wall: seconds.
        cpu: seconds of all its threads.
        peak: peak memory in MB, pages of mapped files included.
        own: peak of the memory that is not of files, in MB.
        output: what it wrote to stdout.
    """

    wall: float
    cpu: float
    peak: float
    own: float
    output: str


def take(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Taken:
    """Runs a command and waits for it.

    Args:
        command: program and arguments.
        environment: variables that it has beside those of this process.
        before: is called in the new process before the program starts, to set limits.

    Raises:
        SystemExit: it failed; has the end of what it said.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  (arguments of benchmarks)
            command,
            stdout=output,
            stderr=said,
            env={**os.environ, **(environment or {})},
            preexec_fn=before,  # noqa: PLW1509  (no threads here)
        )
        watch = _Watch(process.pid)
        watch.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - start
        finally:
            watch.ended.set()
        watch.join()
        texts = []
        for file in (output, said):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    if status:
        raise SystemExit(f"failed: {' '.join(command)}\n{texts[1][-2000:]}")
    cpu = used.ru_utime + used.ru_stime
    return Taken(wall, cpu, watch.peak / 1e3, watch.own / 1e3, texts[0])


class _Watch(threading.Thread):
    """Looks at a process's memory until it has ended; kilobytes."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.pid, self.ended = pid, threading.Event()
        self.peak = self.own = 0

    def run(self) -> None:
        while not self.ended.wait(INTERVAL):
            known = _memory(self.pid)
            self.peak = max(self.peak, known.get("VmHWM", 0))
            self.own = max(self.own, known.get("RssAnon", 0) + known.get("RssShmem", 0))


def _memory(pid: int) -> dict[str, int]:
    """Kilobytes of a process, by the kernel's names; empty if it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    fields = (line.partition(":") for line in lines)
    return {name: int(value.split()[0]) for name, _, value in fields if value.endswith(" kB")}
