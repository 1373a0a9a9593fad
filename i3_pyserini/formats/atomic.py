"""Writing files so that half a result never looks whole."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from i3_pyserini.errors import I3Error

BLOCK = 1 << 20
LOCK = ".lock"


@contextmanager
def new_file(path: Path, overwrite: bool = False) -> Iterator[TextIO]:
    """Opens a UTF-8 text file that appears under its name only when the block ends without error.

    Args:
        path: the file; folders above it are made.
        overwrite: replace an older file.

    Raises:
        I3Error: it exists, or cannot be written.
    """
    refuse_existing(path, overwrite)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise I3Error(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):  # such as a file where a folder should be, which was said above
            partial.unlink()


def refuse_existing(path: Path, overwrite: bool = False) -> None:
    """Raises if something is in the way of a file that will be written later.

    Raises:
        I3Error: `path` exists and is not to be replaced, or is a folder.
    """
    if path.is_dir():
        raise I3Error(f"{path}: is a folder; name a file")
    if path.exists() and not overwrite:
        raise I3Error(f"{path}: exists; choose another name, or --overwrite")


def refuse_inputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> None:
    """Raises if an output is an input, or another output.

    Raises:
        I3Error: names it.
    """
    used = {path.resolve() for path in inputs if path}
    for path in outputs:
        if path and path.resolve() in used:
            raise I3Error(f"{path}: is named twice; an output needs a name of its own")
        used |= {path.resolve()} if path else set()


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file's bytes, in hexadecimal.

    Args:
        path: the file.
        algorithm: "md5" for what its publisher hashed so.

    Raises:
        I3Error: it cannot be read.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with (
            path.open("rb") as content,
            tqdm(
                total=path.stat().st_size,
                desc=f"verify {path.name}",
                unit="B",
                unit_scale=True,
                delay=2,
            ) as progress,
        ):
            while block := content.read(BLOCK):
                digest.update(block)
                progress.update(len(block))
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes that ask for it out of a folder; ends with the process, killed or not.

    Args:
        folder: the folder, which is made if need be.

    Raises:
        I3Error: another process is at work there, or the folder cannot be made.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise I3Error(f"{folder}: cannot be used ({error.strerror})") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = _has_name(descriptor, path)
        except BlockingIOError:
            free = False
        except OSError as error:  # such as on a network disk without locks
            raise I3Error(f"{folder}: cannot be locked ({error.strerror})") from error
        if not free:
            raise I3Error(f"{folder}: another process is at work here; wait for it")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _has_name(descriptor: int, path: Path) -> bool:
    """Whether an open file still has this name; its last owner may have taken it away."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
