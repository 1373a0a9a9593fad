"""Input of qrels and runs as files, names of data sets, or data frames."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.qrels import Duplicates, judgements_of, read_qrels, repeated
from i3_pyserini.formats.run_blocks import RunFile
from i3_pyserini.formats.runs import SCHEMA, Run, place_of

if TYPE_CHECKING:
    import pandas as pd

    Frame: TypeAlias = pl.DataFrame | pd.DataFrame
    RunLike: TypeAlias = Path | str | PathLike[str] | Frame | Run

QRELS = ("query_id", "doc_id", "relevance")


def judgements(
    qrels: "str | PathLike[str] | Frame", duplicates: Duplicates = "refuse"
) -> pl.DataFrame:
    """Reads judgments as `read_qrels` does.

    Args:
        qrels: a file, a name, or a frame with columns query_id, doc_id and relevance.
        duplicates: see `qrels.read_judgements`.

    Raises:
        I3Error: see `read_qrels`; or a column is missing in the frame.
    """
    if isinstance(qrels, str | PathLike):
        return read_qrels(qrels if isinstance(qrels, str) else Path(qrels), duplicates)
    rows = zip(*(_column(qrels, name, "the qrels") for name in QRELS), strict=True)
    table = judgements_of(rows, "the qrels", "row", duplicates).table.select(*QRELS)
    if table.is_empty():
        raise I3Error("the qrels: no judgments in this data frame")
    return table


class Runs:
    """Runs; files are read later.

    Args:
        given: one or several files or frames, or a mapping of names to them.
        names: names to show instead of those of the files, in their order; empty for those.

    Raises:
        I3Error: there are no runs, a frame is not a run, or the names do not fit.

    Attributes:
        entries: files, and runs from frames.
        names: see above; None for the file's name, or for a frame's.
    """

    def __init__(self, given: Any, names: Sequence[str] = ()) -> None:
        if isinstance(given, Mapping):
            items = [(str(name), one) for name, one in given.items()]
            names = names or [name for name, _ in items]
        else:
            several = isinstance(given, Sequence) and not isinstance(given, str)
            each = list(given) if several else [given]
            items = [(f"run {number}", one) for number, one in enumerate(each, start=1)]
        self.entries: list[Path | Run] = [_entry(*item) for item in items]
        if not self.entries:
            raise I3Error("no run is given; expected at least one")
        if names and len(names) != len(self.entries):
            raise I3Error(
                f"names: {len(names)} ({', '.join(names)}); expected one for each of the "
                f"{len(self.entries)} runs, in their order"
            )
        self.names: list[str | None] = list(names) or [None] * len(self.entries)

    def insert_first(self, path: Path) -> None:
        """Adds a file before the others."""
        self.entries.insert(0, path)
        self.names.insert(0, None)

    @property
    def paths(self) -> list[Path]:
        """The paths of files, and the names of frames."""
        return [one if isinstance(one, Path) else Path(one.name) for one in self.entries]

    @property
    def files(self) -> list[Path]:
        """Only the files."""
        return [one for one in self.entries if isinstance(one, Path)]

    def place_of(self, run: Any) -> int | None:
        """The position of a run, by file or name; None if it is not among these."""
        if fspath(run) in self.names:
            return self.names.index(fspath(run))
        return place_of(Path(run), self.paths)

    def read(self) -> list[Run]:
        """Reads all runs; files with the same name are named by their paths.

        Raises:
            I3Error: see `read_run`; or two frames have the same name.
        """
        return [run.whole() for run in self.opened()]

    def opened(self) -> list[Run | RunFile]:
        """The runs; files are read when they are needed.

        Raises:
            I3Error: two frames have the same name.
        """
        files = [path.name for path in self.files]
        runs: list[Run | RunFile] = []
        for one, name in zip(self.entries, self.names, strict=True):
            if isinstance(one, Run):
                runs.append(one if name is None else replace(one, name=name))
            else:
                own = one.name if files.count(one.name) == 1 else str(one)
                runs.append(RunFile(one, name or own))
        names = [run.name for run in runs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise I3Error(f"two runs are named {twice}; give them different names")
        return runs


def _entry(name: str, given: Any) -> Path | Run:
    if isinstance(given, Run):
        return given
    if isinstance(given, str | PathLike):
        return Path(given)
    columns = {column: _column(given, column, name) for column in SCHEMA}
    for column in ("query_id", "doc_id"):
        for row, value in enumerate(columns[column], start=1):
            if value is None or isinstance(value, bool | float):  # NaN, or numbers once beside it
                raise I3Error(f"{name}, row {row}: {column} is {value!r}; expected a string")
        columns[column] = list(map(str, columns[column]))
    run = Run.of(name, pl.DataFrame(columns, schema=SCHEMA, strict=False))
    if run.lines.is_empty():
        raise I3Error(f"{name}: no hits in this frame")
    if repeated(run.lines):
        raise I3Error(f"{name}: a passage is ranked twice for a query")
    return run


def _column(frame: Any, column: str, name: str) -> list[Any]:
    known = list(getattr(frame, "columns", ()))
    if column not in known:
        has = f"it has {', '.join(map(str, known))}" if known else f"got {type(frame).__name__}"
        raise I3Error(f"{name}: no column {column!r}; {has}")
    values: list[Any] = frame[column].to_list()
    return values
