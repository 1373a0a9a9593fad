"""Writes files and folders atomically.

New files: `new_file` (text), `new_bytes`, `replacing` (for a library that writes by name). New
folders: `new_folder`. A complete file or folder under another name: `publish_file`,
`publish_folder`. Alone among processes: `locked`, `exclusive`.

Everything is written under a hidden name beside the target (`.NAME.partial-MACHINE-PID-RANDOM`),
synced and renamed. Leftovers of a killed process are removed when its target is written again.
"""

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.earlier_files import EarlierFiles
from i3_pyserini.formats.exchange import replace_folder
from i3_pyserini.system import is_running, machine, staying, sync

BLOCK = 1 << 20
LOCK = ".lock"
# The end of a hidden name, and of SQLite's files beside it; earlier versions had only the process.
WRITER = re.compile(r"(?:([0-9a-f]{8})-)?([0-9]+)(?:-[0-9a-f]{8})?(?:-(?:journal|wal|shm))?")
FORGOTTEN = 7 * 24 * 3600  # seconds without a change, after which another machine's are removed
LONGEST_NAME = 200  # bytes of a target's name that a hidden name repeats; file systems take 255


@contextmanager
def new_file(path: Path, overwrite: bool = False, before: Path | None = None) -> Iterator[TextIO]:
    """Opens a UTF-8 text file that appears under its name only when the block ends without error.

    Args:
        path: the file; missing parent folders are created.
        overwrite: replace an existing file.
        before: the main file of the same command, which gets its name last; see `earlier_files`.
            An existing file is replaced if it was written before a main file that never came.

    Raises:
        I3Error: it exists, or cannot be written.
    """
    refuse_existing(path, overwrite, before)
    with (
        replacing(path, before=before) as partial,
        partial.open("w", encoding="utf-8", newline="\n") as file,
    ):
        yield file


@contextmanager
def new_bytes(
    path: Path, overwrite: bool = False, before: Path | None = None
) -> Iterator[BinaryIO]:
    """Opens a binary file that appears under its name only when the block ends without error.

    Args: see `new_file`.

    Raises:
        I3Error: it exists, or cannot be written.
    """
    refuse_existing(path, overwrite, before)
    with replacing(path, before=before) as partial, partial.open("wb") as file:
        yield file


@contextmanager
def replacing(
    path: Path, *failures: type[Exception], advice: str = "", before: Path | None = None
) -> Iterator[Path]:
    """Yields a hidden name to write a file under; the file is renamed when the block ends.

    Args:
        path: the file; missing parent folders are created, and an existing file is replaced.
        *failures: exceptions besides OSError that mean that writing failed, such as a full disk.
        advice: advice at the end of the error message.
        before: see `new_file`.

    Yields:
        The hidden name; the file does not exist yet.

    Raises:
        I3Error: it cannot be written.
    """
    partial = hidden(path)
    expected: tuple[type[Exception], ...] = (OSError, *failures)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_left_over(path)
        yield partial
        publish_file(partial, path, before)
    except expected as error:
        raise cannot_write(path, error, advice) from error
    finally:
        with suppress(OSError):  # such as a file where a folder should be, which was said above
            partial.unlink()


@contextmanager
def new_folder(path: Path, *failures: type[Exception]) -> Iterator[Path]:
    """Yields an empty hidden folder, which is renamed when the block ends.

    Args:
        path: the folder; an existing one is replaced. The caller checks whether it may be replaced.
        *failures: exceptions besides OSError that mean that writing failed, such as a full disk.

    Raises:
        I3Error: it cannot be written.
    """
    target = path.resolve()
    partial = hidden(target)
    expected: tuple[type[Exception], ...] = (OSError, *failures)
    try:
        partial.mkdir(parents=True)
        remove_left_over(target)
        with staying(partial):
            yield partial
        publish_folder(partial, target)
    except expected as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def publish_file(partial: Path, path: Path, before: Path | None = None) -> None:
    """Renames a complete file after syncing its content to disk.

    Args:
        partial: the file under a hidden name.
        path: its name.
        before: see `new_file`.

    Raises:
        OSError: it cannot be written or renamed.
    """
    sync(partial)
    if before and before != path:
        _earlier(before).add(path, partial)
    partial.replace(path)
    sync(path.parent)
    _earlier(path).remove()


def publish_folder(partial: Path, target: Path) -> None:
    """Renames a complete folder after syncing its files to disk; replaces an existing folder.

    Raises:
        OSError: it cannot be written or renamed; the existing folder is kept.
    """
    for path in (*partial.rglob("*"), partial):
        sync(path)
    replace_folder(partial, target, hidden(target, "old"))
    sync(target.parent)
    for left, _ in _hidden_names(target, "old"):  # also what a process left that was killed here
        shutil.rmtree(left, ignore_errors=True)


def hidden(path: Path, kind: str = "partial") -> Path:
    """A new hidden name beside a file or folder, for this process."""
    writer = f"{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f"{_start(path, kind)}{writer}")


def remove_left_over(path: Path) -> None:
    """Removes leftovers of ended processes for a file or folder.

    For other machines, files that have not changed for a week.

    Args:
        path: the file or folder.
    """
    for left, writer in _hidden_names(path, "partial"):
        with suppress(OSError):  # such as one that its process removes now
            here = writer[1] == _machine() and not is_running(int(writer[2]))
            if here or _last_change(left) < time.time() - FORGOTTEN:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _start(path: Path, kind: str) -> str:
    """What the hidden names of a file or folder start with."""
    name = path.name
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f".{name}.{kind}-"


def _earlier(main: Path) -> EarlierFiles:
    """What a command noted that writes files before its main one."""
    return EarlierFiles(main.with_name(_start(main, "before").removesuffix("-")))


def _hidden_names(path: Path, kind: str) -> list[tuple[Path, re.Match[str]]]:
    """The hidden names of a file or folder, of all processes, and which process each is of."""
    start = _start(path, kind)
    there: list[Path] = []
    with suppress(OSError):  # such as a folder that may not be listed
        there = [one for one in path.parent.iterdir() if one.name.startswith(start)]
    found = [(one, WRITER.fullmatch(one.name.removeprefix(start))) for one in there]
    return [(one, writer) for one, writer in found if writer]


def _machine() -> str:
    """Eight digits of this machine since it started, or of this container."""
    return hashlib.sha256(machine().encode()).hexdigest()[:8]


def _last_change(path: Path) -> float:
    """When a file was last changed, or anything in a folder."""
    inside = path.rglob("*") if path.is_dir() else ()
    times: list[float] = [one.stat().st_mtime for one in (path, *inside)]
    return max(times)


def unfinished(path: Path) -> Path:
    """Where the parts of long work are, until a file or folder is complete; found when resuming."""
    return path.with_name(f".{path.name}.partial")


def cannot_write(path: Path, error: Exception, advice: str = "") -> I3Error:
    """The error for a file or folder that cannot be written."""
    reason = getattr(error, "strerror", None) or error
    return I3Error(f"{path}: cannot be written ({reason})" + (f"; {advice}" if advice else ""))


def refuse_existing(path: Path, overwrite: bool = False, before: Path | None = None) -> None:
    """Raises if a file that will be written later already exists.

    Args:
        path: the file.
        overwrite: whether it may be replaced.
        before: see `new_file`.

    Raises:
        I3Error: `path` exists and must not be replaced, or is a folder, pipe or device.
    """
    if path.is_dir():
        raise I3Error(f"{path}: is a folder; expected a file")
    if path.exists() and (not path.is_file() or path.absolute().parent == Path("/dev")):
        raise I3Error(f"{path}: is a pipe or device, which cannot be replaced; give a file's name")
    if path.exists() and not (overwrite or (before and _earlier(before).has(path))):
        _earlier(path).drop()
        raise I3Error(f"{path}: exists; choose another name, or --overwrite")


def refuse_inputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> None:
    """Raises if an output is an input, or another output.

    Raises:
        I3Error: names it.
    """
    used = [path.resolve() for path in inputs if path]
    for path in (path for path in outputs if path):
        other = next((one for one in used if same_place(path.resolve(), one)), None)
        if other is not None:
            same = other.name == path.resolve().name
            why = "is given twice" if same else f"is the same file as {other.name} on many disks"
            raise I3Error(f"{path}: {why}; choose another output")
        used.append(path.resolve())


def same_place(one: Path, other: Path) -> bool:
    """Whether two paths without links name the same file or folder, now or when it is written.

    Names that differ only in case are one file on most disks of macOS and Windows. Where neither
    exists yet, they are taken for one.
    """
    if one == other or str(one).casefold() != str(other).casefold():
        return one == other
    if one.exists() and other.exists():
        return one.samefile(other)
    return not one.exists() and not other.exists()


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file's bytes, in hexadecimal.

    Args:
        path: the file.
        algorithm: hash algorithm, such as "md5".

    Raises:
        I3Error: it cannot be read.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        size = path.stat().st_size
        shown = tqdm(desc=f"hash {path.name}", total=size, unit="B", unit_scale=True, delay=2)
        with path.open("rb") as content, shown as progress:
            while block := content.read(BLOCK):
                digest.update(block)
                progress.update(len(block))
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder; the lock ends with the process, even if it is killed.

    Args:
        folder: the folder, created if necessary.

    Raises:
        I3Error: another process holds the lock, or the folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise I3Error(f"{folder}: cannot be written ({error.strerror})") from error
    with exclusive(folder / LOCK, folder, "another process is working here; wait for it"):
        yield


@contextmanager
def exclusive(lock: Path, subject: Path, busy: str) -> Iterator[None]:
    """Holds a lock of the operating system, which ends with the process, even if it is killed.

    Args:
        lock: a file for the lock alone; it is there while the lock is held.
        subject: what is locked, for messages.
        busy: message if another process holds it.

    Raises:
        I3Error: another process holds it, or the disk has no locks.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415  (imports asyncio: 0.1 s)

    holder = FileLock(lock, timeout=0, fallback_to_soft=False)
    try:
        holder.acquire()
    except Timeout as error:
        raise I3Error(f"{subject}: {busy}") from error
    except (OSError, NotImplementedError) as error:  # such as on a network disk without locks
        reason = getattr(error, "strerror", None) or error
        raise I3Error(f"{subject}: cannot be locked ({reason})") from error
    try:
        yield
    finally:
        # Removed while it is held: whoever opened it meanwhile finds that it has no name any more.
        with suppress(OSError):
            lock.unlink()
        holder.release()
