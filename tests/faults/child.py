"""A command in a process of its own, which is watched.

The process is forked from one that has imported what the command imports, which takes longest; a
few are fresh ones, to be killed while they import it.
"""

import json
import mmap
import os
import select
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from i3_pyserini.cli import run
from i3_pyserini.errors import run_command
from tests.faults.watch import BYTES, ENDED, HEADER, MOST, Fault, Seen, Watch

MODULES = "modules"  # file with the names of what a process has imported
NEVER = ("__main__", "jnius", "pyserini")  # not before a fork: Java's threads do not survive it


@dataclass(frozen=True)
class End:
    """How a process ended.

    Attributes:
        code: its exit code; below zero, the signal's number.
        moments: phase of each moment that came.
        phase: in which the fault came.
        log: what it printed.
    """

    code: int
    moments: list[str]
    phase: str
    log: str


class Child:
    """A process that runs a command.

    Args:
        words: the command's words.
        folder: its working directory.
        output: the folder whose moments count.
        fault: what happens to it; None for an undisturbed run.
        fresh: import everything anew.
        name: of its log, where several run at once.
    """

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        output: Path,
        fault: Fault | None = None,
        fresh: bool = False,
        name: str = "log",
    ) -> None:
        self._log, self._fault = folder / name, fault
        self._log.write_bytes(b"")
        if fresh:
            shared = folder / "seen"
            shared.unlink(missing_ok=True)
            self._seen = Seen.in_file(shared)
            given = json.dumps([list(words), str(folder), str(output), str(shared), name])
            command = [sys.executable, "-m", "tests.faults.child", given]
            self._process = os.posix_spawn(sys.executable, command, os.environ)
            return
        self._seen = Seen(mmap.mmap(-1, HEADER.size + MOST))
        self._process = os.fork()
        if not self._process:
            _work(words, folder, Watch(output, self._seen, fault), self._log)

    def end(self, seconds: float | None = None) -> End:
        """Waits for the process.

        Args:
            seconds: after which it is killed.
        """
        phase = None
        if seconds is not None:
            ended = os.pidfd_open(self._process)
            phase = ENDED if select.select([ended], [], [], seconds)[0] else self._seen.phase
            os.close(ended)
            os.kill(self._process, signal.SIGKILL)
        _, status = os.waitpid(self._process, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGXFSZ:
            phase = BYTES
        log = self._log.read_text(encoding="utf-8", errors="replace")
        return End(code, self._seen.moments, phase or self._seen.last, log)


def import_what(folder: Path) -> None:
    """Imports into this process what the last command imported."""
    for name in (folder / MODULES).read_text(encoding="utf-8").split("\n"):
        if name.split(".")[0] not in NEVER and name not in sys.modules:
            with suppress(BaseException):  # such as one that only its own library may import
                import_module(name)


def _work(words: Sequence[str], folder: Path, watch: Watch, log: Path) -> NoReturn:
    """The process of the command."""
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
        if watch.undisturbed:
            (folder / MODULES).write_text("\n".join(sys.modules), encoding="utf-8")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    given_words, *paths, given_name = json.loads(sys.argv[1])
    at, into, memory = map(Path, paths)
    _work(given_words, at, Watch(into, Seen.in_file(memory), None), at / given_name)
