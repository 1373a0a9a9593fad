"""The order of syncing and renaming, in the system calls: no name is given to what may be lost."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.formats import exchange
from i3_pyserini.formats.atomic import new_file, new_folder
from i3_pyserini.system import exchange as own_exchange

PROC = Path("/proc/self/fd")
pytestmark = pytest.mark.skipif(not PROC.is_dir(), reason="needs /proc")
Call = tuple[str, str, int]  # name of the call, name of the file, its size


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Call]]:
    """Every fsync and rename from now on."""
    made: list[Call] = []
    own_fsync, own_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        path = (PROC / str(descriptor)).readlink()
        made.append(("fsync", path.name, path.stat().st_size if path.is_file() else 0))
        own_fsync(descriptor)

    def replace(source: Any, target: Any) -> None:
        made.append(("rename", Path(target).name, 0))
        own_replace(source, target)

    def exchanged(one: Path, other: Path) -> bool:
        made.append(("rename", other.name, 0))
        return own_exchange(one, other)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(exchange, "exchange", exchanged)
    yield made


def shown(call: Call) -> Call:
    """A call with the kind of a hidden name instead of its random end."""
    name, file, size = call
    return name, file.split("-")[0], size


@pytest.mark.parametrize("older", [False, True])
def test_a_file(tmp_path: Path, calls: list[Call], older: bool) -> None:
    path = tmp_path / "out.txt"
    if older:
        path.write_text("older", encoding="utf-8")
    with new_file(path, overwrite=True) as file:
        file.write("x" * 100_000)  # more than its buffer holds
        file.write("end")
    assert list(map(shown, calls)) == [
        ("fsync", ".out.txt.partial", 100_003),  # all of it, before it has the name
        ("rename", "out.txt", 0),
        ("fsync", tmp_path.name, 0),
    ]


@pytest.mark.parametrize("older", [False, True])
def test_a_folder(tmp_path: Path, calls: list[Call], older: bool) -> None:
    path = tmp_path / "out"
    if older:
        path.mkdir()
    with new_folder(path) as folder:
        (folder / "inner").mkdir()
        for name in ("a", "inner/b"):
            (folder / name).write_text(name, encoding="utf-8")
    *inside, last, renamed, above = map(shown, calls)
    assert sorted(inside) == [("fsync", "a", 1), ("fsync", "b", 7), ("fsync", "inner", 0)]
    assert last == ("fsync", ".out.partial", 0)
    assert (renamed, above) == (("rename", "out", 0), ("fsync", tmp_path.name, 0))
