"""What is fuzzed, without a fuzzer: seeds, bounds, and that each planted mistake can be planted."""

import os
import random
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from tests.fuzz import target as bounds
from tests.fuzz.mistakes import MISTAKES
from tests.fuzz.mutate import mutated
from tests.fuzz.target import Target, TooSlow, check, check_seeds
from tests.fuzz.targets import FAMILIES, all_targets, targets_of

ROOT = Path(__file__).parents[2]
PLANTED = 50


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_sound_is_read_and_what_is_wrong_is_refused(family: str) -> None:
    for target in targets_of(family).values():
        check_seeds(target)
        assert target.sound(), target.name


def test_every_mistake_can_be_planted() -> None:
    names = all_targets().keys()
    for mistake in MISTAKES:
        text = (ROOT / "i3_pyserini" / mistake.file).read_text(encoding="utf-8")
        assert text.count(mistake.old) == 1, f"{mistake.file}: {mistake.old!r}"
        compile(text.replace(mistake.old, mistake.new), mistake.file, "exec")
        assert mistake.target in targets_of(mistake.family).keys() & names, mistake.kind
    assert len({(one.file, one.old) for one in MISTAKES}) == len(MISTAKES) == PLANTED


def _reader(read: object) -> Target:
    assert callable(read)
    return Target("x", "x", read, lambda: [b""])


def _fails(path: Path) -> None:
    raise KeyError("a")


def _says_two_lines(path: Path) -> None:
    raise I3Error(f"{path}: a\nb")


def _names_nothing(path: Path) -> None:
    raise I3Error("wrong")


def _writes_outside(path: Path) -> None:
    (path.parent.parent / "more").write_bytes(b"")


def _writes_into_the_working_folder(path: Path) -> None:
    Path("more").write_bytes(b"")


def _makes_a_folder_elsewhere(path: Path) -> None:
    elsewhere = Path(os.environ["ELSEWHERE"])
    elsewhere.mkdir()
    elsewhere.rmdir()


def _connects(path: Path) -> None:
    with socket.socket() as one:
        one.connect_ex(("127.0.0.1", 1))


def _starts_a_program(path: Path) -> None:
    os.system("true")  # noqa: S605, S607  (it must be seen)


@pytest.mark.parametrize(
    "read",
    [
        _fails,
        _says_two_lines,
        _names_nothing,
        _writes_outside,
        _writes_into_the_working_folder,
        _makes_a_folder_elsewhere,
        _connects,
        _starts_a_program,
    ],
)
def test_what_must_not_come_of_an_input_is_found(
    read: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "elsewhere"))
    with pytest.raises((AssertionError, KeyError)):
        check(_reader(read), b"")
    check(_reader(Path.read_bytes), b"")


def test_a_reader_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(path: Path) -> None:
        while True:
            try:
                time.process_time()
            except Exception:
                return

    monkeypatch.setattr(bounds, "SECONDS", 0.2)
    with pytest.raises(TooSlow):
        check(_reader(endless), b"")


def test_changes_are_the_same_for_a_seed_and_many() -> None:
    content = b"q1 Q0 d1 1 2.5 x\nq2 Q0 d2 1 1 x\n"
    found = [mutated(content, 1000, seed) for seed in range(300)]
    random.seed(7)
    assert found == [mutated(content, 1000, seed) for seed in range(300)]
    assert len(Counter(found)) > 200 and max(map(len, found)) <= 1000
