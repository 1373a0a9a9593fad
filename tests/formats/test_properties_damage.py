"""Readers of damaged files: a result or one I3Error with one line, never anything else."""

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.journal import open_journal
from i3_pyserini.formats.parts import DamagedPartError, read_part, write_part
from i3_pyserini.formats.textstore import TextStore, open_store
from tests.formats.damage import damaged, examples, result_or_one_line, write
from tests.formats.readers import IDS, PASSAGES, READERS, VECTORS, Reader


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_result_or_one_line(reader: Reader) -> None:
    @examples(120)
    @given(damaged(reader.content))
    def check(content: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="damaged-") as folder:
            path = write(folder, reader.name, content)
            result_or_one_line(lambda: reader.read(path), Path(folder).name)

    check()


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_what_is_sound_is_read(reader: Reader, tmp_path: Path) -> None:
    """So that the property above says something of files that are damaged only a little."""
    reader.read(write(str(tmp_path), reader.name, reader.content))


@cache
def _part() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_part(Path(folder) / "part", "job", IDS, VECTORS)
        return (Path(folder) / "part").read_bytes()


@examples(150)
@given(st.data())
def test_a_part_is_whole_or_damaged(data: Any) -> None:
    content = data.draw(damaged(_part()))
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, "part", content)
        try:
            block = read_part(path, "job")
        except DamagedPartError:
            return
    assert block.ids == IDS
    np.testing.assert_array_equal(block.vectors, VECTORS)


@cache
def _store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return open_store(write(folder, "corpus.jsonl", PASSAGES)).path.read_bytes()


@examples(60)
@given(st.data())
def test_a_damaged_text_store(data: Any) -> None:
    content = data.draw(damaged(_store()))
    with tempfile.TemporaryDirectory(prefix="damaged-") as folder:
        path = write(folder, "a.store", content)
        result_or_one_line(lambda: list(TextStore(path).pids()), Path(folder).name)


@examples(60)
@given(st.lists(st.text(alphabet="aé\t{", max_size=5), max_size=6), st.integers(0, 40))
def test_a_journal_that_was_torn_keeps_its_whole_lines(lines: list[str], lost: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.jsonl"
        with open_journal(output, {"a": 1}) as journal:
            for line in lines:
                journal.append(f"{line}\n")
        partial = output.with_name(f".{output.name}.partial")
        content = partial.read_bytes() if partial.exists() else b""
        kept = content[: max(0, len(content) - lost)]
        if partial.exists():
            partial.write_bytes(kept)
        with open_journal(output, {"a": 1}) as journal:
            assert b"".join(journal.lines()) == kept[: kept.rfind(b"\n") + 1]
        if kept:
            with pytest.raises(I3Error, match="a: 1 -> 2"), open_journal(output, {"a": 2}):
                pass
        shutil.rmtree(folder, ignore_errors=True)
        Path(folder).mkdir()
