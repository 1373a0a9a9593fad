"""Opens plain or compressed files, detected by content and not by name."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

try:
    from isal import igzip as gzip
    from isal import isal_zlib as zlib
except ImportError:  # there is none for Windows on ARM
    import gzip  # type: ignore[no-redef]  # the same, at a third of the speed
    import zlib  # type: ignore[no-redef]  # the same

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from i3_pyserini.errors import I3Error

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# Text becomes 3 to 20 times smaller. A file that is made to fill the memory (a bomb) says more in
# less: gzip 1,000 times more, zstd without limit.
MOST = 200  # times the size of the compressed content
ALLOWED = 1 << 30  # bytes, whatever the size of the compressed content
BUFFER = 1 << 20
DAMAGED: tuple[type[Exception], ...] = (
    EOFError,
    gzip.BadGzipFile,
    zlib.error,  # type: ignore[assignment]  # isal's stubs take the class for an instance
    zstd.ZstdError,
)


@contextmanager
def open_bytes(path: Path, content: bytes | None = None) -> Iterator[BinaryIO]:
    """Opens a file for reading; gzip and zstd content is decompressed as it is read.

    Args:
        path: a file, a named pipe, or `/dev/stdin`.
        content: its bytes, if they were read before.

    Yields:
        A buffered binary stream. Lines can be iterated; compressed streams are slow to seek.

    Raises:
        I3Error: the file does not exist, cannot be read, or its compressed content is damaged or
            truncated, or becomes more than `MOST` times as large. Read errors inside the `with`
            block are reported this way, too.
    """
    try:
        with path.open("rb") if content is None else _buffered(content) as raw:
            yield _decompressed(raw, path)
    except DAMAGED as error:
        raise I3Error(
            f"{path}: the compressed content is damaged or truncated, or other bytes follow "
            f"it ({error})"
        ) from error
    except IsADirectoryError as error:
        raise I3Error(f"{path}: is a folder; expected a file") from error
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror or error})") from error


def is_compressed(path: Path) -> bool:
    """Whether a file's content is gzip or zstd.

    Raises:
        I3Error: it cannot be read.
    """
    try:
        with path.open("rb") as raw:
            return raw.read(len(ZSTD)).startswith((GZIP, ZSTD))
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror or error})") from error


def _buffered(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(cast("io.RawIOBase", io.BytesIO(content)))


def _decompressed(raw: io.BufferedReader, path: Path) -> BinaryIO:
    start = raw.peek(len(ZSTD))
    if start.startswith(GZIP):
        content = cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    elif start.startswith(ZSTD):
        content = cast("BinaryIO", zstd.ZstdFile(raw))
    else:
        return raw
    buffered = io.BufferedReader(_Bounded(content, raw, path), BUFFER)
    if buffered.peek(len(ZSTD)).startswith((GZIP, ZSTD)):
        raise I3Error(f"{path}: is compressed twice; decompress it once")
    return buffered


class _Bounded(io.RawIOBase):
    """Decompressed content that is refused where it becomes far too large for its file.

    Args:
        content: the decompressed content.
        raw: the compressed content, which `content` reads.
        path: the file, for messages.
    """

    def __init__(self, content: BinaryIO, raw: io.BufferedReader, path: Path) -> None:
        self._content, self._raw, self._path = content, raw, path
        self._known = raw.seekable()  # else it is not known how much of it was read

    def readinto(self, buffer: Any) -> int:
        """Reads as much as there is, at most what fits."""
        count: int = self._content.readinto(buffer)  # type: ignore[attr-defined]  # not in BinaryIO
        size = self._content.tell() if self._known else 0
        if size > ALLOWED and size > MOST * self._raw.tell():
            raise I3Error(
                f"{self._path}: its compressed content is more than {MOST} times as large as "
                "the file; if that is right, decompress it first"
            )
        return count

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """Whether `seek` works, which reads all that is before."""
        return self._content.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place in the decompressed content."""
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        """The place in the decompressed content."""
        return self._content.tell()
