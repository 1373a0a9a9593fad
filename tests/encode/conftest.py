import json
from collections.abc import Callable
from pathlib import Path

import pytest

from i3_pyserini.encode.runner import run_encoding
from i3_pyserini.formats import jsonl_vectors, vector_files
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from tests.encode.slow_encode import slow_encoding
from tests.encode.stand_in import LengthEncoder
from tests.search.conftest import place

__all__ = ["place"]  # a fixture of searching, for encoders of queries


def lines_of(passages: int) -> list[str]:
    return [
        json.dumps({"id": f"d{n}", "title": "t" * (n % 3), "text": "x" * ((7 * n) % 23)}) + "\n"
        for n in range(passages)
    ]


@pytest.fixture
def hundred(tmp_path: Path) -> Corpus:
    """A hundred passages of different lengths, in two files."""
    lines = lines_of(100)
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.jsonl").write_text("".join(lines[:57]), encoding="utf-8")
    (tmp_path / "corpus" / "b.jsonl").write_text("".join(lines[57:]), encoding="utf-8")
    return Corpus(tmp_path / "corpus")


@pytest.fixture
def undisturbed(hundred: Corpus, tmp_path: Path) -> dict[str, bytes]:
    """The bytes of an encoding that nothing interrupted."""
    run_encoding(hundred, LengthEncoder(), IndexOutput(tmp_path / "undisturbed"), slow_encoding())
    return bytes_of(tmp_path / "undisturbed")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def same_bytes(undisturbed: dict[str, bytes]) -> Callable[[Path], bool]:
    return lambda folder: bytes_of(folder) == undisturbed


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors are read seven at a time."""
    monkeypatch.setattr(vector_files, "BLOCK", 7)
    monkeypatch.setattr(jsonl_vectors, "BLOCK", 7)
