from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.lines import read_jsonl


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_lines_are_numbered_and_blank_ones_skipped(tmp_path: Path) -> None:
    file = write(tmp_path / "c.jsonl", b'\xef\xbb\xbf{"id": 1}\r\n\n  \n{"id": "\xc3\xa9"}')
    assert list(read_jsonl(file)) == [(1, {"id": 1}), (4, {"id": "é"})]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"id": "1"}\n{"id": "\xff"}\n', "c.jsonl, line 2: not valid UTF-8 at byte 9"),
        (b'{"id": "1"\n', r"c.jsonl, line 1: not valid JSON"),
        (b'{"id": "1"}\n["2"]\n', "c.jsonl, line 2: expected a JSON object .*, found a list"),
        (b'{"id": ' + b"[" * 100_000, "c.jsonl, line 1: not usable JSON"),
        (b"id\ttext\n", "c.jsonl, line 1: not valid JSON"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, content: bytes, said: str) -> None:
    file = write(tmp_path / "c.jsonl", content)
    with pytest.raises(I3Error, match=said):
        list(read_jsonl(file))


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"nowhere.jsonl: cannot be read \(No such file"):
        list(read_jsonl(tmp_path / "nowhere.jsonl"))
