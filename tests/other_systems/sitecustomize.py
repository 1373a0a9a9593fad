"""Makes Python on Linux lack what macOS and Windows lack, as far as a process can.

    PYTHONPATH=tests/other_systems:. python …
    make test-other-systems

Python imports this before anything else, and so do the processes that it starts. In all of them:

- `os.sched_getaffinity` is missing; `fcntl`, `resource`, `os.sysconf` and `/proc` are missing for
  this package. Others, such as psutil and filelock, are the builds for Linux and need them.
- Text files have the line ends of Windows, unless a call names them, or a test makes it.
- A file that is open or mapped in this process is neither renamed nor deleted, `os.rename` does not
  replace a file, folders are not synced, and the names that Windows reserves are refused.
- `os.kill(process, 0)`, which ends a process on Windows, fails the test.
- New processes are spawned, not forked.

What is not here: case-insensitive names, drive letters, and other builds of libraries.

With I3_OTHER_SYSTEM=missing, only the first of these happens. Then all quick tests run, of which
many use names and signals that Windows does not have.
"""

import builtins
import io
import multiprocessing
import os
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path, PurePath
from types import FrameType
from typing import Any

OURS = "i3_pyserini"
NOT_EVERYWHERE = ("fcntl", "resource")
US = (OURS, "__main__")
ONLY_MISSING = os.environ.get("I3_OTHER_SYSTEM") == "missing"
RESERVED = re.compile(
    r'.*[<>:"|?*\\].*|.*[. ]|(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?', re.I | re.S
)
RENAMED, DELETED, OPENED, MADE = "os.rename", ("os.remove", "os.rmdir"), "open", "os.mkdir"
_open, _rename, _sysconf, _kill = io.open, os.rename, os.sysconf, os.kill
_import = builtins.__import__


def caller(depth: int = 2) -> str:
    """The package that called, directly or through the standard library's pathlib."""
    frame: FrameType | None = sys._getframe(depth)
    while frame and _package(frame) == "pathlib":
        frame = frame.f_back
    return _package(frame) if frame else ""


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).split(".")[0]


def open_with_windows_ends(
    file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any
) -> Any:
    """`open`, with `\\r\\n` for lines of text that is written without naming another end."""
    options = dict(zip(("encoding", "errors", "newline", "closefd", "opener"), rest, strict=False))
    options |= named
    is_text = "b" not in mode and set(mode) & set("wax+")
    if is_text and options.get("newline") is None and caller() != "tests":
        options["newline"] = "\r\n"
    return _open(file, mode, buffering, **options)


def rename_to_new_names(source: Any, target: Any, **named: Any) -> None:
    """`os.rename`, which refuses names that exist."""
    if os.path.lexists(target):
        raise FileExistsError(17, "as on Windows: the name exists", str(target))
    _rename(source, target, **named)


def import_for_others(name: str, of: Any = None, *rest: Any, **named: Any) -> Any:
    """`import`, which finds some modules for other packages only."""
    if name in NOT_EVERYWHERE and str((of or {}).get("__name__")).split(".")[0] in US:
        raise ModuleNotFoundError(f"no module {name} on Windows", name=name)
    return _import(name, of, *rest, **named)


def sysconf_for_others(name: Any) -> int:
    """`os.sysconf`, for other packages."""
    if caller() == OURS:
        raise AttributeError("os has no sysconf on Windows")
    return _sysconf(name)


def kill_without_asking(process: int, number: int) -> None:
    """`os.kill`, not to find out whether there is a process."""
    if number == 0 and caller() == OURS:
        raise AssertionError("os.kill(process, 0) ends the process on Windows")
    _kill(process, number)


def refuse_proc(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook that raises for files of `/proc`."""
    path = arguments[0] if event == OPENED else None
    if isinstance(path, str) and path.startswith("/proc/") and caller(3) == OURS:
        raise FileNotFoundError(2, "not on macOS and Windows", path)


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook that raises for what Windows refuses."""
    if event == RENAMED:
        source, target, folder, other = arguments
        _refuse_open(source, folder)
        _refuse_open(target, other)
        _refuse_name(target)
    elif event in DELETED:
        _refuse_open(*arguments[:2])
    elif event == OPENED:
        path, _, flags = arguments
        if flags & os.O_CREAT:
            _refuse_name(path)
    elif event == MADE:
        _refuse_name(arguments[0])


def _refuse_name(path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return
    name = PurePath(os.fsdecode(path)).name
    if RESERVED.fullmatch(name):
        raise OSError(22, "as on Windows: reserved name", str(path))


def _refuse_open(path: Any, folder: int) -> None:
    try:
        found = os.stat(path, dir_fd=folder if folder >= 0 else None, follow_symlinks=False)
    except OSError:
        return
    if stat.S_ISDIR(found.st_mode):
        inside = f"{os.path.realpath(path)}/" if folder < 0 else "\0"
        is_open = any(one.startswith(inside) for one in (*_opened().values(), *_mapped().values()))
    else:
        is_open = (found.st_dev, found.st_ino) in _opened() | _mapped()
    if is_open:
        raise PermissionError(13, "as on Windows: it is open, or a file in it", str(path))


def _opened() -> dict[tuple[int, int], str]:
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the list's own
            status = os.fstat(int(link.name))
            if not stat.S_ISDIR(status.st_mode):
                found[status.st_dev, status.st_ino] = str(link.readlink())
    return found


def _mapped() -> dict[tuple[int, int], str]:
    with _open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        parts = [line.split(maxsplit=5) for line in file]
    return {
        (os.makedev(*(int(word, 16) for word in part[3].split(":"))), int(part[4])): part[5].strip()
        for part in parts
        if part[4] != "0"
    }


def _unlink_when_released() -> None:
    """Removes files of locks as filelock does on Windows: when they are released."""
    from filelock import UnixFileLock

    release = UnixFileLock._release

    def then_unlink(lock: UnixFileLock) -> None:
        release(lock)
        with suppress(OSError):
            Path(lock.lock_file).unlink()

    setattr(UnixFileLock, "_release", then_unlink)  # noqa: B010  (of another type)


def take_away() -> None:
    """Takes away what is missing elsewhere."""
    builtins.__import__ = import_for_others  # type: ignore[assignment]
    if hasattr(os, "sched_getaffinity"):
        del os.sched_getaffinity
    if hasattr(os, "process_cpu_count"):  # of Python 3.13, which calls it
        os.process_cpu_count = os.cpu_count
    os.sysconf = sysconf_for_others
    sys.addaudithook(refuse_proc)


def be_windows() -> None:
    """Behaves as Windows does, where that is different."""
    _unlink_when_released()
    os.kill = kill_without_asking
    os.rename = rename_to_new_names  # type: ignore[assignment]
    builtins.open = io.open = open_with_windows_ends
    multiprocessing.set_start_method("spawn", force=True)
    from i3_pyserini import system

    system.WINDOWS = True
    sys.addaudithook(refuse)


take_away()
if not ONLY_MISSING:
    be_windows()
