"""Kept columns of CSV and TSV files: a column of numbers becomes numbers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from i3_pyserini.errors import note
from i3_pyserini.formats.passage_fields import Passage, shortened
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.tables import found_delimiter

# Numbers as JSON writes them, without exponents: `007` and `12e4` are texts, and so are numbers of
# more digits than their types hold. Where semicolons separate columns, as Excel writes them in
# countries with a decimal comma, `1,50` is a number.
INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
NUMBERS = {
    point: re.compile(rf"-?(0|[1-9][0-9]{{0,14}}){re.escape(point)}[0-9]{{1,9}}") for point in ".,"
}


ALMOST = re.compile(r"\D{0,4}\d[\d.,' ]*\D{0,4}")  # such as `5,00 €`


@dataclass
class Column:
    """What the values of a column are.

    Attributes:
        points: what may separate decimals: "." or ".,".
        numbers: how many are numbers.
        almost: how many are numbers with a sign or a unit.
        point: what separates decimals; "" while all are integers.
        other: place and value of the first that is no number, or has another `point`.
    """

    points: str = "."
    numbers: int = 0
    almost: int = 0
    point: str = ""
    other: tuple[str, str] | None = None

    def add(self, value: str, place: str) -> None:
        """Takes a value into account."""
        point = next((one for one in self.points if NUMBERS[one].fullmatch(value)), "")
        is_number = bool(point or INTEGER.fullmatch(value))
        self.numbers += is_number
        self.almost += not is_number and ALMOST.fullmatch(value) is not None
        if not is_number or (point and self.point and point != self.point):
            self.other = self.other or (place, value)
        self.point = self.point or point

    def typed(self, value: str) -> str | float:
        """A value in the column's type."""
        if self.other or not self.numbers:
            return value
        return float(value.replace(",", ".")) if self.point else int(value)


def typed_passages(corpus: Corpus) -> Iterator[tuple[str, Passage]]:
    """The passages of a table, each with its place, with typed columns to keep.

    A column is of numbers if all of its values are; otherwise it is of texts. Empty cells are left
    out. The file is read twice, the first time at once.

    Args:
        corpus: a CSV or TSV file.

    Raises:
        I3Error: see `Corpus`.
    """
    table, (file, *_) = corpus.table, corpus.sources
    tabs = file.format == "tsv"
    separator = table.delimiter or ("\t" if tabs else found_delimiter(file.path, table.encoding))
    columns = {name: Column(".," if separator == ";" else ".") for name in corpus.keep}
    for place, passage in corpus.located():
        for name, value in _filled(passage.extra).items():
            columns[name].add(value, place)
    for name, column in columns.items():
        if column.numbers and column.other:
            place, value = column.other
            note(f"{place}: {name} is {shortened(value)}, so that all of {name} is text")
        elif column.almost and column.other:
            place, value = column.other
            note(
                f"{place}: {name} is {shortened(value)}: text, which filters do not compare as a "
                "number; for that, leave signs and units out of the file"
            )
        elif column.point == ",":
            note(f"{corpus.path}: {name} has a decimal comma; 1,50 is read as 1.5")
    return _typed(corpus, columns)


def _typed(corpus: Corpus, columns: Mapping[str, Column]) -> Iterator[tuple[str, Passage]]:
    for place, passage in corpus.located():
        extra = {name: columns[name].typed(value) for name, value in _filled(passage.extra).items()}
        yield place, replace(passage, extra=extra)


def _filled(extra: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in extra.items() if value}
