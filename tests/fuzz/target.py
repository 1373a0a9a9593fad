"""A fuzzed reader, and what may come of a file that it reads.

A result, or one error line; in bounded time; no file outside of its folder, no connection, and no
program started. What a result must be beyond that, each target says itself.
"""

import io
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from i3_pyserini.errors import I3Error
from tests.formats.damage import result_or_one_line

SECONDS = 10  # of the processor, for an input
INSIDE = "inside"  # the folder of a file
WRITING = frozenset("wax+")
FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# What Python reports before it happens, and must not: programs, connections, code from pickles.
FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")
MADE = ("os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "sqlite3.connect")


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: of the target; others have others.
        file: name of the file that is read.
        read: reads it, and asserts what must be so.
        sound: makes files that are read.
        refused: makes files that are refused.
        wrap: makes the file of an input; such as an archive of one member.
    """

    name: str
    file: str
    read: Callable[[Path], object]
    sound: Callable[[], Sequence[bytes]]
    refused: Callable[[], Sequence[bytes]] = tuple
    wrap: Callable[[bytes], bytes] = bytes


def fixed(*files: bytes) -> Callable[[], Sequence[bytes]]:
    """Makes these files; see `Target`."""
    return lambda: files


class TooSlow(BaseException):
    """An input took too much time; no `except Exception` of a reader takes it."""


class Watch:
    """What is done outside of a folder, as Python's audit events tell it."""

    def __init__(self) -> None:
        self.folder, self.found = "", list[str]()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.folder:
            return
        if event in FORBIDDEN:
            self.found.append(event)
        elif event == "open" and _writes(*arguments[1:3]):
            self._note(event, Path.cwd(), arguments[:1])
        elif event in MADE:  # a relative name may be one in a folder that is open, as of `rmtree`
            self._note(event, Path(self.folder), arguments[:2])

    def _note(self, event: str, above: Path, names: Sequence[object]) -> None:
        place = Path(self.folder).resolve()
        for name in names:
            if isinstance(name, str | bytes):
                path = above / os.fsdecode(name).removeprefix("file:").partition("?")[0]
                if path != Path("/dev/null") and place not in Path(os.path.normpath(path)).parents:
                    self.found.append(f"{event} {path}")


def _writes(mode: object, flags: object) -> bool:
    """Whether a file is opened for writing, by `open` or by `os.open`."""
    return bool(WRITING & set(str(mode or ""))) or (isinstance(flags, int) and bool(flags & FLAGS))


_watches: list[Watch] = []


def check(target: Target, content: bytes) -> object:
    """Reads a file.

    Returns:
        What the reader returns, or its `I3Error`.

    Raises:
        BaseException: whatever else comes of it; an `AssertionError` says what must not be.
    """
    if not _watches:
        _watches.append(Watch())  # hooks cannot be removed
    watch = _watches[0]
    above = os.path.realpath(tempfile.gettempdir())  # macOS has links above it
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-", dir=above) as name,
        _temporary_files_in(name),
    ):
        folder = Path(name) / INSIDE
        folder.mkdir()
        path = folder / target.file
        path.write_bytes(target.wrap(content))
        watch.folder, watch.found = name, []
        try:
            with _bounded():
                return result_or_one_line(lambda: target.read(path), folder.parent.name)
        finally:
            watch.folder = ""
            others = {one.name for one in Path(name).iterdir()} - {INSIDE, "scratch"}
            assert not watch.found and not others, f"outside: {[*watch.found, *others]}"


def check_seeds(target: Target) -> None:
    """Sees that what is sound is read, and what is not is refused."""
    for number, content in enumerate(target.sound()):
        found = check(target, content)
        assert not isinstance(found, I3Error), f"sound file {number} of {target.name}: {found}"
    for number, content in enumerate(target.refused()):
        found = check(target, content)
        assert isinstance(found, I3Error), f"wrong file {number} of {target.name} is read"


@contextmanager
def _temporary_files_in(folder: str) -> Iterator[None]:
    """Temporary files of readers are made where they are seen and removed."""
    before, tempfile.tempdir = tempfile.tempdir, str(Path(folder) / "scratch")
    Path(tempfile.tempdir).mkdir()
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextmanager
def _bounded() -> Iterator[None]:
    """Ends what takes too long, by the time of the processor: others may be busy on it."""

    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return

    def stop(_: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {SECONDS} seconds")

    before, started = signal.signal(signal.SIGPROF, stop), time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    taken = time.process_time() - started
    assert taken < SECONDS, f"{taken:.0f} seconds"


@contextmanager
def notes() -> Iterator[io.StringIO]:
    """What is noted in a block."""
    with redirect_stderr(io.StringIO()) as said:
        yield said


def counted(said: io.StringIO, pattern: str) -> int:
    """The first number of a note of this pattern, in which N stands for it; 0 if there is none."""
    found = re.search(pattern.replace("N", r"([\d,]+)"), said.getvalue())
    return int(found[1].replace(",", "")) if found else 0
