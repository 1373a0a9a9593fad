"""Hashes of what an encoder read, beside the vectors of an index.

`hashes.npy` is uint8 [passages, 16], in the order of the vectors: the BLAKE2b hash of the title and
the text that entered the model. An update compares them with those of a newer corpus.
"""

from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage

HASHES = "hashes.npy"
HASH_BYTES = 16
BLOCK = 1 << 16  # hashes that are read at a time

Hashes = np.ndarray[Any, np.dtype[np.uint8]]


def content_hash(passage: Passage, with_titles: bool = True) -> bytes:
    """The hash of a passage, 16 bytes; passages of one hash have one vector.

    Args:
        passage: the passage.
        with_titles: whether its title enters the model.
    """
    title = (passage.title or "").encode() if with_titles else b""
    # the length separates title and text: ("a", "b c") is not ("a b", "c")
    content = len(title).to_bytes(8, "little") + title + passage.text.encode()
    return blake2b(content, digest_size=HASH_BYTES).digest()


class HashWriter:
    """Writes the hashes of passages into a file of bytes, one after the other; a context manager.

    Args:
        path: the file; replaced if it exists.
        with_titles: whether titles enter the model.

    Raises:
        I3Error: the file cannot be written; in `add` too.
    """

    def __init__(self, path: Path, with_titles: bool) -> None:
        self._path, self._with_titles = path, with_titles
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
        except OSError as error:
            raise self._failed(error) from error

    def add(self, passage: Passage) -> None:
        """Appends the hash of one passage."""
        try:
            self._file.write(content_hash(passage, self._with_titles))
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        except OSError as failed:
            raise self._failed(failed) from failed

    def _failed(self, error: OSError) -> I3Error:
        return I3Error(f"{self._path}: cannot be written ({error.strerror or error})")


def written_hashes(path: Path) -> Hashes | None:
    """What a `HashWriter` wrote, memory-mapped; None if there is no such file."""
    try:
        count = path.stat().st_size // HASH_BYTES
    except FileNotFoundError:
        return None
    return np.memmap(path, np.uint8, "r", shape=(count, HASH_BYTES)) if count else _none()


def read_hashes(index: Path, passages: int) -> Hashes | None:
    """The hashes of an index, memory-mapped.

    Args:
        index: its directory.
        passages: number of its vectors.

    Returns:
        None if it has none: it is of an earlier version or of another program.

    Raises:
        I3Error: they are damaged, or not as many as the vectors.
    """
    path = index / HASHES
    if not path.is_file():
        return None
    try:
        found = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy parses the header as Python source: SyntaxError and more
        reason = " ".join(str(error).split())
        raise I3Error(f"{path}: cannot be read ({reason}); remove it") from error
    if found.dtype != np.uint8 or found.shape != (passages, HASH_BYTES):
        raise I3Error(
            f"{path}: expected uint8 [{passages}, {HASH_BYTES}], got {found.dtype} "
            f"{list(found.shape)}; remove it"
        )
    return found


def write_hashes(folder: Path, hashes: Hashes) -> None:
    """Writes the hashes of an index, with one block in memory at a time.

    Raises:
        OSError: writing failed.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": hashes.shape}
    with (folder / HASHES).open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(hashes), BLOCK):
            file.write(np.ascontiguousarray(hashes[start : start + BLOCK]).data)


def _none() -> Hashes:
    return np.empty((0, HASH_BYTES), dtype=np.uint8)
