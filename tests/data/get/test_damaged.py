"""What is damaged, missing or unsafe is named, and leaves nothing behind."""

import errno
import gzip
import io
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data.catalog import Dataset
from i3_pyserini.data.dataset import get_dataset
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import Manifest
from tests.data.get.conftest import OFFICIAL, PASSAGES, QRELS, TITLED, lines, tar
from tests.data.server import Site


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(
    dataset: Dataset, site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site.files["/official.tar.gz"] = OFFICIAL[:-1] + b"x"
    with pytest.raises(I3Error, match=r"1 file\(s\) of small could not be downloaded"):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert "official.tar.gz: wrong checksum (md5)" in capfd.readouterr().err
    assert not (tmp_path / "data" / "downloads" / "official.tar.gz").exists()
    assert not (tmp_path / "data" / "official").exists()
    assert (tmp_path / "data" / "titled" / "corpus" / "corpus.jsonl").exists()


def test_each_missing_file_is_named_with_where_to_get_and_put_it(
    dataset: Dataset, site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    del site.files["/official.tar.gz"], site.files["/qrels.txt"]
    with pytest.raises(I3Error, match=r"2 file\(s\)"):
        get_dataset(dataset, tmp_path / "data", ["text", "queries"])
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("missing")]
    target = tmp_path / "data" / "downloads" / "official.tar.gz"
    assert said[0] == (
        f"missing: {target}: the server returned 404 Not Found; to add it by hand, download "
        f"{site.url}/official.tar.gz to {target}"
    )
    assert len(said) == 2


def test_half_a_file_put_there_by_hand_is_refused_and_left_alone(
    dataset: Dataset, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "data" / "downloads" / "official.tar.gz"
    target.parent.mkdir(parents=True)
    target.write_bytes(OFFICIAL[:50])
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert f"has 50 bytes, expected {len(OFFICIAL)}" in capfd.readouterr().err
    assert target.read_bytes() == OFFICIAL[:50]


def test_half_an_archive_without_a_checksum_makes_no_collection(
    dataset: Dataset, site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site.files["/titled.tar.gz"] = TITLED[: len(TITLED) // 2]
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert "incomplete" in capfd.readouterr().err
    assert not list((tmp_path / "data").glob("titled/corpus/*"))
    assert not list((tmp_path / "data").glob(".unpacked-*"))


@pytest.mark.parametrize("name", ["../outside.tsv", "/etc/outside.tsv"])
def test_an_archive_that_would_write_elsewhere_is_refused(
    dataset: Dataset, site: Site, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    members = {"marco/para.txt": lines(PASSAGES), "marco/para.title.txt": "", name: "bad"}
    site.files["/titled.tar.gz"] = tar(members)
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert f"unsafe member {name!r}" in capfd.readouterr().err
    assert not list(tmp_path.rglob("outside.tsv"))


def test_a_collection_with_missing_passages_is_refused(
    dataset: Dataset, site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site.files["/titled.tar.gz"] = tar({"marco/para.txt": "0\ta\n", "marco/para.title.txt": ""})
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert "makes 1 lines of titled/corpus/corpus.jsonl, expected 3" in capfd.readouterr().err
    assert not (tmp_path / "data" / "titled" / "corpus" / "corpus.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "titles", "said"),
    [
        ("0\ta\tb\n1\ta\n2\ta\n", "", "para.txt, line 1: 3 tab-separated fields"),
        ("0\ta\n1\tb\n2\tc\n", "2\tx\n0\ty\n", "title of passage 0 is not in the order"),
    ],
)
def test_a_bad_line_in_an_archive_is_named(
    dataset: Dataset,
    site: Site,
    tmp_path: Path,
    text: str,
    titles: str,
    said: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    site.files["/titled.tar.gz"] = tar({"marco/para.txt": text, "marco/para.title.txt": titles})
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert said in capfd.readouterr().err


def test_too_little_room_is_said_before_anything_is_asked_for(
    dataset: Dataset, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(I3Error, match=r"the disk has 0\.0 GB free"):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert site.requests == []


def test_two_processes_do_not_write_to_one_folder(dataset: Dataset, tmp_path: Path) -> None:
    from i3_pyserini.formats.atomic import locked

    with locked(tmp_path / "data"), pytest.raises(I3Error, match="another process"):
        get_dataset(dataset, tmp_path / "data")


def test_bytes_that_changed_are_found_even_at_the_same_size(
    dataset: Dataset, tmp_path: Path
) -> None:
    manifest = get_dataset(dataset, tmp_path / "data", ["queries"])
    assert {state for _, state in manifest.check()} == {"ok"}
    (tmp_path / "data" / "qrels.txt").write_text(QRELS.replace("3", "2"), encoding="utf-8")
    states = dict(Manifest.load(tmp_path / "data").check())
    assert states.pop("qrels.txt") == "content differs from the record (sha256)"
    assert set(states.values()) == {"ok"}


def test_one_wrong_bit_in_an_archive_is_found(
    dataset: Dataset, site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also where tar sees nothing wrong: gzip's checksum is read to the end."""
    stored = io.BytesIO()
    with gzip.GzipFile(fileobj=stored, mode="wb", compresslevel=0) as plain:
        plain.write(gzip.decompress(TITLED))
    content = bytearray(stored.getvalue())
    content[content.index(b"Hot water")] ^= 1
    site.files["/titled.tar.gz"] = bytes(content)
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert "damaged or incomplete" in capfd.readouterr().err
    assert not list((tmp_path / "data").glob("titled/corpus/*"))


def test_nothing_is_made_of_an_archive_that_was_refused(dataset: Dataset, tmp_path: Path) -> None:
    other = tar({"collection.tsv": lines(dict.fromkeys(PASSAGES, "wrong"))})
    target = tmp_path / "data" / "downloads" / "official.tar.gz"
    target.parent.mkdir(parents=True)
    target.write_bytes(other.ljust(len(OFFICIAL), b"\0"))
    for _ in range(2):
        with pytest.raises(I3Error, match=r"1 file\(s\) of small"):
            get_dataset(dataset, tmp_path / "data", ["text"])
        assert not (tmp_path / "data" / "official").exists()


def test_what_a_killed_process_left_is_removed(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "data" / ".unpacked-x").mkdir(parents=True)
    (tmp_path / "data" / ".unpacked-x" / "collection.tsv").write_text("half", encoding="utf-8")
    (tmp_path / "data" / ".topics.tsv.partial-1").write_text("half", encoding="utf-8")
    get_dataset(dataset, tmp_path / "data", ["queries"])
    assert not list((tmp_path / "data").glob(".*"))


def test_leftovers_that_cannot_be_removed(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".topics.tsv.partial-1").touch()

    def failing(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", failing)
        with pytest.raises(I3Error, match=r"cannot be written \(Input/output error\)"):
            get_dataset(dataset, tmp_path / "data", ["text"])
