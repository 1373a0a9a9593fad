"""What a command does with files, seen from inside its process, and the fault at a moment of it.

Moments are what the command does with files of its output folder: each opening for writing, making,
syncing, renaming and removing. Audit hooks of Python see them; what libraries in C write without
Python is reached by limits of the size of files and by full disks (`places`).
"""

import errno
import fcntl
import mmap
import os
import resource
import signal
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
IMPORTING, READING, COMPUTING, ENDED = "imports", "reading", "computing", "after the end"
WRITING, BYTES, SYNC = "open for writing", "within a file", "sync"
WRITES = (WRITING, BYTES, SYNC, *dict.fromkeys(KINDS.values()))
PHASES = (IMPORTING, READING, COMPUTING, *WRITES, ENDED)
SILENT = 0.005  # seconds after what was seen last, from which on a process is taken to compute

KILL, STOP, LIMIT = "SIGKILL", "SIGTERM", "size"
RENAMED, UNLOCKED = "renamed parent", "no locks"
ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EROFS": errno.EROFS}
AT_MOMENTS = (KILL, STOP, *ERRORS, RENAMED)
MOVED = "moved"  # where the output folder is, once it was renamed
CODE = {".py", ".pyc", ".so"}

HEADER = struct.Struct("qqd")  # moments, phase, time
MOST = 1 << 16  # moments whose phases are kept


@dataclass(frozen=True)
class Fault:
    """What happens to a process.

    Attributes:
        kind: one of `AT_MOMENTS`, `LIMIT` or `UNLOCKED`.
        moment: before which it happens, from 1 on.
        size: bytes of a file within whose writing the process is killed.
    """

    kind: str
    moment: int = 0
    size: int = 0


class Seen:
    """The memory that a process shares with the one that watches it."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory

    @classmethod
    def in_file(cls, path: Path) -> "Seen":
        """Memory that a process which was not forked finds, too."""
        with path.open("a+b") as file:
            file.truncate(HEADER.size + MOST)
            return cls(mmap.mmap(file.fileno(), HEADER.size + MOST))

    def note(self, moments: int, phase: str) -> None:
        """A process does this now, after so many moments."""
        number = PHASES.index(phase)
        HEADER.pack_into(self._memory, 0, moments, number, time.monotonic())
        if phase in WRITES and 0 < moments <= MOST:
            self._memory[HEADER.size + moments - 1] = number

    @property
    def moments(self) -> list[str]:
        """The phase of each moment so far."""
        count = min(MOST, int(HEADER.unpack_from(self._memory)[0]))
        return [PHASES[number] for number in self._memory[HEADER.size : HEADER.size + count]]

    @property
    def phase(self) -> str:
        """What the process did last, or that it computes."""
        _, number, at = HEADER.unpack_from(self._memory)
        silent = PHASES[number] != IMPORTING and time.monotonic() - at > SILENT
        return COMPUTING if silent else PHASES[number]

    @property
    def last(self) -> str:
        """What the process did last."""
        return PHASES[int(HEADER.unpack_from(self._memory)[1])]


class Watch:
    """Sees what a process does with files, and lets the fault come."""

    def __init__(self, output: Path, seen: Seen, fault: Fault | None) -> None:
        self._outputs = {os.fspath(output), os.fspath(output.resolve())}
        self._seen, self._fault, self._moments = seen, fault, 0
        self.undisturbed = fault is None

    def start(self) -> None:
        """Watches this process from now on."""
        self._seen.note(0, IMPORTING)
        own = os.fsync

        def fsync(descriptor: Any) -> None:
            if self._inside(Path(f"/proc/self/fd/{descriptor}").readlink()):
                self._came(SYNC)
            own(descriptor)

        os.fsync = fsync  # type: ignore[assignment]  # names its parameter otherwise
        if self._fault and self._fault.kind == UNLOCKED:
            fcntl.flock = _no_locks
        if self._fault and self._fault.kind == LIMIT:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._fault.size, self._fault.size))
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "import":
            self._seen.note(self._moments, IMPORTING)
        elif event == "open":
            path, _, flags = args
            if isinstance(path, str | bytes | os.PathLike):
                self._opened(path, bool((flags or 0) & WRITE))
        elif event in KINDS and self._inside(args[1] if event == "os.rename" else args[0]):
            self._came(KINDS[event])

    def _opened(self, path: Any, writes: bool) -> None:
        if writes and self._inside(path):
            self._came(WRITING)
        elif not writes and os.path.splitext(os.fsdecode(path))[1] not in CODE:  # noqa: PTH122  (bytes, too)
            self._seen.note(self._moments, READING)

    def _inside(self, path: Any) -> bool:
        try:
            full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  (no link is followed)
        except (TypeError, ValueError):  # a descriptor, or ":memory:"
            return False
        return any(full == one or full.startswith(one + os.sep) for one in self._outputs)

    def _came(self, phase: str) -> None:
        self._moments += 1
        self._seen.note(self._moments, phase)
        fault = self._fault
        if fault is None or self._moments != fault.moment:
            return
        if fault.kind in ERRORS:
            number = ERRORS[fault.kind]
            raise OSError(number, os.strerror(number))
        if fault.kind == RENAMED:
            output = Path(min(self._outputs, key=len))
            output.rename(output.with_name(MOVED))
        else:
            os.kill(os.getpid(), getattr(signal, fault.kind))


def _no_locks(*_: Any) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
