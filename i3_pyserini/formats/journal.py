"""An output that is written block by block and can be resumed.

Beside the output lie `.NAME.partial` with the lines so far and `.NAME.partial.json` with the
settings that they were made with, and while a process writes them `.NAME.partial.lock`. All go away
when the output is complete.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import (
    cannot_write,
    exclusive,
    new_file,
    publish_file,
    refuse_existing,
    unfinished,
)
from i3_pyserini.formats.records import differences, read_object

Settings = Mapping[str, str | int | None]


class Journal:
    """The lines so far; see `open_journal`."""

    def __init__(self, output: Path, file: BinaryIO) -> None:
        self.output, self._file = output, file

    def lines(self) -> Iterator[bytes]:
        """The complete lines so far, with their ends, without a truncated last line."""
        self._file.seek(0)
        return (line for line in self._file if line.endswith(b"\n"))

    def cut(self, size: int) -> None:
        """Throws away all but the first `size` bytes."""
        with _failures(self.output):
            self._file.truncate(size)

    def append(self, text: str) -> None:
        """Adds complete lines; they are on the disk when this returns.

        Raises:
            I3Error: they cannot be written.
        """
        with _failures(self.output):
            self._file.write(text.encode("utf-8"))
            self._file.flush()
            os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Gives the output its name."""
        partial, settings = _names(self.output)
        with _failures(self.output):
            self._file.close()  # Windows renames and deletes no open file
            publish_file(partial, self.output)
            settings.unlink(missing_ok=True)

    def discard(self) -> None:
        """Removes the lines, when what was to be made of them is made."""
        with _failures(self.output):
            self._file.close()
            for path in _names(self.output):
                path.unlink(missing_ok=True)


@contextmanager
def open_journal(output: Path, settings: Settings, overwrite: bool = False) -> Iterator[Journal]:
    """Opens an output to begin or resume it; no other process can until the block ends.

    Args:
        output: the file to be; folders above it are made.
        settings: everything that affects its content.
        overwrite: replace an older output, and start over if the lines so far had other settings.

    Raises:
        I3Error: another process is writing it, the output exists, it was begun with other
            settings, or it cannot be written.
    """
    refuse_existing(output, overwrite)
    partial, noted = _names(output)
    with _failures(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    busy = "another process is writing it; wait for that, or choose another --output"
    with exclusive(partial.with_name(f"{partial.name}.lock"), output, busy):
        refuse_existing(output, overwrite)  # it may just have been completed
        with _failures(output):
            file = partial.open("a+b")  # what is written goes to the end, also after a cut
        with file:
            try:
                _compare(file, output, settings, overwrite)
                yield Journal(output, file)
            finally:  # nothing is left behind where nothing was written
                file.close()
                if partial.exists() and not partial.stat().st_size:
                    noted.unlink(missing_ok=True)
                    partial.unlink()


def _names(output: Path) -> tuple[Path, Path]:
    partial = unfinished(output)
    return partial, partial.with_name(f"{partial.name}.json")


def _compare(file: BinaryIO, output: Path, settings: Settings, overwrite: bool) -> None:
    """Sees that the lines so far, if any, are of these settings, and notes the settings."""
    partial, noted = _names(output)
    if file.seek(0, os.SEEK_END):
        changes = _changes(noted, settings)
        if not changes:
            return
        if not overwrite:
            raise I3Error(
                f"{partial}: begun with other settings ({'; '.join(changes)}); resume with the "
                "same ones, or start over with --overwrite"
            )
        with _failures(output):
            file.truncate(0)
            os.fsync(file.fileno())
    with new_file(noted, overwrite=True) as text:
        json.dump(dict(settings), text, indent=1)


def _changes(noted: Path, settings: Settings) -> list[str]:
    try:
        return differences(read_object(noted), settings)
    except (FileNotFoundError, I3Error):
        return [f"{noted.name} cannot be read"]


@contextmanager
def _failures(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(output, error) from error
