"""Reads sources into the table of pairs, and counts what is odd."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from tqdm import tqdm

from i3_pyserini.data.pairs.columns import PairColumns, Roles, find_roles
from i3_pyserini.data.pairs.files import PairSource
from i3_pyserini.data.pairs.rows import Row, parse_row
from i3_pyserini.data.pairs.table import PairTable, key_of
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage, shortened

Unknown = Literal["refuse", "drop", "add"]


class Odd(Enum):
    """What is counted and named; the value is its name in the output."""

    EMPTY = "empty cells"
    SKIPPED = "rows without query or passage, skipped"
    REPEATED = "rows that repeat earlier ones"
    SAME_POSITIVE = "positives with the text of their query, dropped"
    SAME_NEGATIVE = "negatives with the text of their query, dropped"
    DROPPED = "passages that the corpus lacks, dropped"
    ADDED = "passages that the corpus lacks, added"
    OTHER_SOURCE = "rows of queries that an earlier source has, counted as that one's"
    MARGINS = "rows with margins, stored as scores below a positive of 0"


@dataclass
class Found:
    """How often something odd was found.

    Attributes:
        count: how often.
        first: place of the first.
    """

    count: int = 0
    first: str = ""


@dataclass
class Reading:
    """What was read.

    Attributes:
        rows: number of rows by source.
        odd: what is odd, and how often.
        prompts: the first two different prompts.
        unread: columns that were not read, by source.
        rated: number of rows whose numbers say which passages are positive.
    """

    rows: dict[str, int] = field(default_factory=dict)
    odd: dict[Odd, Found] = field(default_factory=lambda: {kind: Found() for kind in Odd})
    prompts: set[str] = field(default_factory=set)
    unread: dict[str, list[str]] = field(default_factory=dict)
    rated: int = 0

    def count(self, kind: Odd, place: str, times: int = 1) -> None:
        """Counts something odd."""
        if times:
            found = self.odd[kind]
            found.count += times
            found.first = found.first or place


@dataclass(frozen=True)
class Reader:
    """Reads rows into a table.

    Attributes:
        table: the table.
        columns: names of columns.
        min_score: see `parse_row`.
        unknown: what becomes of passages that the corpus lacks; None without a corpus.
        reading: what was read so far.
    """

    table: PairTable
    columns: PairColumns
    min_score: float | None
    unknown: Unknown | None
    reading: Reading = field(default_factory=Reading)

    def read(self, sources: Sequence[PairSource]) -> None:
        """Reads all sources.

        Raises:
            I3Error: a source cannot be read or has no rows, a row is invalid (names file and
                line), or no row needs `min_score`.
        """
        for number, source in enumerate(sources):
            count = 0
            rows = tqdm(source.rows(), source.name, unit=" rows", unit_scale=True, delay=2)
            for place, row in self._parsed(rows, source.name):
                count += 1
                try:
                    self._add(row, place, number)
                except I3Error as error:
                    raise I3Error(f"{place}: {error}") from error
            if not count:
                raise I3Error(f"{source.origin}: no rows")
            self.reading.rows[source.name] = count
        if self.min_score is not None and not self.reading.rated:
            raise I3Error(
                f"min_score is {self.min_score:g}, but no row has a score or label and no "
                "negatives; leave it out"
            )

    def _parsed(
        self, rows: "tqdm[tuple[str, Mapping[str, Any]]]", source: str
    ) -> Iterator[tuple[str, Row]]:
        known: dict[tuple[str, ...], Roles] = {}
        unread = self.reading.unread.setdefault(source, [])
        for place, record in rows:
            names = tuple(record)
            try:
                if names not in known:
                    known[names] = find_roles(names, self.columns)
                    unread += [name for name in known[names].unread if name not in unread]
                row = parse_row(record, known[names], self.min_score)
            except I3Error as error:
                raise I3Error(f"{place}: {error}") from error
            yield place, row

    def _add(self, row: Row, place: str, source: int) -> None:
        reading = self.reading
        reading.count(Odd.EMPTY, place, row.empty)
        reading.count(Odd.MARGINS, place, row.margins)
        reading.rated += row.rated
        if row.prompt and len(reading.prompts) <= 1:
            reading.prompts.add(row.prompt)
        if not row.query or not row.candidates:
            reading.count(Odd.SKIPPED, place)
            return
        own = key_of(Passage("", None, row.query))
        query, first_source = self.table.query(row.query, own, source)
        reading.count(Odd.OTHER_SOURCE, place, first_source != source)
        repeats = row.candidates[0].positive is not None  # clicks are summed
        for one in row.candidates:
            passage = one.passage
            key = key_of(passage)
            text_key = key_of(Passage("", None, passage.text)) if passage.title else key
            if passage.text and text_key == own:
                is_negative = one.positive is False
                reading.count(Odd.SAME_NEGATIVE if is_negative else Odd.SAME_POSITIVE, place)
                repeats = False  # this was named
                continue
            number = self._number(passage, key, place)
            repeats &= number is not None and not self.table.add_pair(query, number, one)
        reading.count(Odd.REPEATED, place, repeats)

    def _number(self, passage: Passage, key: int, place: str) -> int | None:
        """The number of a passage, which is added if need be; None if it is dropped."""
        number = self.table.find_passage(passage, key)
        if number is not None:
            return number
        has_text = bool(passage.text or passage.title)
        shown = shortened(passage.text or passage.title or passage.docid)
        if self.unknown is None and not has_text:
            raise I3Error(f"passage {shown} has no text; name its corpus with --corpus")
        if self.unknown == "drop":
            self.reading.count(Odd.DROPPED, place)
            return None
        if self.unknown == "refuse" or not has_text:
            raise I3Error(f"passage {shown} is not in the corpus; --unknown drop drops such")
        self.reading.count(Odd.ADDED, place, self.unknown == "add")
        return self.table.add_passage(passage, key)
