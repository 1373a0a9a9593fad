"""What `index advise` uses, its record and its page say the same."""

import json

from benchmarks.ann import END, MEASURED, PAGE, START, figures_of, tables
from benchmarks.record import RESULTS, load

ROWS = json.loads(MEASURED.read_text(encoding="utf-8"))["rows"]
AGAIN = "run: python -m benchmarks.ann … --record"


def test_the_page_is_what_was_measured() -> None:
    made = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    assert made == tables(ROWS), AGAIN


def test_the_record_is_what_was_measured() -> None:
    figures = [figure for row in ROWS for figure in figures_of(row)]
    assert load(RESULTS / "ann.json").figures == figures, AGAIN


def test_all_rows_of_a_table_have_its_columns() -> None:
    lines = [line for line in tables(ROWS).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {8}
    assert len(lines) == len(ROWS) + 2 * len({row["passages"] for row in ROWS})
