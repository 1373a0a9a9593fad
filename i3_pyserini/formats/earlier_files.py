"""Which files a command wrote before its main one, so that the same command finds them again.

A command with several files gives its main one a name last: where it is, the others are. If the
command is killed between two names, the others are there without it. So each is noted beside the
main file just before it gets its name, with its hash. A command with the same main file replaces
the files that are noted and unchanged, and no other ones. The note is removed when the main file
has its name.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


class EarlierFiles:
    """The note beside a main file.

    Args:
        note: the note, which need not exist. A line is a list in JSON: a hash, and a path from the
            note's folder.
    """

    def __init__(self, note: Path) -> None:
        self.note = note

    def has(self, path: Path) -> bool:
        """Whether a file is noted, and still the same."""
        name = self._name(path)
        hashes = [sha256 for sha256, noted in self._entries() if noted == name]
        try:
            return bool(hashes) and _hash(path) in hashes
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
        self.note.parent.mkdir(parents=True, exist_ok=True)  # the main file comes later
        entry = json.dumps([_hash(content), self._name(path)])
        with self.note.open("a", encoding="utf-8") as file:
            file.write(f"\n{entry}\n")  # the line before may have been cut by a kill
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Removes the note: the main file has its name.

        Raises:
            OSError: it cannot be removed.
        """
        self.note.unlink(missing_ok=True)

    def drop(self) -> None:
        """Removes a note that a call left which was killed when the main file had its name."""
        with suppress(OSError):  # such as on a disk that is read-only
            self.remove()

    def _entries(self) -> Iterator[list[str]]:
        lines: list[str] = []
        with suppress(OSError, UnicodeDecodeError):
            lines = self.note.read_text(encoding="utf-8").split("\n")
        for line in filter(None, lines):
            with suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, list) and list(map(type, entry)) == [str, str]:
                    yield entry

    def _name(self, path: Path) -> str:
        name = path.resolve()
        with suppress(ValueError):  # on another drive of Windows
            name = Path(os.path.relpath(name, self.note.parent.resolve()))
        return name.as_posix()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
