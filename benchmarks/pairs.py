"""Cost of importing pairs: rows per second and peak memory, by number of rows and form.

    python -m benchmarks.pairs [--record]

Rows have queries of 8 random words and passages of 56, as in MS MARCO; a tenth of the queries and
of the passages repeat earlier ones. Each import is a process of its own.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.command import take
from benchmarks.record import add_record_option, measured_now, save, single

ROWS = (10_000, 100_000, 1_000_000)
QUERY, PASSAGE = 8, 56  # words
REPEATED = 0.1
FORMS = ("pairs, JSONL", "pairs, CSV", "triplets, JSONL")


@dataclass(frozen=True)
class Taken:
    """What an import took.

    Attributes:
        form: of the rows.
        rows: their number.
        seconds: of the whole process.
        memory: peak, in MB.
        folder: what was written, in MB.
    """

    form: str
    rows: int
    seconds: float
    memory: float
    folder: float


def main() -> None:
    """Measures every size and form in a process of its own."""
    parser = argparse.ArgumentParser(description="Measure data pairs.")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    add_record_option(parser, "pairs")
    args = parser.parse_args()
    print(
        "| form | rows | rows/s | s | peak memory | folder |\n| --- | --- | --- | --- | --- | --- |"
    )
    taken = []
    for rows in args.rows:
        for form in FORMS:
            with tempfile.TemporaryDirectory() as folder:
                one = measure(Path(folder), form, rows)
            taken.append(one)
            print(
                f"| {form} | {rows:,} | {rows / one.seconds:,.0f} | {one.seconds:,.1f} "
                f"| {one.memory:,.0f} MB | {one.folder:,.0f} MB |",
                flush=True,
            )
    if args.record:
        figures = [
            figure
            for one in taken
            for figure in (
                single(f"{one.form}, {one.rows:,}", one.rows / one.seconds, "rows/s", 0),
                single(f"{one.form}, {one.rows:,}, peak memory", one.memory, "MB", 0),
            )
        ]
        setup = {"query words": QUERY, "passage words": PASSAGE, "repeated": REPEATED}
        data = "synthetic pairs"
        save(args.record, measured_now("import of pairs", data, "once", setup, figures))


def measure(folder: Path, form: str, rows: int) -> Taken:
    """Writes a file of rows, and imports it."""
    kind, _, suffix = form.partition(", ")
    path = folder / f"rows.{suffix.lower()}"
    with path.open("w", encoding="utf-8") as file:
        if suffix == "CSV":
            file.write("query,positive\n")
        file.writelines(lines(rows, suffix == "CSV", kind == "triplets"))
    command = [sys.executable, "-m", "i3_pyserini", "data", "pairs", str(path)]
    one = take([*command, "--output", str(folder / "out")])
    size = sum(file.stat().st_size for file in (folder / "out").rglob("*") if file.is_file())
    return Taken(form, rows, one.wall, one.peak, size / 1e6)


def lines(rows: int, is_csv: bool, with_negatives: bool) -> Iterator[str]:
    """Lines of JSON or CSV, the same every time."""
    rng = random.Random(rows)  # noqa: S311  (no secret)
    words = [f"word{number}" for number in range(5000)]
    fresh = {QUERY: count(), PASSAGE: count()}

    def text(size: int) -> str:
        """A text that is new, or one of this size from before."""
        number = next(fresh[size])
        if number and rng.random() < REPEATED:
            number = rng.randrange(number)
        one = random.Random(number * size)  # noqa: S311  (no secret)
        return " ".join(one.choices(words, k=size))

    for _ in range(rows):
        query, positive = text(QUERY), text(PASSAGE)
        if is_csv:
            yield f"{query},{positive}\n"
        else:
            more = f', "negative": "{text(PASSAGE)}"' if with_negatives else ""
            yield f'{{"query": "{query}", "positive": "{positive}"{more}}}\n'


if __name__ == "__main__":
    main()
