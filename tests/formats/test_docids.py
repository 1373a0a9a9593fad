from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats import docids
from i3_pyserini.formats.docids import Docids, IdFile, count_ids, read_docids

Reader = Callable[[Path], Sequence[str]]


def one_by_one(path: Path) -> Sequence[str]:
    return list(read_docids(path))


@pytest.fixture(params=[Docids.read, one_by_one], ids=["whole", "one by one"])
def read(request: pytest.FixtureRequest) -> Reader:
    reader: Reader = request.param
    return reader


@pytest.fixture(params=[1 << 20, 4], ids=["one block", "many blocks"], autouse=True)
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docids, "BLOCK", request.param)


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (b"", []),
        (b"d1\nd2\n", ["d1", "d2"]),
        (b"d1\nd2", ["d1", "d2"]),
        (b"\xef\xbb\xbfd1\r\n\xc3\xa9\r\nd3", ["d1", "é", "d3"]),
        (b"d1 \nd2\t\r\n", ["d1", "d2"]),  # Pyserini drops white space at the end, too
        (b"d1\n\xef\xbb\xbfd2\n", ["d1", "\ufeffd2"]),  # a mark of an id's own
        (b'"a",b;c#*?[1]\n007\nnull\n', ['"a",b;c#*?[1]', "007", "null"]),
    ],
)
def test_ids_are_read(tmp_path: Path, read: Reader, content: bytes, ids: list[str]) -> None:
    (tmp_path / "docid").write_bytes(content)
    assert list(read(tmp_path / "docid")) == ids


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"d1\n\nd3\n", r"docid, line 2: id '' is empty"),
        (b"\nd2\n", r"docid, line 1: id '' is empty"),
        (b"d1\nd2\n \n", r"docid, line 3: id '' is empty"),
        (b"d1\nd 2\n", r"docid, line 2: id 'd 2' .*white space"),
        (b"d1\n d2\n", r"docid, line 2: id ' d2' .*white space"),
        ("d1\nd\u00a02\n".encode(), r"docid, line 2: id .*white space"),
        (b"d1\nd2\nd\xff\n", r"docid, line 3: not valid UTF-8"),
        (b"d1\nd\x1f2\n", r"docid, line 2: "),
    ],
)
def test_bad_ids_are_named(tmp_path: Path, read: Reader, content: bytes, said: str) -> None:
    (tmp_path / "docid").write_bytes(content)
    with pytest.raises(I3Error, match=said):
        read(tmp_path / "docid")


def test_a_file_that_is_not_there(tmp_path: Path, read: Reader) -> None:
    for path in (tmp_path / "docid", tmp_path):
        with pytest.raises(I3Error, match="cannot be read"):
            read(path)


def test_ids_are_counted_and_differ(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("d1\nd2\n", encoding="utf-8")
    (tmp_path / "b").write_text("d3\nd1\n", encoding="utf-8")
    assert count_ids([IdFile(tmp_path / "a")], tmp_path) == [2]
    with pytest.raises(I3Error, match="b, line 2: id 'd1' occurs a second time"):
        count_ids([IdFile(tmp_path / "a"), IdFile(tmp_path / "b")], tmp_path)
