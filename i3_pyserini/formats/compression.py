"""Opens plain or compressed files, detected by content and not by name."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from i3_pyserini.errors import I3Error

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


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
            truncated. Read errors inside the `with` block are reported this way, too.
    """
    try:
        with path.open("rb") if content is None else _buffered(content) as raw:
            yield _decompressed(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
        raise I3Error(
            f"{path}: the compressed content is damaged or truncated ({error})"
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


def _decompressed(raw: io.BufferedReader) -> BinaryIO:
    start = raw.peek(len(ZSTD))
    if start.startswith(GZIP):
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    if start.startswith(ZSTD):
        return cast("BinaryIO", zstd.ZstdFile(raw))
    return raw
