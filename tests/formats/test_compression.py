"""Compressed files: read by content, whole, and never without a bound."""

import gzip
import os
import threading
import zlib
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats import compression
from i3_pyserini.formats.compression import MOST, open_bytes
from i3_pyserini.formats.docids import Docids, read_docids
from i3_pyserini.formats.lines import read_jsonl
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import read_run
from tests.formats.compressed import COMPRESS

LINES = [f"line {number}\n".encode() for number in range(300_000)]


@pytest.mark.parametrize("name", COMPRESS)
def test_lines_and_places(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(COMPRESS[name](b"".join(LINES)))
    with open_bytes(path) as file:
        assert list(file) == LINES
        file.seek(len(LINES[0]))
        assert file.readline() == LINES[1] and file.tell() == len(LINES[0]) + len(LINES[1])


@pytest.mark.parametrize("name", [name for name in COMPRESS if name != "plain"])
def test_content_that_would_fill_the_memory(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a few kilobytes that becomes some megabytes; a line of it never ends."""
    monkeypatch.setattr(compression, "ALLOWED", 1 << 20)
    path = tmp_path / "bomb"
    path.write_bytes(COMPRESS[name](b'{"id": "1", "text": "' + bytes(8 << 20)))
    for read in (read_run, lambda one: list(read_jsonl(one))):
        with pytest.raises(I3Error, match=rf"bomb: .*more than {MOST} times as large as the file"):
            read(path)


@pytest.mark.parametrize("name", COMPRESS)
def test_content_that_is_far_smaller_as_a_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs, whose lines are alike, are not refused."""
    monkeypatch.setattr(compression, "ALLOWED", 1 << 10)
    path = tmp_path / "run"
    path.write_bytes(COMPRESS[name](b"".join(b"q Q0 d%d 1 1 tag\n" % n for n in range(9999))))
    assert len(read_run(path).lines) == 9999


@pytest.mark.parametrize("level", [1, 6, 9])
def test_zlib_is_refused_where_polars_would_decompress_it(tmp_path: Path, level: int) -> None:
    """Without a bound, and it may be of a few kilobytes that fill the memory."""
    content = zlib.compress(b"q1 Q0 d1 1 2.5 x\n", level)
    for name, compress in (("run", bytes), ("run.gz", gzip.compress)):
        (tmp_path / name).write_bytes(compress(content))
        for read in (read_run, read_qrels):
            with pytest.raises(I3Error, match=f"{name}: .*zlib"):
                read(tmp_path / name)


@pytest.mark.parametrize("name", [name for name in COMPRESS if name != "plain"])
def test_ids_of_vectors_are_never_compressed(tmp_path: Path, name: str) -> None:
    """They are read in blocks, each of which polars would decompress by itself."""
    path = tmp_path / "docid"
    for content in (COMPRESS[name](b"a\nb\n"), zlib.compress(b"a\nb\n")):
        path.write_bytes(content)
        for read in (Docids.read, read_docids):
            with pytest.raises(I3Error, match="docid, line 1: not valid UTF-8"):
                list(read(path))


def test_compressed_twice(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(gzip.compress(b"q Q0 d 1 1 t\n")))
    with pytest.raises(I3Error, match="a: is compressed twice"):
        read_run(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_with_compressed_content(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = gzip.compress(b"q Q0 d 1 1 t\n")
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    assert len(read_run(path).lines) == 1
    writer.join()
