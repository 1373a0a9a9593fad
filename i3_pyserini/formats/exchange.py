"""Gives a new folder the name of an old one, so that at every moment one of them has it."""

import ctypes
import os
import shutil
import sys
from pathlib import Path

SWAP = 2  # RENAME_EXCHANGE of Linux's renameat2, RENAME_SWAP of macOS's renamex_np
HERE = -100  # AT_FDCWD: paths are of the working directory


def replace_folder(new: Path, target: Path, spare: Path) -> None:
    """Renames a folder; a folder that has the name is deleted.

    Where names cannot be exchanged in one step, a process that is killed between two leaves the old
    folder under the spare name.

    Args:
        new: the folder.
        target: its name from now on.
        spare: a free name beside it, for the old folder.

    Raises:
        OSError: it cannot be renamed; the old folder is kept.
    """
    if not target.exists():
        new.rename(target)
    elif exchange(new, target):
        shutil.rmtree(new, ignore_errors=True)
    else:
        target.rename(spare)
        try:
            new.rename(target)
        except OSError:
            spare.rename(target)
            raise


def exchange(one: Path, other: Path) -> bool:
    """Exchanges the names of two files or folders on one file system.

    Args:
        one: exists.
        other: exists.

    Returns:
        False, with nothing changed, if this system or its file system cannot do it.
    """
    first, second = os.fsencode(one), os.fsencode(other)
    library = ctypes.CDLL(None)
    try:
        if sys.platform == "darwin":
            return bool(library.renamex_np(first, second, SWAP) == 0)
        return bool(library.renameat2(HERE, first, HERE, second, SWAP) == 0)
    except AttributeError:  # the C library does not have it
        return False
