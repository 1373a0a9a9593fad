"""A run's hits, query by query, without the run in memory.

The file is read twice: once to check every line and to note where each query's lines are (24 bytes
for each stretch of lines of one query, so for each query of a run that is sorted by query), then
query by query, in any order.
"""

import gzip
import math
import shutil
import tempfile
import zlib
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm import tqdm

from i3_pyserini.errors import I3Error

# By the number of columns: where the passage is, where the number it is ranked by, and whether
# the best has the highest (TREC's score) or the lowest (MS MARCO's rank).
LAYOUTS = {6: (2, 4, True), 3: (1, 2, False)}
EXPECTED = "a run has 6 columns (qid Q0 docid rank score tag) or 3 (qid docid rank)"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@contextmanager
def open_run(path: Path, topics: Mapping[str, str], scratch: Path) -> Iterator["RunHits"]:
    """Reads a run once and checks it.

    Args:
        path: TREC's six columns or MS MARCO's three, in any order of lines; or the same gzipped.
        topics: query texts by query id; other queries of the run are only counted.
        scratch: folder where a gzipped run is unpacked for the time of reading, without a name.

    Raises:
        I3Error: the run is empty or cannot be read, or a line is not as it should be.
    """
    try:
        lines = _unpacked(path, scratch) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror or error})") from error
    with lines:
        yield RunHits(path, lines, topics)


class RunHits:
    """A run's hits by query; ranked as `eval` ranks, by score and then docid, both falling.

    Args:
        path: the run's name, for messages.
        lines: its content.
        topics: see `open_run`.

    Attributes:
        found: the topics that the run has, in the topics' order.
        unknown: number of the run's queries that are not among the topics.
    """

    def __init__(self, path: Path, lines: BinaryIO, topics: Mapping[str, str]) -> None:
        self.path, self._lines = path, lines
        self._numbers = {qid: number for number, qid in enumerate(topics)}
        foreign: set[str] = set()
        owners, bounds = array("q"), array("q")
        for qid, start in self._stretches():
            number = self._numbers.get(qid, -1)
            if number < 0:
                foreign.add(qid)
            owners.append(number)
            bounds.append(start)
        bounds.append(self._size)
        order = np.argsort(np.array(owners), kind="stable")
        self._owners = np.array(owners)[order]
        self._starts, self._stops = np.array(bounds)[:-1][order], np.array(bounds)[1:][order]
        present = set(np.unique(self._owners).tolist())
        self.found = [qid for qid, number in self._numbers.items() if number in present]
        self.unknown = len(foreign)

    def hits(self, topics: Mapping[str, str], last: int) -> Iterator[tuple[str, list[str]]]:
        """Yields each query's id and its passages at ranks 1 to `last`, the best first.

        Args:
            topics: query texts by query id, all of them in `found`.
            last: the lowest rank that is wanted.

        Raises:
            I3Error: a passage is ranked twice for a query.
        """
        for qid in topics:
            yield qid, self._ranked(qid)[:last]

    def _ranked(self, qid: str) -> list[str]:
        place, value, falling = LAYOUTS[self._columns]
        rows = [line.split() for line in self._lines_of(qid)]
        sign = 1 if falling else -1
        # Single precision, as `eval` ranks.
        scores = np.array([sign * float(row[value]) for row in rows]).astype(np.float32).tolist()
        ranked = sorted(zip(scores, (row[place].decode() for row in rows), strict=True))
        pids = [pid for _, pid in reversed(ranked)]
        if len(set(pids)) < len(pids):
            twice = next(pid for number, pid in enumerate(pids) if pid in pids[:number])
            raise I3Error(
                f"{self.path}: passage {twice!r} is ranked a second time for query {qid!r}"
            )
        return pids

    def _lines_of(self, qid: str) -> Iterator[bytes]:
        number = self._numbers[qid]
        first, end = np.searchsorted(self._owners, [number, number + 1])
        for start, stop in zip(self._starts[first:end], self._stops[first:end], strict=True):
            self._lines.seek(start)
            yield from filter(bytes.strip, self._lines.read(stop - start).split(b"\n"))

    def _stretches(self) -> Iterator[tuple[str, int]]:
        """Query and first byte of every stretch of lines of one query; checks all lines."""
        columns, current, start = 0, b"", 0
        shown = tqdm(self._lines, desc="read run", unit=" lines", unit_scale=True, delay=2)
        for number, line in enumerate(shown, start=1):
            fields = line.removeprefix(BYTE_ORDER_MARK).split() if number == 1 else line.split()
            if fields:
                columns = columns or len(fields)
                self._check(line, fields, columns, number)
                if fields[0] != current:
                    current = fields[0]
                    yield current.decode(), start
            start += len(line)
        if not columns:
            raise I3Error(f"{self.path}: empty; expected a run")
        self._columns, self._size = columns, start

    def _check(self, line: bytes, fields: list[bytes], columns: int, number: int) -> None:
        place = f"{self.path}, line {number}"
        if not line.isascii():
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise I3Error(f"{place}: not valid UTF-8; re-encode the file") from error
        if len(fields) != columns or columns not in LAYOUTS:
            raise I3Error(f"{place}: {len(fields)} column(s); {EXPECTED}, the same in every line")
        _, value, falling = LAYOUTS[columns]
        try:
            finite = math.isfinite(float(fields[value]))
        except ValueError:
            finite = False
        if not finite:
            text, name = fields[value].decode(), "score" if falling else "rank"
            raise I3Error(f"{place}: {name} {text!r:.40} is not a finite number")


def _unpacked(path: Path, scratch: Path) -> BinaryIO:
    unpacked = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  (the caller closes it)
    try:
        with gzip.open(path) as content:
            shutil.copyfileobj(content, unpacked)
    except (OSError, EOFError, zlib.error) as error:
        unpacked.close()
        raise I3Error(f"{path}: cannot be unpacked into {scratch} ({error})") from error
    unpacked.seek(0)
    return unpacked
