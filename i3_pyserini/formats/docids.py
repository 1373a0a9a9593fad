"""Reads and writes the ids of vectors, in memory or one by one.

A `docid` file has one id a line, in the order of the vectors. 8.8 million of them take 150 MB and
a second to read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import polars as pl
from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Rows
from i3_pyserini.formats.jsonl_vectors import read_jsonl_ids
from i3_pyserini.formats.lines import BYTE_ORDER_MARK
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.unique import SeenIds

NO_SEPARATOR = "\x1f"  # a control character that no id has, so that a line is one column
WHITE_SPACE = r"[\s\x1c-\x1f]"  # as `str.split` has it
# A line before those that are parsed: polars takes a byte order mark and the first bytes of
# compressed content for what they are, where they may be an id.
BEFORE = b"-\n"
SPACES = b" \t\r\x0b\x0c\x1c\x1d\x1e\x1f"  # of ASCII, but for the line's end
BLOCK = 1 << 24  # bytes that are read at a time


class Docids(Sequence[str]):
    """Ids by row.

    Args:
        ids: the ids.
    """

    def __init__(self, ids: pl.Series) -> None:
        self._ids = ids

    @classmethod
    def read(cls, path: Path) -> "Docids":
        """Reads a `docid` file.

        Raises:
            I3Error: see `read_docids`.
        """
        blocks = list(_blocks(path))
        return cls(pl.concat(blocks) if blocks else pl.Series([], dtype=pl.String))

    @classmethod
    def joined(cls, parts: Mapping[Path, "Docids"]) -> "Docids":
        """The ids of several files in a row.

        Args:
            parts: ids by their file or folder.

        Raises:
            I3Error: an id occurs twice; names it, and where.
        """
        if len(parts) == 1:
            return next(iter(parts.values()))
        ids = pl.concat([one._ids for one in parts.values()])
        if ids.n_unique() < len(ids):
            twice = ids.filter(ids.is_duplicated())[0]
            places = [str(path) for path, one in parts.items() if one.rows_of([twice])]
            raise I3Error(
                f"{' and '.join(places)}: id {twice!r} occurs a second time; ids must be unique"
            )
        return cls(ids)

    def take(self, rows: Rows) -> pl.Series:
        """The ids of some rows."""
        return self._ids.gather(rows)

    def rows_of(self, docids: Iterable[str]) -> dict[str, int]:
        """The rows of some ids, which are looked for in all of them; without those not there."""
        rows = self._ids.is_in(list(docids)).arg_true()
        return dict(zip(self._ids.gather(rows).to_list(), rows.to_list(), strict=True))

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return self._ids[row].to_list()
        text: str = self._ids[row]
        return text


def read_docids(path: Path) -> Iterator[str]:
    """The ids of a `docid` file, one by one.

    Raises:
        I3Error: it cannot be read, or a line is not UTF-8, is empty, or has white space within its
            id; names the line. White space at a line's end is dropped, as Pyserini does.
    """
    for block in _blocks(path):
        yield from block


def write_docids(path: Path, blocks: Iterable[Block]) -> Iterator[Block]:
    """Writes the ids of the blocks that pass through.

    Raises:
        OSError: writing failed.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for block in blocks:
            file.writelines(f"{docid}\n" for docid in block.ids)
            yield block


@dataclass(frozen=True)
class IdFile:
    """A file that has the ids of vectors.

    Attributes:
        path: the file.
        jsonl: whether it is JSON lines of vectors; otherwise it has one id a line.
    """

    path: Path
    jsonl: bool = False

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yields line numbers and ids.

        Raises:
            I3Error: a line is invalid.
        """
        if self.jsonl:
            return read_jsonl_ids(self.path)
        return enumerate(read_docids(self.path), start=1)

    def refuse_cut_off(self) -> None:
        """Raises if the last line has no end, as encode writes it; half an id would look whole.

        Raises:
            I3Error: it has none, or the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - 1))
                last = file.read()
        except OSError as error:
            raise I3Error(f"{self.path}: cannot be read ({error.strerror})") from error
        if last not in (b"", b"\n"):
            raise I3Error(f"{self.path}: its last line is incomplete; the file was truncated")


def count_ids(files: Sequence[IdFile], scratch: Path | None = None) -> list[int]:
    """Reads all ids of some files, which must differ.

    Args:
        files: the files.
        scratch: where 8 bytes an id can be written meanwhile; None for the system's own place.

    Returns:
        How many there are in each.

    Raises:
        I3Error: a line is invalid, or an id occurs a second time; names file and line.
    """
    seen = SeenIds(scratch)
    counts = [0] * len(files)
    with tqdm(desc="check ids", unit=" ids", unit_scale=True, delay=2) as bar:
        for place, file in enumerate(files):
            for _, docid in file:
                seen.add(docid)
                counts[place] += 1
                bar.update()
    if repeated := seen.repeated():
        second = repeated.second(docid for file in files for _, docid in file)
        if second is not None:
            _refuse_second(files, *second)
    return counts


def _refuse_second(files: Sequence[IdFile], position: int, docid: str) -> None:
    places = ((file.path, line) for file in files for line, _ in file)
    path, line = next(place for number, place in enumerate(places) if number == position)
    raise I3Error(f"{path}, line {line}: id {docid!r} occurs a second time; ids must be unique")


def _blocks(path: Path) -> Iterator[pl.Series]:
    """The ids of a file, checked, some million at a time."""
    try:
        with path.open("rb") as file:
            rest, line, at_start = b"", 1, True
            while block := file.read(BLOCK):
                if at_start:
                    block, at_start = block.removeprefix(BYTE_ORDER_MARK), False
                whole, end, rest = (rest + block).rpartition(b"\n")
                if end:
                    ids = _parsed(whole + end, path, line)
                    line += len(ids)
                    yield ids
            if rest:
                yield _parsed(rest, path, line)
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror or error})") from error


def _parsed(lines: bytes, path: Path, first: int) -> pl.Series:
    try:
        ids = pl.read_csv(
            BEFORE + lines,
            has_header=False,
            separator=NO_SEPARATOR,
            quote_char=None,
            schema={"id": pl.String},
        )["id"][1:]
    except pl.exceptions.PolarsError as error:
        line = first + _undecodable(lines)
        raise I3Error(f"{path}, line {line}: not valid UTF-8, or not one id") from error
    if _plain(lines):
        return ids
    ids = ids.str.strip_chars_end()
    invalid = ids.is_null() | (ids == "") | ids.str.contains(WHITE_SPACE)
    if invalid.any():
        row = int(invalid.arg_true()[0])
        raise I3Error(
            f"{path}, line {first + row}: id {ids[row] or ''!r} is empty or contains white space"
        )
    return ids


def _plain(lines: bytes) -> bool:
    """Whether there is nothing in some lines that an id must not have; a cheap check of most."""
    no_space = len(lines.translate(None, SPACES)) == len(lines)
    return no_space and lines.isascii() and b"\n\n" not in lines and lines[:1] != b"\n"


def _undecodable(lines: bytes) -> int:
    """The first of some lines that is no UTF-8, or has the separator; counted from 0."""
    for number, line in enumerate(lines.split(b"\n")):
        try:
            if NO_SEPARATOR in line.decode("utf-8"):
                return number
        except UnicodeDecodeError:
            return number
    return 0
