"""Runs commands in separate processes, which end with this one.

A failure is one `I3Error`. `stock/lucene_bm25.py` starts one otherwise, with which it converses,
and `encode/` those of `multiprocessing`.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from subprocess import DEVNULL, PIPE, STDOUT
from types import FrameType, MappingProxyType

from i3_pyserini.errors import I3Error, StoppedError

__all__ = ["DEVNULL", "PIPE", "STDOUT", "Worker", "python", "run", "run_or_fail"]
NO_MORE: Mapping[str, str] = MappingProxyType({})
# What Python programs read and write without naming an encoding, such as what we read from them.
UTF8 = {"PYTHONUTF8": "1"}


def python(module: str, *arguments: str) -> list[str]:
    """The words of `python -m MODULE …`, by the Python that runs this."""
    return [sys.executable, "-m", module, *arguments]


def run(
    words: Sequence[str],
    variables: Mapping[str, str] = NO_MORE,
    *,
    stdout: int | None = None,
    stderr: int | None = None,
    timeout: float | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end, whatever its exit code.

    Args:
        words: the program and its arguments.
        variables: environment variables, in addition to those of this process.
        stdout: destination of its output, as in `subprocess`. Default: that of this process.
        stderr: destination of its errors.
        timeout: seconds after which it is killed.

    Returns:
        Exit code and what was sent to `PIPE`.

    Raises:
        OSError: it cannot be started; a TimeoutError if it took too long.
        StoppedError: SIGTERM came; the command was sent it too, and has ended.
    """
    process = subprocess.Popen(  # noqa: S603  (what a plan or our own code says)
        words,
        env={**os.environ, **UTF8, **variables},
        stdout=stdout,
        stderr=stderr,
        encoding="utf-8",
        errors="replace",
    )
    with process, _ending_with_us(process):
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise TimeoutError(f"no end in {timeout:g} s") from error
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


def run_or_fail(
    words: Sequence[str],
    failed: str,
    advice: str = "see above",
    variables: Mapping[str, str] = NO_MORE,
    *,
    quiet: bool = False,
    stdout: int | None = None,
    stderr: int | None = None,
) -> str:
    """Runs a command that has to succeed.

    Args:
        words: the program and its arguments.
        failed: message on failure, before the exit code.
        advice: advice after the message.
        variables: of the environment, besides our own.
        quiet: keep what it prints, errors among it, and show that only if it fails.
        stdout: see `run`.
        stderr: likewise.

    Returns:
        What it printed, if `quiet`.

    Raises:
        I3Error: it cannot be started, or failed.
        StoppedError: see `run`.
    """
    where = {"stdout": PIPE, "stderr": STDOUT} if quiet else {"stdout": stdout, "stderr": stderr}
    try:
        done = run(words, variables, **where)
    except OSError as error:
        raise I3Error(f"{failed}: {words[0]} cannot be run ({error.strerror})") from error
    if done.returncode:
        if quiet:
            print(done.stdout, file=sys.stderr)
        raise I3Error(f"{failed} (exit code {done.returncode}); {advice}")
    return done.stdout or ""


class Worker:
    """A process that runs commands of ours one after the other, with one import of torch for all.

    Not on Windows, where a process gets no descriptors for its replies.

    Args:
        stdout: file descriptor for what the commands print. Default: that of this process.
        stderr: likewise.

    Raises:
        I3Error: it cannot be started.

    Attributes:
        pid: its number.
    """

    def __init__(self, stdout: int | None = None, stderr: int | None = None) -> None:
        receive, send = os.pipe()
        words = python("i3_pyserini.worker", str(send))
        try:
            self._process = subprocess.Popen(  # noqa: S603  (our own program)
                words,
                env={**os.environ, **UTF8},
                stdin=PIPE,
                stdout=stdout,
                stderr=stderr,
                encoding="utf-8",
                pass_fds=[send],
            )
        except OSError as error:
            os.close(receive)
            raise I3Error(f"{words[0]} cannot be run ({error.strerror})") from error
        finally:
            os.close(send)
        self._replies = os.fdopen(receive, encoding="utf-8")
        self.pid = self._process.pid

    def close(self) -> None:
        """Ends the process, after the command that it runs."""
        with suppress(BrokenPipeError):
            self._process.communicate()
        self._replies.close()

    def run(self, words: Sequence[str]) -> int:
        """Runs a command to its end.

        Args:
            words: of `i3-pyserini`.

        Returns:
            Its exit code; that of the process if the process ended.

        Raises:
            StoppedError: SIGTERM came; the process was sent it too.
        """
        assert self._process.stdin  # noqa: S101  (a pipe)
        with _ending_with_us(self._process):
            with suppress(BrokenPipeError):
                self._process.stdin.write(f"{json.dumps(list(words))}\n")
                self._process.stdin.flush()
            reply = self._replies.readline()
        return int(reply) if reply else self._process.wait() or 1


@contextmanager
def _ending_with_us(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Forwards SIGTERM to a process, so that it ends with this one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        process.terminate()  # and is waited for where its `with` ends
        raise StoppedError(number, "the same command resumes")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
