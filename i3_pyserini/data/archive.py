"""Extracts members of tar archives safely."""

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path, PurePosixPath
from shutil import copyfileobj

from i3_pyserini.errors import I3Error

DAMAGED = (EOFError, tarfile.ReadError, zlib.error, gzip.BadGzipFile)
GZIP = b"\x1f\x8b"


def extract_members(archive: Path, members: Sequence[str], folder: Path) -> list[Path]:
    """Copies members of a tar archive into a folder, each under its last name only.

    The names of all members are checked; an archive with a path outside its folder is refused as a
    whole.

    Args:
        archive: a tar file, gzipped or not.
        members: names of regular files in it.
        folder: an existing folder.

    Returns:
        The copies, in the order of `members`.

    Raises:
        I3Error: it is damaged or truncated, a member has an unsafe name, or a member is missing.
    """
    targets = {member: folder / Path(member).name for member in members}
    found = set()
    try:
        # Not tarfile's own decompression, which leaves gzip's checksum unread.
        with _plain(archive) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            for entry in tar:
                name = _safe(entry, archive)
                if name in targets and entry.isfile():
                    content = tar.extractfile(entry)
                    assert content is not None  # noqa: S101  (it is a file)
                    with content, targets[name].open("wb") as copy:
                        copyfileobj(content, copy, 1 << 20)
                    found.add(name)
            while plain.read(1 << 20):  # to the end, where the checksum is
                pass
    except DAMAGED as error:
        raise I3Error(
            f"{archive}: damaged or incomplete ({error}); remove it and download it again"
        ) from error
    except OSError as error:
        raise I3Error(f"{archive}: cannot be unpacked ({error.strerror or error})") from error
    if missing := [member for member in members if member not in found]:
        raise I3Error(f"{archive}: has no member {missing[0]!r}; is it the right archive?")
    return list(targets.values())


def _plain(archive: Path) -> gzip.GzipFile | BufferedReader:
    with archive.open("rb") as content:
        is_gzip = content.read(len(GZIP)) == GZIP
    return gzip.open(archive) if is_gzip else archive.open("rb")


def _safe(entry: tarfile.TarInfo, archive: Path) -> str:
    """The member's name; tarfile's own filters came with Python 3.11.4 only."""
    path = PurePosixPath(entry.name)
    if path.is_absolute() or ".." in path.parts:
        raise I3Error(f"{archive}: unsafe member {entry.name!r} outside its folder; not unpacked")
    return str(path)
