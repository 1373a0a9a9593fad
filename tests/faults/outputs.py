"""What a command left, compared with what an undisturbed run leaves."""

from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from tests.faults.cases import Case
from tests.faults.child import FAILURES, End

FOLDER = b"a folder"
LOCKS = ("*.lock",)  # empty files that stay
REFUSED = 2  # exit code


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of all files, hidden ones too; a folder has none."""
    return {
        path.relative_to(folder).as_posix(): FOLDER if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if not any(fnmatch(path.name, pattern) for pattern in LOCKS)
    }


def wrong(
    case: Case, fault: str | None, end: End, output: Path, expected: Mapping[str, bytes]
) -> str | None:
    """What does not hold after a run; None if everything does.

    Args:
        case: the command.
        fault: what happened to it; None if nothing did, and all of its output has to be there.
        end: how it ended.
        output: where it writes.
        expected: what an undisturbed run writes.
    """
    left = contents(output)
    if "Traceback" in end.log:
        return f"a traceback: {end.log[-600:]}"
    if fault in FAILURES and end.code not in (0, REFUSED):
        return f"exit code {end.code}: {end.log[-300:]}"
    if fault is None:
        if missing := sorted(expected.keys() - left.keys()):
            return f"missing: {', '.join(missing)}; {end.log[-300:]}"
        if strange := sorted(left.keys() - expected.keys()):
            return f"left over: {', '.join(strange)}"
    return _differing(case, fault, left, expected)


def _differing(
    case: Case, fault: str | None, left: Mapping[str, bytes], expected: Mapping[str, bytes]
) -> str | None:
    """Names a file that can be seen and is not what it should be; None if there is none."""
    for name, content in left.items():
        hidden = any(part.startswith(".") for part in Path(name).parts)
        random = any(fnmatch(Path(name).name, pattern) for pattern in case.random)
        if fault is not None and (hidden or content == FOLDER or name in case.growing):
            continue
        if name not in expected:
            return f"visible: {name}"
        if content != expected[name] and not random:
            return f"{name} has other bytes"
    return None
