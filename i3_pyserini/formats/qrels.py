"""Reading qrels, checked: nothing odd in them is accepted in silence."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.columns import line_of, read_columns
from i3_pyserini.formats.datasets import from_ir_datasets
from i3_pyserini.formats.presets import PRESETS

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {"query_id": pl.String, "doc_id": pl.String, "relevance": pl.Int64}
HIGHEST = 1_000_000
LAYOUTS = {4: ("query_id", "iteration", "doc_id", "relevance"), 2: ("query_id", "doc_id")}


def read_qrels(name_or_path: str) -> "pd.DataFrame":
    """Reads qrels in pandas, for training data, too: levels below zero are taken as they are.

    Args:
        name_or_path: see `read_judgements`.

    Returns:
        Columns query_id, doc_id (strings) and relevance (int).

    Raises:
        I3Error: see `read_judgements`.
    """
    return as_pandas(_read(name_or_path)[0])


def as_pandas(judgements: pl.DataFrame) -> "pd.DataFrame":
    """The same columns in pandas."""
    import pandas as pd  # noqa: PLC0415  (slow, and not always needed)

    columns = {name: judgements[name].to_list() for name in ("query_id", "doc_id")}
    return pd.DataFrame({**columns, "relevance": judgements["relevance"].to_numpy()})


def as_polars(qrels: "pl.DataFrame | pd.DataFrame") -> pl.DataFrame:
    """The same columns in polars."""
    if isinstance(qrels, pl.DataFrame):
        return qrels
    columns = {name: qrels[name].to_list() for name in COLUMNS}
    return pl.DataFrame(columns, schema=COLUMNS, strict=False)


def read_judgements(name_or_path: str) -> pl.DataFrame:
    """Reads qrels for evaluation.

    Args:
        name_or_path: a TREC file (`qid 0 docid relevance`) or one with a relevant pair a line
            (`qid docid`), plain or compressed (gzip, zstd); or one of the presets' names or an
            ir_datasets id.

    Returns:
        Columns query_id, doc_id (strings) and relevance (int).

    Raises:
        I3Error: there are none, or a line is not as it should be, or has a negative level, of
            which measures make different things.
    """
    judgements, source = _read(name_or_path)
    negative = judgements["relevance"] < 0
    if negative.any():
        row = int(negative.arg_max() or 0)
        raise I3Error(
            f"{name_or_path}, line {line_of(source, row)}: relevance "
            f"{judgements['relevance'][row]} is negative; count it as not relevant: write 0, or "
            "leave the line out"
        )
    return judgements


def _read(name_or_path: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The judgements, and the table with the lines that they come from."""
    path = Path(name_or_path)
    if not path.exists():
        preset = PRESETS.get(name_or_path)
        if preset and not preset.dataset:
            raise I3Error(
                f"{name_or_path} is for many collections: name the qrels, and --measures "
                f"{name_or_path}"
            )
        close = difflib.get_close_matches(name_or_path, PRESETS, n=1)
        if close and not preset:
            raise I3Error(f"{name_or_path}: no such file; did you mean {close[0]}?")
        judgements = from_ir_datasets(
            preset.dataset if preset and preset.dataset else name_or_path,
            _judgements,
            "Download the qrels and name the file",
        )
        return judgements, judgements
    table = read_columns(path, LAYOUTS, "qrels file", ("relevance",))
    if "relevance" in table.columns:
        _check_relevance(table, path)
    else:
        table = table.with_columns(pl.lit(1.0).alias("relevance"))
    refuse_repeats(table, path, "judged")
    return table.select("query_id", "doc_id", pl.col("relevance").cast(pl.Int64)), table


def refuse_repeats(table: pl.DataFrame, path: Path, done: str) -> None:
    """Refuses a file that has a pair of query and passage twice.

    Raises:
        I3Error: it has; the message names the second line of them.
    """
    # Hashes are quick to count, and when they are all different so are the pairs.
    hashes = pl.col("query_id").hash(1) + pl.col("doc_id").hash(2)
    if table.select(hashes.n_unique()).item() == len(table):
        return
    again = table.select(~pl.struct("query_id", "doc_id").is_first_distinct()).to_series()
    if again.any():
        row = int(again.arg_max() or 0)
        query, passage = table["query_id"][row], table["doc_id"][row]
        raise I3Error(
            f"{path}, line {line_of(table, row)}: passage {passage!r} is {done} a second time "
            f"for query {query!r}"
        )


def _check_relevance(table: pl.DataFrame, path: Path) -> None:
    if len(table) > 1 and table["doc_id"].n_unique() == 1 < table["iteration"].n_unique():
        raise I3Error(
            f"{path}: the third column is {table['doc_id'][0]!r} throughout, so it is no passage "
            "id; if the columns are qid, pid, index, score, keep the first two"
        )
    levels = table["relevance"]
    for wrong, what, advice in (
        (levels != levels.round(), "is no whole number", "round it, or give levels"),
        (levels.abs() > HIGHEST, "is no level", f"levels are at most {HIGHEST:,}"),
    ):
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            raise I3Error(
                f"{path}, line {line_of(table, row)}: relevance {levels[row]:g} {what}; {advice}"
            )


def _judgements(data: Any) -> pl.DataFrame:
    rows = [(qrel.query_id, qrel.doc_id, int(qrel.relevance)) for qrel in data.qrels_iter()]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
