"""docs/results/scale.md has the tables of its record."""

import pytest

from benchmarks.record import RESULTS, Figure, Record, load, single
from benchmarks.scale_page import END, PAGE, START, by_kind, growth, tables


def test_the_page_is_what_the_record_says() -> None:
    made = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    assert made == tables(load(RESULTS / "scale.json")), "run: python -m benchmarks.scale_page"


def record_of(*figures: Figure) -> Record:
    return load(RESULTS / "scale.json").model_copy(update={"figures": figures})


def test_rows_and_columns() -> None:
    found = record_of(
        single("1,000 passages, merge: time", 2.0, "s", 1),
        single("1,000 passages, merge: own memory", 7.0, "MB", 0),
        single("1,000 passages, merge: written", 20.0, "MB", 0),
        single("8,000 passages, merge: time", 16.0, "s", 1),
        single("8,000 passages, merge: own memory", 9.0, "MB", 0),
        single("8,000 passages, merge: written", 160.0, "MB", 0),
        single("1,000 passages, verify: time", 3.0, "s", 1),  # not run with more
        single("1,000 passages, verify: own memory", 4.0, "MB", 0),
    )
    assert by_kind(found)["time"] == {"merge": {1000: 2.0, 8000: 16.0}, "verify": {1000: 3.0}}
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in tables(found).splitlines()
        if line.startswith(("| merge", "| verify"))
    ]
    assert cells == [
        ["merge", "2.0", "16.0", "n^1.00"],
        ["verify", "3.0", "", ""],
        ["merge", "7", "9", "20", "160"],
        ["verify", "4", "", "", ""],
    ]


@pytest.mark.parametrize(("more", "shown"), [(2.0, "n^0.00"), (4.0, "n^0.50"), (32.0, "n^2.00")])
def test_growth(more: float, shown: str) -> None:
    assert growth({100: 9.0, 1000: 2.0, 4000: more}, [100, 1000, 4000]) == shown
