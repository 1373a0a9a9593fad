"""What systems do differently: what is found here, and the fallbacks for those that have less."""

import io
import os
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from i3_pyserini import system
from i3_pyserini.errors import run_command

MIB = 1 << 20


def test_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(os, "sched_getaffinity"):
        assert system.cpus_by_affinity() == len(os.sched_getaffinity(0))
        monkeypatch.delattr(os, "sched_getaffinity")
    for known, expected in ((7, 7), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda known=known: known)
        assert system.cpus_by_affinity() == expected


@pytest.mark.parametrize(
    ("windows", "name", "machine", "driver", "expected"),
    [
        (True, "Windows", "AMD64", False, True),  # only torch can tell
        (False, "Darwin", "arm64", False, True),
        (False, "Darwin", "x86_64", False, False),
        (False, "Linux", "x86_64", False, False),
        (False, "Linux", "aarch64", True, True),
    ],
)
def test_gpus(
    windows: bool,
    name: str,
    machine: str,
    driver: bool,
    expected: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(system, "WINDOWS", windows)
    monkeypatch.setattr(platform, "system", lambda: name)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(system, "GPUS", (tmp_path if driver else tmp_path / "none",))
    assert system.may_have_gpu() is expected


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = system.memory()
    assert whole is None or whole > 100 * MIB
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert system.memory() is None


@pytest.mark.parametrize(("name", "unit"), [("Linux", 1024), ("Darwin", 1)])
def test_peak_memory_has_another_unit_on_macos(
    name: str, unit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = SimpleNamespace(
        getrusage=lambda _: SimpleNamespace(ru_maxrss=300 * MIB // unit), RUSAGE_SELF=0
    )
    monkeypatch.setitem(sys.modules, "resource", fake)
    monkeypatch.setattr(platform, "system", lambda: name)
    assert system.peak_memory() == 300 * MIB


def test_without_resource_the_peak_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert system.peak_memory() is None


def test_processor_and_machine_without_proc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    monkeypatch.setattr(platform, "node", lambda: "laptop")
    (tmp_path / "cpuinfo").write_text("model name\t: Fast 3000\n", encoding="utf-8")
    monkeypatch.setattr(system, "PROC", tmp_path)
    assert system.processor() == "Fast 3000"
    monkeypatch.setattr(system, "PROC", tmp_path / "none")
    assert (system.processor(), system.machine.__wrapped__()) == ("arm", "laptop")
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert system.processor() is None


def test_running_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert system.is_running(os.getpid())
    assert system.is_running(ended.pid) is system.WINDOWS
    assert system.is_running(1 << 70)  # no number of a process: it is not known to have ended
    sent: list[object] = []
    monkeypatch.setattr(os, "kill", lambda *what: sent.append(what))
    monkeypatch.setattr(system, "WINDOWS", True)
    assert system.is_running(ended.pid)
    assert not sent  # it would have ended the process


def test_sync_opens_what_each_system_can_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    opened: list[tuple[str, int]] = []
    before = os.open

    def noted(path: Path, flags: int) -> int:
        opened.append((path.name, flags & os.O_RDWR))
        return before(path, flags)

    monkeypatch.setattr(os, "open", noted)
    for windows, expected in (
        (False, [("file", 0), (tmp_path.name, 0)]),
        (True, [("file", os.O_RDWR)]),  # not the folder
    ):
        monkeypatch.setattr(system, "WINDOWS", windows)
        opened.clear()
        system.sync(tmp_path / "file")
        system.sync(tmp_path)
        assert opened == expected


def test_disks_that_sync_no_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(22, "Invalid argument")

    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(system, "WINDOWS", False)
    system.sync(tmp_path)
    with pytest.raises(OSError, match="Invalid argument"):
        system.sync(tmp_path / "file")


def test_names_are_not_exchanged_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name, encoding="utf-8")
    monkeypatch.setattr(system, "WINDOWS", True)
    assert not system.exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "a"


def test_files_with_one_name_only_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"1")

    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    system.link(str(source), str(target))
    assert target.read_bytes() == b"1" and not target.samefile(source)
    monkeypatch.delattr(os, "link")
    system.link(str(source), str(tmp_path / "third"))
    assert (tmp_path / "third").read_bytes() == b"1"


def output_of(stream: str, monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> bytes:
    """What a command that prints `I³` and a line end writes to a stream of Windows' encoding."""
    raw = io.BytesIO()
    text = io.TextIOWrapper(raw, encoding="cp1252", newline="\r\n", errors="strict")
    for name, value in attributes.items():
        monkeypatch.setattr(text, name, value)
    monkeypatch.setattr(sys, stream, text)
    with pytest.raises(SystemExit):
        run_command(lambda: print("I³ 中", file=getattr(sys, stream)))
    text.flush()
    return raw.getvalue()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_redirected_output_is_utf8_with_plain_line_ends(
    stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    assert output_of(stream, monkeypatch) == "I³ 中\n".encode()


def test_an_encoding_that_is_asked_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    with pytest.raises(UnicodeEncodeError):
        output_of("stdout", monkeypatch)
