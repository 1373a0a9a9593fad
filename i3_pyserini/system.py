"""What Linux, macOS and Windows do differently, in one place, with a fallback for each.

The rest of the package uses none of the modules and functions that only some systems have; ruff's
`banned-api` in pyproject.toml lists them.
"""

import ctypes
import errno
import io
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

# Windows renames and deletes no open file, opens no folder, and passes no descriptors to processes.
MOVED = "it was moved or removed meanwhile"
WINDOWS = os.name == "nt"
PROC = Path("/proc")  # Linux
GPUS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))  # Linux: one exists if a driver is installed
SWAP = 2  # RENAME_EXCHANGE of Linux's renameat2, RENAME_SWAP of macOS's renamex_np
HERE = -100  # AT_FDCWD: paths are of the working directory


def cpus_by_affinity() -> int:
    """The number of CPUs that this process may run on; all of them where it cannot be limited."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def may_have_gpu() -> bool:
    """Whether there may be a GPU: False only if there is none, without the seconds torch needs."""
    if WINDOWS:
        return True
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    return any(path.exists() for path in GPUS)


def processor() -> str | None:
    """The name of the processor; None if it is unknown."""
    for line in lines(PROC / "cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or None


def instructions() -> frozenset[str]:
    """The processor's instructions beyond the basic ones, as Linux names them; none elsewhere."""
    for line in lines(PROC / "cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def memory() -> int | None:
    """The bytes of this machine's memory; None if they are unknown, as on Windows."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def peak_memory() -> int | None:
    """The bytes of memory that this process has used at most; None if unknown, as on Windows."""
    try:
        import resource  # noqa: PLC0415  (Windows has none)
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


@cache
def machine() -> str:
    """A text that differs between machines, and between containers of one.

    On Linux, it also differs each time that the machine starts.
    """
    known = [platform.node()]
    with suppress(OSError):
        known.append((PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8"))
        known.append(str((PROC / "self/ns/pid").readlink()))
    return "\n".join(known)


def is_running(process: int) -> bool:
    """Whether there is a process of this number on this machine; True if that is unknown.

    Windows ends a process that is sent signal 0, so that nothing is sent there.
    """
    if WINDOWS:
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # such as another user's
        return True
    return True


@contextmanager
def staying(folder: Path) -> Iterator[None]:
    """Raises if a folder was moved away in the block: a later file may have made it again.

    The folder stays open, since network disks may otherwise give it another number. Windows opens
    no folders.

    Raises:
        OSError: it is another one at the end, or none, and so has only a part of the files.
    """
    made = folder.stat()
    descriptor = None if WINDOWS else os.open(folder, os.O_RDONLY)
    try:
        try:
            yield
        except OSError as error:
            if _is_still(folder, made):
                raise
            raise OSError(errno.ENOENT, MOVED) from error
        if not _is_still(folder, made):
            raise OSError(errno.ENOENT, MOVED)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _is_still(folder: Path, made: os.stat_result) -> bool:
    """Whether a folder is the one that was made."""
    try:
        return os.path.samestat(folder.stat(), made)
    except OSError:
        return False


def sync(path: Path) -> None:
    """Syncs a file's content, or the names in a folder, to disk.

    Raises:
        OSError: it cannot be written.
    """
    if WINDOWS and path.is_dir():  # cannot be opened
        return
    # Windows syncs only what is open for writing.
    descriptor = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network and FUSE disks sync no folders
        if error.errno != errno.EINVAL or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def exchange(one: Path, other: Path) -> bool:
    """Exchanges the names of two files or folders on one file system.

    Args:
        one: exists.
        other: exists.

    Returns:
        False, with nothing changed, if this system or its file system cannot do it.
    """
    if WINDOWS:
        return False
    first, second = os.fsencode(one), os.fsencode(other)
    library = ctypes.CDLL(None)
    try:
        if sys.platform == "darwin":
            return bool(library.renamex_np(first, second, SWAP) == 0)
        return bool(library.renameat2(HERE, first, HERE, second, SWAP) == 0)
    except AttributeError:  # the C library does not have it
        return False


def link(source: str, target: str) -> None:
    """A second name for a file; a copy on another disk, or where files have only one name.

    Raises:
        OSError: it cannot be copied.
    """
    try:
        os.link(source, target)
    except (OSError, AttributeError):
        shutil.copy2(source, target)


def utf8_output() -> None:
    """Makes redirected output UTF-8 with plain line ends, also on Windows.

    A terminal keeps its encoding, and so does what PYTHONIOENCODING sets.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            own = stream.encoding if "PYTHONIOENCODING" in os.environ else "utf-8"
            stream.reconfigure(encoding=own, newline="\n")


def lines(path: Path) -> list[str]:
    """The lines of a file in which a system tells about itself; none if it has no such file."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
