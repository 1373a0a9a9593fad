"""What a command left, compared with what an undisturbed run leaves."""

import signal
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from tests.faults.child import End

FOLDER = b"a folder"
IGNORED = ("*.lock", "events.out.tfevents*")  # empty ones that stay; names with times in them
REFUSED = 2  # exit code
KILLED = {-signal.SIGKILL, -signal.SIGXFSZ, -signal.SIGTERM, 128 + signal.SIGTERM}
Contents = Mapping[str, bytes]


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of all files, hidden ones too; a folder has none."""
    return {
        path.relative_to(folder).as_posix(): FOLDER if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if not any(fnmatch(path.name, pattern) for pattern in IGNORED)
    }


def visible(left: Contents) -> dict[str, bytes]:
    """What is not hidden."""
    return {
        name: content
        for name, content in left.items()
        if not any(part.startswith(".") for part in Path(name).parts)
    }


def said_wrongly(end: End) -> str | None:
    """What is wrong with how a process ended; None if nothing is."""
    if "Traceback" in end.log:
        return f"a traceback: {end.log[-900:]}"
    if end.code == REFUSED:
        errors = [line for line in end.log.split("\n") if line.startswith("error: ")]
        return None if len(errors) == 1 else f"{len(errors)} lines of error: {end.log[-300:]}"
    if end.code == 0 or end.code in KILLED:
        return None
    return f"exit code {end.code}: {end.log[-300:]}"


def incomplete(left: Contents, expected: Contents, random: Sequence[str], log: str) -> str | None:
    """What a run that should have ended well did not leave as an undisturbed one does."""
    if missing := sorted(expected.keys() - left.keys()):
        return f"missing: {', '.join(missing)}; {log[-300:]}"
    if strange := sorted(left.keys() - expected.keys()):
        return f"left over: {', '.join(strange)}"
    return _differing(left, expected, random)


def half(
    left: Contents, expected: Contents, random: Sequence[str], growing: Sequence[str]
) -> str | None:
    """A file that can be seen and is not what it should be; None if there is none.

    Args:
        left: after a fault.
        expected: after an undisturbed run.
        random: patterns of files whose bytes differ from run to run.
        growing: patterns of files that can be seen before they are complete.
    """
    seen = visible(left).items()
    whole = {name: one for name, one in seen if one != FOLDER and not _is(name, growing)}
    return _differing(whole, expected, random)


def _differing(left: Contents, expected: Contents, random: Sequence[str]) -> str | None:
    for name, content in left.items():
        if name not in expected:
            return f"visible: {name}"
        if content != expected[name] and not _is(name, random):
            return f"{name} has other bytes"
    return None


def _is(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) or fnmatch(Path(name).name, pattern) for pattern in patterns)
