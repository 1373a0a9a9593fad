"""Reads and writes qrels. Unusual content is an error or reported in a note."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

import polars as pl

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.column_layout import LINE, Columns
from i3_pyserini.formats.columns import read_columns
from i3_pyserini.formats.datasets import PRESETS, from_ir_datasets
from i3_pyserini.formats.names import LEVEL, PASSAGE_ID, QUERY_ID

if TYPE_CHECKING:
    import pandas as pd

Duplicates = Literal["refuse", "max"]
SCHEMA = {"query_id": pl.String, "doc_id": pl.String, "relevance": pl.Int64}
HIGHEST = 1_000_000
NAMED = 3  # ids that a note names
PAIR = ("query_id", "doc_id")
QRELS = Columns(
    "qrels file",
    {4: ("query_id", "iteration", "doc_id", "relevance"), 2: PAIR},
    ("relevance",),
    {"query_id": QUERY_ID, "doc_id": PASSAGE_ID, "relevance": LEVEL},
)


@dataclass(frozen=True)
class Judgements:
    """Judgements, and where they are written.

    Attributes:
        table: columns query_id, doc_id (strings), relevance (int64) and line (from 1 on), a row for
            each pair of query and passage.
        source: a file's or data set's name.
        unit: what `line` counts: "line" of a file, or "row" of a data set.
    """

    table: pl.DataFrame
    source: str
    unit: str = "line"

    def place(self, row: int) -> str:
        """Where a row of the table is written, for messages."""
        return f"{self.source}, {self.unit} {self.table[LINE][row]}"


def read_qrels(name_or_path: str | Path, duplicates: Duplicates = "refuse") -> pl.DataFrame:
    """Reads judgements. Levels below zero are read as they are, and counted on stderr.

    Args:
        name_or_path: a file, plain or compressed (gzip, zstd): TREC's four columns (`qid 0 docid
            relevance`), a relevant pair a line (`qid docid`), or any with a header, such as BEIR's
            `query-id corpus-id score`; one of the presets' names; or an ir_datasets id.
        duplicates: see `read_judgements`.

    Returns:
        Columns query_id, doc_id (strings) and relevance (int64).

    Raises:
        I3Error: see `read_judgements`; or the file or name does not exist.
    """
    path = Path(name_or_path)
    if path.exists():
        return read_judgements(path, duplicates).table.select(*SCHEMA)
    name = str(name_or_path)
    rows = from_ir_datasets(
        _data_set(name),
        lambda data: [(qrel.query_id, qrel.doc_id, qrel.relevance) for qrel in data.qrels_iter()],
        "Download the qrels and use that file",
    )
    return judgements_of(rows, name, "judgement", duplicates).table.select(*SCHEMA)


def read_judgements(path: Path, duplicates: Duplicates = "refuse") -> Judgements:
    """Reads a file of judgements; see `read_qrels`.

    Args:
        path: the file.
        duplicates: of a pair of query and passage that is judged twice with different levels:
            "refuse" it, or take the highest ("max"). With one level it counts once. Both are
            counted on stderr.

    Raises:
        I3Error: it cannot be read, there are none, a line has other columns than the first, a level
            is not an integer, or a pair has two levels.
    """
    table = read_columns(path, QRELS)
    if table.is_empty():
        raise I3Error(f"{path}: no judgements in this file")
    if LINE not in table.columns:
        table = table.with_row_index(LINE, offset=1)
    if "relevance" in table.columns:
        _refuse_no_passages(table, path)
    else:
        table = table.with_columns(pl.lit(1.0).alias("relevance"))
    return _checked(Judgements(table, str(path)), duplicates)


def judgements_of(
    rows: Iterable[tuple[Any, Any, Any]],
    source: str,
    unit: str,
    duplicates: Duplicates = "refuse",
    numbers: Sequence[int] | None = None,
) -> Judgements:
    """Judgements of a data set; checked as a file's.

    Args:
        rows: query ids, passage ids and levels, of whatever type the data set has.
        source: its name, for messages.
        unit: what a row is called in messages, such as "row".
        duplicates: see `read_judgements`.
        numbers: of the rows in the source. Default: 1, 2, …

    Raises:
        I3Error: an id is missing, a level is not an integer, or a pair has two levels.
    """
    lines: list[int] = []
    columns: tuple[list[str], list[str], list[float]] = ([], [], [])
    for number, (qid, pid, level) in zip(numbers or count(1), rows, strict=False):
        place = f"{source}, {unit} {number}"
        lines.append(number)
        for what, column, value in (("query", columns[0], qid), ("passage", columns[1], pid)):
            if isinstance(value, bool | float) or value is None or not str(value).strip():
                raise I3Error(f"{place}: the {what} id is {value!r}; expected a string")
            column.append(str(value).strip())
        columns[2].append(_number(level, place))
    table = pl.DataFrame(
        dict(zip(SCHEMA, columns, strict=True)), schema=SCHEMA | {"relevance": pl.Float64}
    ).with_columns(pl.Series(LINE, lines, dtype=pl.UInt32))
    return _checked(Judgements(table, source, unit), duplicates)


def write_qrels(file: TextIO, rows: Iterable[tuple[str, str, int]]) -> None:
    """Writes judgements in TREC's four columns.

    Args:
        file: as `atomic.new_file` gives it.
        rows: query ids, passage ids and levels.

    Raises:
        I3Error: an id is empty or has white space, so that it could not be read again.
    """
    for qid, pid, level in rows:
        if f"{qid} {pid}".split() != [qid, pid]:
            raise I3Error(
                f"query {qid!r}, passage {pid!r}: an id is empty or has white space, which qrels "
                "cannot hold; rename it"
            )
        file.write(f"{qid} 0 {pid} {level}\n")


def note_without_topic(
    qrels: pl.DataFrame, queries: Mapping[str, Any], judged_in: str, topics_in: str
) -> list[str]:
    """Counts and names judged queries that have no topic, on stderr.

    Args:
        qrels: as `read_qrels` gives them.
        queries: anything by query id.
        judged_in: what the judgements are called.
        topics_in: what the queries are called.

    Returns:
        Their ids, in the order of the judgements.
    """
    judged = qrels["query_id"].unique(maintain_order=True).to_list()
    lacking = [qid for qid in judged if qid not in queries]
    if lacking:
        verb = "is" if len(lacking) == 1 else "are"
        note(
            f"{judged_in}: {len(lacking):,} of {len(judged):,} judged queries {verb} not in "
            f"{topics_in} and ignored ({examples(lacking)})"
        )
    return lacking


def examples(ids: Iterable[str]) -> str:
    """The first ids, for a note."""
    first = list(ids)
    return ", ".join(first[:NAMED]) + (", …" if len(first) > NAMED else "")


def as_pandas(qrels: pl.DataFrame) -> "pd.DataFrame":
    """The same columns in pandas, as ir-measures' providers take them.

    pytrec_eval corrupts memory (it crashes, or never returns) on a query without a level of at
    least 0. Such levels are 0 here, of which all measures make the same: judged, not relevant.
    """
    import pandas as pd  # noqa: PLC0415  (slow, and not always needed)

    level = pl.col("relevance")
    safe = qrels.select(pl.when(level.max().over("query_id") < 0).then(0).otherwise(level))
    columns = {name: qrels[name].to_list() for name in PAIR}
    return pd.DataFrame({**columns, "relevance": safe.to_series().to_numpy()})


def numbered(table: "pd.DataFrame", queries: Mapping[str, int]) -> "pd.DataFrame":
    """A table for ir-measures' providers, with numbers for query ids.

    gdeval (`ERR@k`) takes no other ids, and of `a-1` and `b-1` makes one query.

    Args:
        table: judgements or a ranking, with a column query_id.
        queries: the number of each id in it.
    """
    return table.assign(query_id=[str(queries[qid]) for qid in table["query_id"]])


def as_polars(qrels: "pl.DataFrame | pd.DataFrame") -> pl.DataFrame:
    """The same columns in polars.

    Raises:
        I3Error: a level is not an integer.
    """
    if isinstance(qrels, pl.DataFrame):
        return qrels
    levels = enumerate(qrels["relevance"].to_list(), start=1)
    columns = {name: qrels[name].to_list() for name in PAIR}
    columns["relevance"] = [_number(level, f"judgements, row {row}") for row, level in levels]
    table = pl.DataFrame(columns, schema=SCHEMA | {"relevance": pl.Float64}, strict=False)
    numbered_rows = table.with_row_index(LINE, offset=1)
    return _whole_levels(Judgements(numbered_rows, "judgements", "row")).select(*SCHEMA)


def repeated(table: pl.DataFrame) -> bool:
    """Whether a table has a pair of query and passage twice."""
    # Hashes are quick to count, and when they are all different so are the pairs.
    hashes = pl.col("query_id").hash(1) + pl.col("doc_id").hash(2)
    if table.select(hashes.n_unique()).item() == len(table):
        return False
    return bool(table.select(pl.struct(PAIR).is_duplicated().any()).item())


def _data_set(name: str) -> str:
    """The ir_datasets id behind a name.

    Raises:
        I3Error: it is a preset of many collections, or nearly a preset's name.
    """
    preset = PRESETS.get(name)
    if preset and not preset.dataset:
        raise I3Error(f"{name} is for several collections: give the qrels, and {name} as measures")
    close = difflib.get_close_matches(name, PRESETS, n=1)
    if close and not preset:
        raise I3Error(f"{name}: no such file; did you mean {close[0]}?")
    return preset.dataset if preset and preset.dataset else name


def _number(level: Any, place: str) -> float:
    """A data set's level as a number; `_checked` sees whether it is a whole one."""
    if isinstance(level, bool) or not isinstance(level, int | float | str):
        raise I3Error(f"{place}: relevance {level!r:.60} is not a finite number")
    try:
        number = float(level)
    except (ValueError, OverflowError):
        number = float("nan")
    if not abs(number) < float("inf"):
        raise I3Error(f"{place}: relevance {level!r:.60} is not a finite number")
    return number


def _refuse_no_passages(table: pl.DataFrame, path: Path) -> None:
    """Refuses a training file for rerankers, whose third column is constant."""
    if "iteration" not in table.columns:
        return
    if len(table) > 1 and table["doc_id"].n_unique() == 1 < table["iteration"].n_unique():
        raise I3Error(
            f"{path}: the third column is {table['doc_id'][0]!r} in all lines, so it is not a "
            "passage id; if the columns are qid, pid, index, score, keep the first two"
        )


def _whole_levels(judgements: Judgements) -> pl.DataFrame:
    """The table with levels as integers.

    Raises:
        I3Error: one is not an integer, or too high.
    """
    levels = judgements.table["relevance"]
    for wrong, what, advice in (
        (levels != levels.round(), "is not an integer", "round it, or give levels"),
        (levels.abs() > HIGHEST, "is not a level", f"levels are at most {HIGHEST:,}"),
    ):
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            raise I3Error(f"{judgements.place(row)}: relevance {levels[row]:g} {what}; {advice}")
    return judgements.table.select(*PAIR, pl.col("relevance").cast(pl.Int64), LINE)


def _checked(judgements: Judgements, duplicates: Duplicates) -> Judgements:
    """Whole levels, each pair once; what is odd but taken is noted."""
    table = _whole_levels(judgements)
    if repeated(table):
        table = _once(Judgements(table, judgements.source, judgements.unit), duplicates)
    below = table["relevance"].filter(table["relevance"] < 0).sort().to_list()
    if below:
        have = "judgement has" if len(below) == 1 else "judgements have"
        note(
            f"{judgements.source}: {len(below):,} {have} a level below zero (lowest {below[0]}): "
            "never relevant"
        )
    return Judgements(table, judgements.source, judgements.unit)


def _once(judgements: Judgements, duplicates: Duplicates) -> pl.DataFrame:
    """The table with each pair once, where it is first; with the highest of its levels.

    Raises:
        I3Error: a pair has two levels, and the highest is not asked for.
    """
    table = judgements.table
    pairs = table.group_by(PAIR, maintain_order=True).agg(
        pl.col("relevance").n_unique().alias("levels"),
        pl.col("relevance").max().alias("highest"),
        pl.len().alias("times"),
    )
    differ = pairs.filter(pl.col("levels") > 1)
    if len(differ) and duplicates == "refuse":
        qid, pid, *_ = differ.row(0)
        own = table.filter((pl.col("query_id") == qid) & (pl.col("doc_id") == pid))
        first, first_line = own.select("relevance", LINE).row(0)
        other = own.filter(pl.col("relevance") != first)
        level, line = other.select("relevance", LINE).row(0)
        raise I3Error(
            f"{judgements.source}, {judgements.unit} {line}: passage {pid!r} has relevance {level} "
            f"for query {qid!r}, and {first} in {judgements.unit} {first_line}; correct the "
            "one that is wrong, or take the higher level with --duplicates max (eval, data import)"
        )
    again = int((pairs["times"] - 1).sum())
    twice = pairs.filter(pl.col("times") > 1).row(0)
    pair = "pair" if len(differ) == 1 else "pairs"
    differing = f", {len(differ):,} {pair} with two levels: the higher" if len(differ) else ""
    lines = "line repeats a judgement" if again == 1 else "lines repeat judgements"
    note(
        f"{judgements.source}: {again:,} {lines} (passage {twice[1]} of query {twice[0]}"
        f"{', …' if again > 1 else ''}), counted once{differing}"
    )
    first_rows = table.unique(PAIR, keep="first", maintain_order=True)
    return first_rows.with_columns(pairs["highest"].alias("relevance"))
