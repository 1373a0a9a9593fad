"""Gives a new folder the name of an old one, so that at every moment one of them has it."""

import shutil
from pathlib import Path

from i3_pyserini.system import exchange


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
        new.replace(target)
    elif exchange(new, target):
        shutil.rmtree(new, ignore_errors=True)
    else:
        target.replace(spare)
        try:
            new.replace(target)
        except OSError:
            spare.replace(target)
            raise
