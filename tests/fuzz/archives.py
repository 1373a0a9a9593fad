"""Archives: what is taken out of them is what is in them, and lands nowhere else."""

import gzip
import io
import tarfile
from pathlib import Path, PurePosixPath

from i3_pyserini.data.archive import extract_members
from tests.fuzz.target import Target

MEMBERS = {"a.tsv": b"1\ta\n", "b/c.tsv": b"2\tb\n" * 9}
OUT = "out"


def tar_of(*entries: tuple[str, bytes], links: tuple[tuple[str, str], ...] = ()) -> bytes:
    """An archive of files, and links by name."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name, goal in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, goal
            tar.addfile(entry)
    return target.getvalue().rstrip(b"\0") + bytes(1024)


def _extract(path: Path) -> object:
    """The members as tarfile reads them, in a folder that has nothing else."""
    folder = path.parent / OUT
    folder.mkdir()
    found = extract_members(path, list(MEMBERS), folder)
    assert found == [folder / "a.tsv", folder / "c.tsv"], found
    assert sorted(one.name for one in folder.iterdir()) == ["a.tsv", "c.tsv"], "other files"
    assert all(one.is_file() and not one.is_symlink() for one in found), "no files"
    with tarfile.open(path) as tar:
        entries = tar.getmembers()
        for entry in entries:
            name = PurePosixPath(entry.name)
            assert not name.is_absolute() and ".." not in name.parts, f"{name} was not refused"
        for one, member in zip(found, MEMBERS, strict=True):
            own = [e for e in entries if str(PurePosixPath(e.name)) == member and e.isfile()]
            content = tar.extractfile(own[-1])
            assert content is not None and content.read() == one.read_bytes(), "other content"
    return found


def _sound() -> list[bytes]:
    tar = tar_of(*MEMBERS.items(), ("d/e.tsv", b"x"), links=(("f.tsv", "a.tsv"),))
    return [tar, gzip.compress(tar, mtime=0)]


def _refused() -> list[bytes]:
    files, outside = list(MEMBERS.items()), [("../d.tsv", b"3"), ("/tmp/d.tsv", b"3")]  # noqa: S108  (a name, and no file)
    tar = tar_of(*files)
    lines = "".join(f"{number}\t{number * number:x}\n" for number in range(9000)).encode()
    large = tar_of(("a.tsv", lines), *files[1:])  # more than is read at once
    checked = bytearray(gzip.compress(tar, mtime=0))
    checked[-6] ^= 1
    return [
        *(tar_of(one, *files) for one in outside),
        *(tar_of(*files, one) for one in outside),
        tar_of(*files, ("x/../../d.tsv", b"3")),
        tar_of(*files[:1], links=(("b/c.tsv", "/etc/passwd"),)),
        tar_of(*files[:1]),
        tar[:700],
        gzip.compress(tar, mtime=0)[:-9],
        bytes(checked),
        *_flipped(gzip.compress(tar, mtime=0), 9),
        *_flipped(gzip.compress(large, mtime=0), 997),
    ]


def _flipped(content: bytes, step: int) -> list[bytes]:
    """The content of gzip with a byte changed, here and there."""
    places = range(10, len(content) - 8, step)  # between its head and its checksum
    return [
        content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :] for place in places
    ]


TARGETS = [Target("archive", "archive.tar", _extract, _sound, _refused)]
