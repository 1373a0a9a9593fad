"""Reads, checks and ranks runs. Unusual content is an error or reported in a note."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.column_layout import Columns
from i3_pyserini.formats.columns import line_of, read_columns, source_of
from i3_pyserini.formats.metadata_files import cut_head, read_beside
from i3_pyserini.formats.names import PASSAGE_ID, QUERY_ID, RANK, SCORE
from i3_pyserini.formats.qrels import repeated
from i3_pyserini.formats.run_metadata import RunMetadata

if TYPE_CHECKING:
    import pandas as pd

RUN = Columns(
    "run",
    {
        6: ("query_id", "_q0", "doc_id", "_rank", "score", "_tag"),
        3: ("query_id", "doc_id", "rank"),
    },
    ("score", "rank"),
    {"query_id": QUERY_ID, "doc_id": PASSAGE_ID, "score": SCORE, "rank": RANK},
)
SCHEMA = {"query_id": pl.String, "doc_id": pl.String, "score": pl.Float64}
Ids = np.ndarray[Any, np.dtype[np.integer[Any]]]
T = TypeVar("T")


class Order(NamedTuple):
    """How the lines of a run are ranked.

    Attributes:
        rows: order of the lines by rank; None if they are sorted.
        tied: number of lines with the score of one that is ranked above them.
        unsorted: whether a query's lines are not in the order of their scores.
    """

    rows: Ids | None = None
    tied: int = 0
    unsorted: bool = False


SORTED = Order()


@dataclass
class Run:
    """A run, ranked.

    Attributes:
        name: the file's name.
        lines: columns query_id, doc_id and score (float64: the score, or the negative rank), in the
            order of the file.
        order: how they are ranked.
        scored: whether the file has scores, and not only ranks.
        metadata: what made it; None if that is unknown.
        path: the file; None for a frame.
    """

    name: str
    lines: pl.DataFrame
    order: Order = SORTED
    scored: bool = True
    metadata: RunMetadata | None = None
    path: Path | None = None

    @classmethod
    def of(cls, name: str, frame: "pl.DataFrame | pd.DataFrame") -> "Run":
        """Ranks a frame of polars or pandas with columns query_id, doc_id and score.

        Raises:
            I3Error: a score is not finite.
        """
        columns = {column: frame[column].to_list() for column in ("query_id", "doc_id", "score")}
        lines = pl.DataFrame(columns, schema=SCHEMA, strict=False)
        if not lines["score"].is_finite().all():
            raise I3Error(f"{name}: has a score that is not a finite number")
        return cls(name, lines, rank(lines))

    @cached_property
    def table(self) -> pl.DataFrame:
        """The lines by rank: columns query_id, doc_id, rank (int64, from 1 on) and score.

        The rows of a query follow each other, in the order of trec_eval: score (in single
        precision), then docid, both descending.
        """
        rows = self.order.rows
        table = self.lines if rows is None else self.lines[rows]
        starts, lengths = self._stretches(table)
        ranks = np.arange(len(table)) - np.repeat(starts, lengths) + 1
        rank_column = pl.Series("rank", ranks, dtype=pl.Int64)
        return table.select("query_id", "doc_id", rank_column, "score")

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """The same for ir-measures' providers, which rank equal scores each in its own way.

        Columns query_id, doc_id and score; scores descend by one from rank to rank: 0, -1, -2, …
        """
        import pandas as pd  # noqa: PLC0415  (slow, and not always needed)

        return pd.DataFrame(
            {
                "query_id": self.table["query_id"].to_list(),
                "doc_id": self.table["doc_id"].to_list(),
                "score": (1 - self.table["rank"]).cast(pl.Float64).to_numpy(),
            }
        )

    @property
    def warnings(self) -> list[str]:
        """Warnings about its scores."""
        return order_warnings(self.order.tied, self.order.unsorted, self.scored)

    def each(self, compute: "Callable[[Run], T]") -> list[T]:
        """Computes something of the run; see `RunFile.each`."""
        return [compute(self)]

    def whole(self) -> "Run":
        """The run itself; see `RunFile.whole`."""
        return self

    @property
    def queries(self) -> list[str]:
        """Its query ids, in the order in which they come first."""
        return self.lines["query_id"].unique(maintain_order=True).to_list()

    def hits(
        self, queries: Iterable[str], last: int | None = None
    ) -> Iterator[tuple[str, list[str]]]:
        """Yields each query's id and its passages at ranks 1 to `last`, the best first.

        Args:
            queries: ids; one that the run lacks has no passages.
            last: the lowest rank that is wanted; None for all.
        """
        starts, lengths = self._stretches(self.table)
        qids = self.table["query_id"].gather(starts).to_list()
        places = dict(zip(qids, zip(starts.tolist(), lengths.tolist(), strict=True), strict=True))
        docids = self.table["doc_id"]
        for qid in queries:
            start, length = places.get(qid, (0, 0))
            wanted = length if last is None else min(length, last)
            yield qid, docids.slice(start, wanted).to_list()

    @staticmethod
    def _stretches(table: pl.DataFrame) -> tuple[Ids, Ids]:
        """Where each query's rows begin, and how many there are."""
        lengths = table["query_id"].rle().struct.field("len").to_numpy().astype(np.int64)
        return np.cumsum(lengths) - lengths, lengths


def read_run(path: Path) -> Run:
    """Reads a run in TREC's six columns or MS MARCO's three, or with a header.

    Metadata is read from the file beside it, or from comment lines at its head.

    Args:
        path: the file; plain, gzip or zstd, by content. While it is read, memory is about 100 bytes
            a line.

    Raises:
        I3Error: it is neither, or a score is not a number, or a passage is ranked twice.
    """
    with ThreadPoolExecutor(1) as pool:  # may hash the file while it is parsed
        known = pool.submit(read_beside, path)
        run = read_lines(path)
    return replace(run, metadata=known.result() or run.metadata)


def read_lines(path: Path) -> Run:
    """Like `read_run`, without the metadata beside the file."""
    source, at_head = cut_head(path, source_of(path))
    table = read_columns(path, RUN, source)
    if table.is_empty():
        raise I3Error(f"{path}: no hits in this file")
    if repeated(table):
        _refuse_repeat(table, path)
    if "score" not in table.columns and (row := wrong_rank(table)) is not None:
        raise I3Error(
            f"{path}, line {line_of(table, row)}: rank {table['rank'][row]:g} is not an integer; "
            "for scores write TREC's six columns"
        )
    return ranked(path, table, at_head)


def ranked(path: Path, table: pl.DataFrame, metadata: RunMetadata | None = None) -> Run:
    """A run of the columns of a file, or of a part of it."""
    scored = "score" in table.columns
    if not scored:
        table = table.with_columns(-pl.col("rank").alias("score"))
    lines = table.select(list(SCHEMA))
    return Run(path.name, lines, rank(lines, scored), scored, metadata, path)


def place_of(named: Path, paths: Sequence[Path]) -> int | None:
    """The position of a run among others, by its file or its name; None if it is not among them."""
    for place, path in enumerate(paths):
        if path == named or (path.exists() and named.exists() and path.samefile(named)):
            return place
    names = [Path(path.name) for path in paths]
    return names.index(named) if named in names else None


def _refuse_repeat(table: pl.DataFrame, path: Path) -> None:
    again = table.select(~pl.struct("query_id", "doc_id").is_first_distinct()).to_series()
    row = int(again.arg_max() or 0)
    query, passage = table["query_id"][row], table["doc_id"][row]
    raise I3Error(
        f"{path}, line {line_of(table, row)}: passage {passage!r} is ranked a second time for "
        f"query {query!r}"
    )


def wrong_rank(table: pl.DataFrame) -> int | None:
    """The first row whose rank is none, such as a score, which would reverse the order."""
    ranks = table["rank"]
    wrong = (ranks < 0) | (ranks != ranks.floor())
    return wrong.arg_max() if wrong.any() else None


def rank(lines: pl.DataFrame, scored: bool = True) -> Order:
    """Orders a run as trec_eval does; queries stay in the order in which they come first.

    Args:
        lines: columns query_id, doc_id and score.
        scored: whether these are scores, and no ranks.
    """
    if lines.is_empty():
        return SORTED
    queries = _numbers(lines["query_id"])
    # trec_eval holds scores in single precision, so that what is equal there is a tie.
    scores = lines["score"].cast(pl.Float32 if scored else pl.Float64).to_numpy()
    order: Ids | None = None
    unsorted = False
    if (queries[1:] < queries[:-1]).any():
        order = np.argsort(queries, kind="stable")
        queries, scores = queries[order], scores[order]
    follows = queries[1:] == queries[:-1]
    if (follows & (scores[1:] > scores[:-1])).any():
        again = np.lexsort((-scores, queries))
        order = again if order is None else order[again]
        scores = scores[again]
        unsorted = True
    tied = np.flatnonzero(follows & (scores[1:] == scores[:-1])) + 1
    if len(tied):
        order = np.arange(len(lines)) if order is None else order
        order = _break_ties(lines["doc_id"], order, tied)
    return Order(order, len(tied), unsorted)


def order_warnings(tied: int, unsorted: bool, scored: bool) -> list[str]:
    """What a reader must know of an order; see `Order`."""
    of, by = ("scores", "score") if scored else ("ranks", "rank")
    ties = [f"{tied} passages tie with one above them: ordered by docid, descending"]
    unordered = [f"the lines are not in the order of their {of}: ranked by {by}"]
    return [*(ties if tied else []), *(unordered if unsorted else [])]


def _numbers(queries: pl.Series) -> Ids:
    """Queries by number: 0 for the first, 1 for the next other one."""
    numbers = queries.rle_id()
    if numbers[-1] >= queries.n_unique():  # a query's rows are not all together
        names = queries.unique(maintain_order=True)
        numbers = queries.cast(pl.Enum(names)).to_physical()
    return numbers.to_numpy()


def _break_ties(docids: pl.Series, order: Ids, tied: Ids) -> Ids:
    """The order with equal scores by descending docid; touches only rows with an equal.

    Args:
        docids: of the rows.
        order: rows by query and score.
        tied: places in the order whose score is that of the place before.
    """
    places = np.union1d(tied - 1, tied)
    group = np.cumsum(~np.isin(places, tied))
    rows = order[places]
    equal = pl.DataFrame({"group": group, "docid": docids[rows], "row": rows})
    order[places] = equal.sort("group", "docid", descending=[False, True])["row"].to_numpy()
    return order
