"""Which files a command wrote before its main one, so that the same command finds them again.

A command with several files gives its main one a name last: where it is, the others are. If the
command is killed between two names, the others are there without it. So each is noted beside the
main file just before it gets its name, with its hash. The same command again replaces the files
that are noted, and no other ones. The note is removed when the main file has its name.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path


class EarlierFiles:
    """The note beside a main file.

    Args:
        note: the note, which need not exist. A line is a hash and a path from the note's folder.
    """

    def __init__(self, note: Path) -> None:
        self.note = note

    def has(self, path: Path) -> bool:
        """Whether a file is noted, and still the same."""
        try:
            lines = self.note.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            return self._line(path, path) in lines
        except OSError:
            return False

    def add(self, path: Path, content: Path) -> None:
        """Notes a file that will get its name.

        Args:
            path: its name.
            content: the file under a hidden name.

        Raises:
            OSError: it cannot be written.
        """
        with self.note.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{self._line(path, content)}\n")
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Removes the note: the main file has its name.

        Raises:
            OSError: it cannot be removed.
        """
        self.note.unlink(missing_ok=True)

    def _line(self, path: Path, content: Path) -> str:
        with content.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        name = path.resolve()
        with suppress(ValueError):  # on another drive of Windows
            name = Path(os.path.relpath(name, self.note.parent.resolve()))
        return f"{sha256}  {name.as_posix()}"
