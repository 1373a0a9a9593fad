"""Each planted mistake still finds the code that it changes."""

import pytest

from tests.worlds.mistakes import MUTANTS
from tests.worlds.mutants import ROOT


@pytest.mark.parametrize("number", range(len(MUTANTS)))
def test_what_a_mistake_replaces_is_there(number: int) -> None:
    for file, old, new in MUTANTS[number].edits:
        text = (ROOT / "i3_pyserini" / file).read_text(encoding="utf-8")
        assert old in text and old != new, f"{file}: {old!r}"
