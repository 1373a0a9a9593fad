import errno
import os
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.journal import Settings, open_journal

SETTINGS: Settings = {"dtype": "fp32", "block": 64, "max negatives": None}
NAMES = [".out.partial", ".out.partial.json"]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupted(output: Path, content: bytes) -> None:
    with open_journal(output, SETTINGS) as journal:
        journal.append("x\n")
    output.with_name(NAMES[0]).write_bytes(content)


def test_the_output_appears_when_it_is_finished(tmp_path: Path) -> None:
    output = tmp_path / "new" / "out"
    with open_journal(output, SETTINGS) as journal:
        journal.append("naïve\n")
        assert files(output.parent) == [*NAMES, f"{NAMES[0]}.lock"]
        assert (output.parent / NAMES[0]).read_bytes() == "naïve\n".encode()
        journal.append("b\nc\n")
        journal.finish()
    assert files(output.parent) == ["out"]
    assert output.read_bytes() == "naïve\nb\nc\n".encode()


def test_going_on_after_a_cut(tmp_path: Path) -> None:
    output = tmp_path / "out"
    interrupted(output, b"one\ntwo\nthree\nto")
    with open_journal(output, SETTINGS) as journal:
        assert list(journal.lines()) == [b"one\n", b"two\n", b"three\n"]
        journal.cut(8)
        journal.append("four\n")
        journal.finish()
    assert output.read_bytes() == b"one\ntwo\nfour\n"


def test_a_cut_while_lines_are_being_read(tmp_path: Path) -> None:
    output = tmp_path / "out"
    interrupted(output, b"one\ntwo\nthree\n")
    with open_journal(output, SETTINGS) as journal:
        assert next(journal.lines()) == b"one\n"
        journal.cut(4)
        journal.append("2\n")
        journal.finish()
    assert output.read_bytes() == b"one\n2\n"


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    output = tmp_path / "out"
    interrupted(output, b"one\n")
    changed = {**SETTINGS, "dtype": "bf16", "max negatives": 3}
    with (
        pytest.raises(I3Error, match=r"\(dtype: fp32 -> bf16; max negatives: None -> 3\).*--overw"),
        open_journal(output, changed),
    ):
        pass
    assert (tmp_path / NAMES[0]).read_bytes() == b"one\n"
    with open_journal(output, changed, overwrite=True) as journal:
        assert list(journal.lines()) == []
        journal.append("1\n")
    with open_journal(output, changed) as journal:
        assert list(journal.lines()) == [b"1\n"]


@pytest.mark.parametrize("noted", [None, b"{", b"[]", b"\xff"])
def test_unknown_settings_are_refused(tmp_path: Path, noted: bytes | None) -> None:
    output = tmp_path / "out"
    interrupted(output, b"one\n")
    if noted is None:
        (tmp_path / NAMES[1]).unlink()
    else:
        (tmp_path / NAMES[1]).write_bytes(noted)
    with (
        pytest.raises(I3Error, match=r"\.out\.partial\.json cannot be read"),
        open_journal(output, SETTINGS),
    ):
        pass


def test_overwrite_goes_on_with_the_same_settings(tmp_path: Path) -> None:
    """A command with --overwrite that is repeated after a kill must not lose what it has."""
    output = tmp_path / "out"
    interrupted(output, b"one\n")
    output.write_text("older\n", encoding="utf-8")
    with open_journal(output, SETTINGS, overwrite=True) as journal:
        assert list(journal.lines()) == [b"one\n"]
        journal.finish()
    assert output.read_bytes() == b"one\n"


def test_an_output_in_the_way(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.write_text("older\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"out: exists"), open_journal(output, SETTINGS):
        pass
    with pytest.raises(I3Error, match="is a folder"), open_journal(tmp_path, SETTINGS, True):
        pass
    with pytest.raises(I3Error, match="cannot be written"), open_journal(output / "x", SETTINGS):
        pass
    assert files(tmp_path) == ["out"]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with open_journal(output, SETTINGS) as journal:
        for _ in range(2):  # the refused one must not take the first one's empty file away
            with (
                pytest.raises(I3Error, match="another process is writing it"),
                open_journal(output, SETTINGS, overwrite=True),
            ):
                pass
        journal.append("one\n")
        journal.finish()
    assert output.read_bytes() == b"one\n"


def test_nothing_is_left_of_a_failure_before_the_first_line(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_journal(tmp_path / "out", SETTINGS):
        assert files(tmp_path) == [*NAMES, f"{NAMES[0]}.lock"]
        raise ZeroDivisionError
    assert files(tmp_path) == []


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_journal(output, SETTINGS) as journal:
        journal.append("one\n")
        with monkeypatch.context() as patch:
            patch.setattr("i3_pyserini.formats.journal.os.fsync", full)
            with pytest.raises(I3Error, match=r"out: cannot be written \(No space left"):
                journal.append("two\n")
    assert files(tmp_path) == NAMES
