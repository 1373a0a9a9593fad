"""Finds duplicate ids with constant memory."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from i3_pyserini.errors import I3Error

HASH_BYTES = 8
GROUP = 1 << 20  # hashes that are sorted at a time
BLOCK = 1 << 20  # hashes that are read at a time

Hashes = np.ndarray[Any, np.dtype[np.uint64]]


class SeenIds:
    """Ids that have occurred: their hashes are in a file, 8 bytes each.

    Args:
        folder: folder for the file, which has no name and is deleted with the process.

    Raises:
        I3Error: the folder cannot be written; also in all methods.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        with self._failures():
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed with this object)
        self._count = 0

    def add(self, docid: str) -> None:
        """Takes note of one id."""
        with self._failures():
            self._file.write(id_hash(docid))
        self._count += 1

    def repeated(self) -> "Repeated":
        """The ids that occurred more than once.

        The hashes are sorted group by group, each group read from the file again: 8.8 million ids
        are nine passes over 70 MB.
        """
        groups = max(1, -(-self._count // GROUP))
        found: set[int] = set()
        for group in range(groups):
            with self._failures():
                hashes = self._group(group, groups)
            hashes.sort()
            found.update(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        return Repeated(found)

    def _group(self, group: int, groups: int) -> Hashes:
        self._file.seek(0)
        chosen = []
        while block := self._file.read(BLOCK * HASH_BYTES):
            hashes: Hashes = np.frombuffer(block, dtype="<u8")
            chosen.append(hashes[hashes % groups == group])
        return np.concatenate(chosen) if chosen else np.empty(0, dtype=np.uint64)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise I3Error(
                f"{self._folder}: cannot be written ({error.strerror or error})"
            ) from error


class Repeated:
    """Ids that occur more than once, known by their hashes."""

    def __init__(self, hashes: set[int]) -> None:
        self._hashes = hashes

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def second(self, docids: Iterable[str]) -> tuple[int, str] | None:
        """The first id that has occurred before, and its position, from 0 on.

        Args:
            docids: all ids again, in order.

        Returns:
            None if different ids only share a hash (one chance in 500,000 for 8.8 million ids).
        """
        seen: set[str] = set()
        for position, docid in enumerate(docids):
            if int.from_bytes(id_hash(docid), "little") in self._hashes:
                if docid in seen:
                    return position, docid
                seen.add(docid)
        return None


def id_hash(docid: str) -> bytes:
    """The hash of an id, 8 bytes."""
    return blake2b(docid.encode("utf-8"), digest_size=HASH_BYTES).digest()
