"""The ids of an index's rows: 8.8 million of them take 150 MB and a second to read."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Rows

NO_SEPARATOR = "\x1f"  # a control character that no id has, so that a line is one column


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
            I3Error: it cannot be read, or is not one id a line.
        """
        try:
            if path.stat().st_size == 0:
                return cls(pl.Series([], dtype=pl.String))
            lines = pl.read_csv(
                path,
                has_header=False,
                separator=NO_SEPARATOR,
                quote_char=None,
                schema={"id": pl.String},
                glob=False,
            )
        except OSError as error:
            raise I3Error(f"{path}: cannot be read ({error.strerror or error})") from error
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
            raise I3Error(f"{path}: not one id a line ({reason})") from error
        ids = lines["id"].str.strip_chars_end()
        empty = ids.is_null() | (ids == "")
        if empty.any():
            line = int(empty.arg_true()[0]) + 1
            raise I3Error(f"{path}, line {line}: no id; encode the corpus again")
        return cls(ids)

    def take(self, rows: Rows) -> pl.Series:
        """The ids of some rows."""
        return self._ids.gather(rows)

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
