"""Kept columns of CSV and TSV files: a column of numbers becomes numbers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from i3_pyserini.errors import note
from i3_pyserini.formats.passage_fields import Passage, shortened
from i3_pyserini.formats.passages import Corpus

# Numbers as JSON writes them, without exponents: `007`, `1,50` and `12e4` are texts, and so are
# numbers of more digits than their types hold.
INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,9}")


@dataclass
class Column:
    """What the values of a column are.

    Attributes:
        numbers: how many are numbers.
        fractions: whether one of them is no integer.
        other: place and value of the first that is no number.
    """

    numbers: int = 0
    fractions: bool = False
    other: tuple[str, str] | None = None

    def add(self, value: str, place: str) -> None:
        """Takes a value into account."""
        if INTEGER.fullmatch(value):
            self.numbers += 1
        elif NUMBER.fullmatch(value):
            self.numbers += 1
            self.fractions = True
        else:
            self.other = self.other or (place, value)

    def typed(self, value: str) -> str | float:
        """A value in the column's type."""
        if self.other or not self.numbers:
            return value
        return float(value) if self.fractions else int(value)


def typed_passages(corpus: Corpus) -> Iterator[tuple[str, Passage]]:
    """Yields the passages of a table, each with its place, with typed columns to keep.

    A column is of numbers if all of its values are; otherwise it is of texts. Empty cells are left
    out. The file is read twice.

    Args:
        corpus: a CSV or TSV file.

    Raises:
        I3Error: see `Corpus`.
    """
    columns = {name: Column() for name in corpus.keep}
    for place, passage in corpus.located():
        for name, value in _filled(passage.extra).items():
            columns[name].add(value, place)
    for name, column in columns.items():
        if column.numbers and column.other:
            place, value = column.other
            note(f"{place}: {name} is {shortened(value)}, so that all of {name} is text")
    for place, passage in corpus.located():
        extra = {name: columns[name].typed(value) for name, value in _filled(passage.extra).items()}
        yield place, replace(passage, extra=extra)


def _filled(extra: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in extra.items() if value}
