"""Archives whose members are not what they are called."""

import io
import tarfile
from pathlib import Path

import pytest

from i3_pyserini.data.archive import extract_members
from i3_pyserini.errors import I3Error

KINDS = {
    "link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "device": tarfile.CHRTYPE,
    "pipe": tarfile.FIFOTYPE,
    "folder": tarfile.DIRTYPE,
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_files_are_taken_out(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine", encoding="utf-8")
    archive, folder = tmp_path / "a.tar", tmp_path / "out"
    folder.mkdir()
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("a.tsv")
        entry.type, entry.linkname = KINDS[kind], str(secret)
        tar.addfile(entry)
    with pytest.raises(I3Error, match=r"a\.tar: has no member 'a\.tsv'"):
        extract_members(archive, ["a.tsv"], folder)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["../a.tsv", "/etc/a.tsv", "x/../../a.tsv"])
def test_a_path_outside_refuses_the_archive(tmp_path: Path, name: str) -> None:
    archive, folder = tmp_path / "a.tar", tmp_path / "out"
    folder.mkdir()
    with tarfile.open(archive, "w") as tar:
        for one in (name, "a.tsv"):
            entry = tarfile.TarInfo(one)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(I3Error, match="outside its folder; not unpacked"):
        extract_members(archive, ["a.tsv"], folder)
    assert not list(folder.iterdir()) and not (tmp_path / "a.tsv").exists()
