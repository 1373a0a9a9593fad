"""Output folders on disks that are full, or cannot be written, or behind a link.

Disks are small ones in memory, which only root may mount: in a namespace of this process, so that
none is left when it ends.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

NEW_NAMESPACE = 0x00020000  # CLONE_NEWNS
PAGE = 4096  # the unit of such a disk's size
ROOMY = "256m"
MOUNT = "/bin/mount"


@cache
def can_mount() -> bool:
    """Whether disks can be mounted; makes the namespace."""
    if os.geteuid() or not Path(MOUNT).exists():
        return False
    if ctypes.CDLL(None).unshare(NEW_NAMESPACE):
        return False
    return not _mount("--make-rprivate", "/", check=False)


class Disk:
    """A small disk in memory, mounted at a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def change(self, options: str) -> None:
        """Changes its options, such as `size=64m` or `ro`."""
        _mount("-o", f"remount,{options}", str(self._folder))


@contextmanager
def disk(folder: Path, options: str) -> Iterator[Disk]:
    """A folder is a disk of its own while the block lasts; it is empty before and after."""
    _mount("-t", "tmpfs", "-o", options, "faults", str(folder))
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["/bin/umount", "-l", str(folder)], check=True)


@contextmanager
def behind_a_link(folder: Path) -> Iterator[None]:
    """A folder is a link to another one while the block lasts."""
    real = folder.with_name("behind")
    folder.rename(real)
    folder.symlink_to(real.name)
    try:
        yield
    finally:
        folder.unlink()
        real.rename(folder)


def pages(contents: Mapping[str, bytes]) -> int:
    """The pages that files take."""
    return sum(-(-len(content) // PAGE) for content in contents.values())


def _mount(*words: str, check: bool = True) -> int:
    return subprocess.run([MOUNT, *words], check=check).returncode
