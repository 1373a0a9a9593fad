"""Each planted mistake still finds the code that it changes, and can be tried."""

import subprocess
import sys

import pytest

from tests.worlds.mistakes import MUTANTS
from tests.worlds.mutants import ROOT


@pytest.mark.parametrize("number", range(len(MUTANTS)))
def test_what_a_mistake_replaces_is_there(number: int) -> None:
    for file, old, new in MUTANTS[number].edits:
        text = (ROOT / "i3_pyserini" / file).read_text(encoding="utf-8")
        assert old in text and old != new, f"{file}: {old!r}"


@pytest.mark.slow
def test_a_mistake_is_tried() -> None:
    words = ("tests.worlds.mutants", "--only", "0", "--worlds", "3", "--examples", "5")
    command = (sys.executable, "-m", *words)
    said = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8")
    assert "1 of 1 caught" in said.stdout
