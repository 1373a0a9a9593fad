import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats import exchange
from i3_pyserini.formats.atomic import (
    FORGOTTEN,
    exclusive,
    hidden,
    locked,
    new_bytes,
    new_file,
    new_folder,
    publish_folder,
    replacing,
)

HOLD = """
import sys, time
from pathlib import Path
from i3_pyserini.formats.atomic import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
Write = Callable[[Path], AbstractContextManager[Any]]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def text(path: Path) -> AbstractContextManager[Any]:
    return new_file(path, overwrite=True)


def binary(path: Path) -> AbstractContextManager[Any]:
    return new_bytes(path, overwrite=True)


@pytest.mark.parametrize("name", ["out", "[1]", "a b", "*?", "#x", "ü", "n" * 250])
@pytest.mark.parametrize("write", [text, binary, replacing])
def test_nothing_has_its_name_before_it_is_complete(
    tmp_path: Path, write: Write, name: str
) -> None:
    path = tmp_path / "above" / name
    for content in ("one", "two"):  # anew, and over an older one
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(ZeroDivisionError), write(path) as file:
            put(file, "half")
            raise ZeroDivisionError
        assert (path.read_bytes() if path.exists() else None) == before
        with write(path) as file:
            put(file, content)
            assert (path.read_bytes() if path.exists() else None) == before
        assert path.read_text(encoding="utf-8") == content
        assert names(path.parent) == [name]


def put(file: Any, content: str) -> None:
    if isinstance(file, Path):
        file.write_text(content, encoding="utf-8")
    else:
        file.write(content if "b" not in file.mode else content.encode())


@pytest.mark.parametrize("new", [new_file, new_bytes])
def test_older_files_are_kept_unless_overwritten(tmp_path: Path, new: Any) -> None:
    (tmp_path / "out").write_text("old", encoding="utf-8")
    with pytest.raises(I3Error, match="out: exists"), new(tmp_path / "out"):
        pass
    with pytest.raises(I3Error, match="is a folder"), new(tmp_path, overwrite=True):
        pass
    assert (tmp_path / "out").read_text(encoding="utf-8") == "old"


def test_failures_that_mean_a_full_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(I3Error, match=r"out: cannot be written \(no room\)"),
        replacing(tmp_path / "out", RuntimeError),
    ):
        raise RuntimeError("no room")
    with pytest.raises(RuntimeError), replacing(tmp_path / "out"):
        raise RuntimeError("a defect of the program")
    (tmp_path / "file").touch()
    for write in (text, binary, new_folder):
        with pytest.raises(I3Error, match="out: cannot be written"), write(tmp_path / "file/out"):
            pass
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["out", "[1]", "n" * 250])
def test_a_folder_has_its_name_when_it_is_complete(tmp_path: Path, name: str) -> None:
    path = tmp_path / "above" / name
    for content in ("one", "two"):
        with pytest.raises(ZeroDivisionError), new_folder(path) as folder:
            (folder / "half").touch()
            raise ZeroDivisionError
        with new_folder(path) as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / content).write_text(content, encoding="utf-8")
        assert names(path / "sub") == [content]
        assert names(path.parent) == [name]


def test_a_folder_that_is_moved_away_while_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "above" / "made"
    with pytest.raises(I3Error, match="moved or removed meanwhile"), new_folder(target) as folder:
        (folder / "first").touch()
        target.parent.rename(tmp_path / "moved")
        with new_file(folder / "second"):  # makes the folder again
            pass
    assert names(target.parent) == []
    assert [path.name for path in (tmp_path / "moved").rglob("first")] == ["first"]


def test_an_older_folder_comes_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    replace = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError("not today")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(exchange, "exchange", lambda *_: False)
    with pytest.raises(OSError, match="not today"):
        publish_folder(tmp_path / "new", tmp_path / "old")
    assert names(tmp_path / "old") == ["old"]


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path: Path) -> None:
    for name in (".out.old-4711", ".out.old-x", ".out2.old-4711"):
        (tmp_path / name).mkdir()
    with new_folder(tmp_path / "out"):
        pass
    assert names(tmp_path) == [".out.old-x", ".out2.old-4711", "out"]


@pytest.mark.parametrize("write", [text, new_folder])
@pytest.mark.parametrize("suffix", ["", "-journal"])
def test_only_what_no_process_writes_any_more_is_removed(
    tmp_path: Path, write: Write, suffix: str
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    machine, running, gone = hidden(tmp_path / "out").name.split("-")[1], os.getpid(), ended.pid
    long_ago = time.time() - FORGOTTEN - 60
    for name, age, stays in (
        (f"{machine}-{running}-00000000", long_ago + 120, True),
        (f"{machine}-{gone}-00000000", time.time(), False),
        (f"ffffffff-{gone}-00000000", long_ago + 120, True),
        (f"ffffffff-{gone}-00000000", long_ago, False),
        (f"{gone}", long_ago + 120, True),  # of an earlier version
        (f"{gone}", long_ago, False),
        ("notes", long_ago, True),
    ):
        left = tmp_path / f".out.partial-{name}{suffix}"
        left.mkdir(exist_ok=True) if write is new_folder else left.touch()
        os.utime(left, (age, age))
        with write(tmp_path / "out"):
            assert left.exists() == stays, name
        assert left.exists() == stays, name


def test_names_are_new_each_time(tmp_path: Path) -> None:
    assert hidden(tmp_path / "out") != hidden(tmp_path / "out")


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    folder = tmp_path / "[locked] *"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        with pytest.raises(I3Error, match="another process is working here"), locked(folder):
            pass
        holder.send_signal(signal.SIGKILL)
    with locked(folder):
        assert names(folder) == [".lock"]
    assert names(folder) == []


def test_a_lock_is_not_for_the_same_process_twice(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / "x", tmp_path, "busy"),
        pytest.raises(I3Error, match="busy"),
        exclusive(tmp_path / "x", tmp_path, "busy"),
    ):
        pass


def enter(folder: Path, rounds: int) -> int:
    """Counts how often the lock was held by this process alone."""
    alone = 0
    while alone < rounds:
        try:
            with locked(folder):
                os.close(os.open(folder / "inside", os.O_CREAT | os.O_EXCL))
                (folder / "inside").unlink()
                alone += 1
        except I3Error:  # another one has it
            pass
    return alone


def test_a_lock_file_that_is_removed_keeps_two_from_getting_in(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.starmap(enter, [(tmp_path, 100)] * 3) == [100] * 3


def test_a_disk_without_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.raises(I3Error, match=r"cannot be locked \(Function not"), locked(tmp_path):
        pass
