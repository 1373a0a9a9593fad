"""Downloads: complete, interrupted, resumed, refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data.download import download
from i3_pyserini.errors import I3Error
from tests.data.server import Site, serving

CONTENT = bytes(range(256)) * 4000  # about 1 MB


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site(files={"/data.bin": CONTENT})) as running:
        yield running


def test_a_file_is_downloaded_whole(site: Site, tmp_path: Path) -> None:
    download(f"{site.url}/data.bin", tmp_path / "folder" / "data.bin")
    assert (tmp_path / "folder" / "data.bin").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["data.bin"]


def test_an_interrupted_download_is_gone_on_with(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "data.bin"
    site.cut = 300_000
    with pytest.raises(I3Error, match="the connection was interrupted"):
        download(f"{site.url}/data.bin", target)
    assert not target.exists()
    have = (tmp_path / "data.bin.part").stat().st_size
    assert 0 < have <= 300_000
    site.cut = None
    download(f"{site.url}/data.bin", target)
    assert site.requests[-1][2] == f"bytes={have}-"
    assert target.read_bytes() == CONTENT


def test_two_versions_of_a_file_are_never_mixed(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "data.bin"
    site.cut = 300_000
    with pytest.raises(I3Error):
        download(f"{site.url}/data.bin", target)
    site.cut, site.files["/data.bin"] = None, CONTENT[::-1]
    download(f"{site.url}/data.bin", target)
    assert target.read_bytes() == CONTENT[::-1]


def test_nor_when_killed_where_the_second_begins(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, part = tmp_path / "data.bin", tmp_path / "data.bin.part"
    site.cut = 300_000
    with pytest.raises(I3Error):
        download(f"{site.url}/data.bin", target)
    site.cut, site.files["/data.bin"] = None, CONTENT[::-1]
    opened = Path.open

    def killed(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if path == part:
            raise KeyboardInterrupt
        return opened(path, mode, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", killed)
        with pytest.raises(KeyboardInterrupt):
            download(f"{site.url}/data.bin", target)
    download(f"{site.url}/data.bin", target)
    assert target.read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "data.bin"
    site.cut, site.ranges = 300_000, False
    with pytest.raises(I3Error):
        download(f"{site.url}/data.bin", target)
    site.cut = None
    download(f"{site.url}/data.bin", target)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_already_whole_becomes_the_file(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "data.bin"
    site.cut = 300_000
    with pytest.raises(I3Error):
        download(f"{site.url}/data.bin", target)
    (tmp_path / "data.bin.part").write_bytes(CONTENT)  # killed just before it was renamed
    site.cut = None
    download(f"{site.url}/data.bin", target)
    assert target.read_bytes() == CONTENT


def test_a_refusal_and_a_dead_server_are_said_in_one_line(site: Site, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="the server returned 404"):
        download(f"{site.url}/other.bin", tmp_path / "other.bin")
    with pytest.raises(I3Error, match="no connection"):
        download("http://127.0.0.1:9/x", tmp_path / "x")
