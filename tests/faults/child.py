"""A command in a process of its own, in which something goes wrong at a chosen moment.

The process is forked from one that has imported torch already, which takes longest. Moments are
what the command does with files of its output folder: each opening for writing, making, syncing,
renaming and removing. Before the chosen one, the process is killed, asked to stop, or gets an error
of the disk.
"""

import errno
import mmap
import os
import signal
import struct
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3_pyserini.cli import run
from i3_pyserini.errors import run_command

WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
KINDS = {
    "os.mkdir": "make a folder",
    "os.rename": "rename",
    "os.remove": "remove",
    "os.rmdir": "remove",
    "os.link": "link",
    "os.truncate": "shorten",
    "sqlite3.connect": "open a database",
}
READING, COMPUTING, WRITING, SYNC = "reading", "computing", "open for writing", "sync"
PHASES = (READING, COMPUTING, WRITING, SYNC, *dict.fromkeys(KINDS.values()))
FAILURES = {"EIO": errno.EIO, "full disk": errno.ENOSPC}
FAULTS = ("SIGKILL", "SIGTERM", *FAILURES)


@dataclass(frozen=True)
class End:
    """How a process ended.

    Attributes:
        code: its exit code; below zero, the signal's number.
        moments: number of moments that came.
        phase: what it did last, one of `PHASES`.
        log: what it printed.
    """

    code: int
    moments: int
    phase: str
    log: str


def forked(
    words: Sequence[str],
    folder: Path,
    output: Path,
    fault: str | None = None,
    moment: int = 0,
    seconds: float | None = None,
) -> End:
    """Runs a command in a forked process.

    Args:
        words: the command's words.
        folder: its working directory.
        output: the folder whose moments count.
        fault: one of `FAULTS`; None for an undisturbed run.
        moment: before which the fault comes, from 1 on.
        seconds: kill it after so many seconds instead.
    """
    shared, log = mmap.mmap(-1, 16), folder / "log"
    log.write_bytes(b"")
    process = os.fork()
    if not process:
        _work(words, folder, _Watch(output, shared, fault, moment), log)
    if seconds is not None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        signal.sigtimedwait({signal.SIGCHLD}, seconds)
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    moments, phase = struct.unpack("qq", shared[:16])
    code = os.waitstatus_to_exitcode(status)
    return End(code, moments, PHASES[phase], log.read_text(encoding="utf-8", errors="replace"))


def _work(words: Sequence[str], folder: Path, watch: "_Watch", log: Path) -> None:
    """The forked process; does not return."""
    code = 1
    try:
        os.chdir(folder)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        watch.start()
        run_command(lambda: run(words))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


class _Watch:
    """Sees what a process does with files, and lets the fault come."""

    def __init__(self, output: Path, shared: mmap.mmap, fault: str | None, moment: int) -> None:
        self._output, self._shared = os.fspath(output.resolve()), shared
        self._fault, self._moment, self._moments = fault, moment, 0

    def start(self) -> None:
        own = os.fsync

        def fsync(descriptor: Any) -> None:
            if self._inside(Path(f"/proc/self/fd/{descriptor}").readlink()):
                self._came(SYNC)
            own(descriptor)

        os.fsync = fsync  # type: ignore[assignment]  # names its parameter otherwise
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = args
            if isinstance(path, str | bytes | os.PathLike):
                writes = bool((flags or 0) & WRITE)
                if writes and self._inside(path):
                    self._came(WRITING)
                elif not writes:
                    self._note(READING)
        elif event in KINDS and self._inside(args[1] if event == "os.rename" else args[0]):
            self._came(KINDS[event])

    def _inside(self, path: Any) -> bool:
        try:
            return os.path.abspath(os.fsdecode(path)).startswith(self._output)  # noqa: PTH100  (no link is followed)
        except (TypeError, ValueError):  # a descriptor, or ":memory:"
            return False

    def _note(self, phase: str) -> None:
        self._shared[:16] = struct.pack("qq", self._moments, PHASES.index(phase))

    def _came(self, phase: str) -> None:
        self._moments += 1
        self._note(phase)
        if self._moments != self._moment or self._fault is None:
            return
        if self._fault in FAILURES:
            number = FAILURES[self._fault]
            raise OSError(number, os.strerror(number))
        os.kill(os.getpid(), getattr(signal, self._fault))
